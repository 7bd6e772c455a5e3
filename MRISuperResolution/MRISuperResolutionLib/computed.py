"""What a model makes of a volume in normalised units, before it is brought back to the volume's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import OutOfMemory
from .grid import Grid
from .memory import GIB, process_memory


@dataclass(frozen=True)
class Computed:
    """float32 [i, j, k], normalised.

    high            on the target grid
    made            how it was made, for the header
    unexplained     on the input's grid: the input less a scan of ``high``; None where nothing is known of the scan
    expected_error  on the target grid, not negative: what nine of ten voxels' errors are expected to stay below; None
                    where the model does not tell
    """

    high: np.ndarray
    made: dict[str, Any] = field(default_factory=dict)
    unexplained: np.ndarray | None = None
    expected_error: np.ndarray | None = None


Run = Callable[[np.ndarray, list[np.ndarray]], Computed]
"""From the input's normalised values and the references on their grid to what is computed."""


def check_memory(target: Grid, bytes_needed: int, limit: int) -> None:
    """Raise OutOfMemory, before the work starts, where not even the result on ``target``, with what it is made of in
    ``bytes_needed``, fits into ``limit``."""
    needed = process_memory() + bytes_needed
    if needed > limit:
        raise OutOfMemory(
            f"a result of {' x '.join(map(str, target.size))} voxels needs {needed / GIB:.2f} GiB, and "
            f"{limit / GIB:.2f} GiB may be taken: ask for a smaller factor or raise the memory limit (--max-memory)"
        )
