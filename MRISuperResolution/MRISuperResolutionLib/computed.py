"""What a model makes of a volume in normalised units, before it is brought back to the volume's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .rooms import Pieces


@dataclass(frozen=True)
class Computed:
    """What is known of a result besides its voxels; float32 [i, j, k], normalised.

    made            how it was made, for the header
    unexplained     on the input's grid: the input less a scan of the result; None where nothing is known of the scan
    expected_error  on the target grid, not negative: what nine of ten voxels' errors, noise left out, are expected
                    to stay below; None where the model does not tell
    """

    made: dict[str, Any] = field(default_factory=dict)
    unexplained: np.ndarray | None = None
    expected_error: np.ndarray | None = None


Begin = Callable[[dict[str, Any]], Pieces]
"""From how the result is made to where its normalised voxels are to be put. Begins anew when called again."""

Run = Callable[[np.ndarray, list[np.ndarray], Begin], Computed]
"""From the input's normalised values and the references on their grid to what is computed."""
