"""The scan as the methods see it: which sizes fit, and y = D H x with its transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..acquisition import Acquisition
from ..errors import RequestError
from ..operators import apply_along_axes


def check_sizes(low: Sequence[int], size: Sequence[int]) -> None:
    """RequestError where a volume of ``low`` voxels cannot become one of ``size``, which is never coarser."""
    if len(low) != 3 or len(size) != 3 or min(low) < 1 or any(m < n for n, m in zip(low, size, strict=True)):
        raise RequestError(
            f"{_times(low)} voxels cannot become {_times(size)}: give three sizes, none smaller than the input's"
        )


class Scan:
    """The linear map D H of an acquisition without its noise, from ``size`` (HR) to ``low`` (LR) voxels.

    Raises RequestError where the acquisition makes another size of ``size``, and for one that samples at the
    corners, whose LR grid does not fill the box of the result.
    """

    def __init__(self, acquisition: Acquisition, size: Sequence[int], low: Sequence[int]) -> None:
        check_sizes(low, size)
        if acquisition.sampling != "cells":
            raise RequestError("a scan sampled at the corners of its voxels cannot be undone: use sampling = cells")
        self.noise_level = acquisition.noise_level
        self.matrices = acquisition.matrices(size)
        made = tuple(n if m is None else len(m) for n, m in zip(size, self.matrices, strict=True))
        if made != tuple(low):
            raise RequestError(
                f"the acquisition makes {_times(made)} voxels of {_times(size)}, but the input has {_times(low)}: "
                "give the factors that lie between the two sizes"
            )

    def of(self, high: Any) -> Any:
        """D H x: array on the HR grid -> on the LR grid."""
        return apply_along_axes(self.matrices, high)

    def transposed(self, low: np.ndarray) -> np.ndarray:
        """(D H)^T y: array on the LR grid -> on the HR grid."""
        return apply_along_axes([None if m is None else m.T for m in self.matrices], low)

    def missing(self, high: Any, low: Any) -> Any:
        """y - D H x: what a volume does not explain of the scan, on the LR grid."""
        return low - self.of(high)

    def noise(self, low: Any) -> float:
        """Standard deviation of the noise that the acquisition tells of, in the units of ``low``."""
        return self.noise_level * float(low.max() - low.min())


def _times(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))
