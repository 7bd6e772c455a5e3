"""Intensities: to the range that the networks see, and back to the input's own units and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ROBUST_PERCENTILES = (0.1, 99.9)

FAR_ABOVE = 4.0
"""Ranges above the low end from which on voxels that lie together are the head, and all else is background."""

OUTLIER = 2.0
"""Normalised intensity, or its negative, beyond which no network has seen tissue."""

EMPTY = 1e-6
"""Share of the range that these lie apart at most where nearly all of a volume is background."""


@dataclass(frozen=True)
class Normalisation:
    """The affine map x -> (x - low) / (high - low); most of the volume lands in [0, 1], nothing is clipped."""

    low: float
    high: float

    @classmethod
    def of(cls, array: np.ndarray) -> Normalisation:
        """Map of ``array``'s 0.1 and 99.9 percentiles to 0 and 1.

        Where a head fills so little of the field of view that the upper one is of the background, it is that of the
        head. Where both coincide (nearly all of the volume is background) its minimum and maximum take their
        place. Raises ValueError for a constant array.
        """
        lowest, highest = float(array.min()), float(array.max())
        if not lowest < highest:
            raise ValueError("a constant array has no range to normalise")
        low, high = (float(x) for x in np.percentile(array, ROBUST_PERCENTILES))
        if not high - low > EMPTY * (highest - lowest):
            return cls(lowest, highest)
        return cls(low, cls._high_of_head(array, low, high))

    @staticmethod
    def _high_of_head(array: np.ndarray, low: float, high: float) -> float:
        """``high``, or the upper percentile of what lies far above it, if that is more than voxels and lines."""
        far = array > low + FAR_ABOVE * (high - low)
        if not far.any():
            return high
        # scipy takes its time
        from scipy import ndimage

        head = ndimage.binary_opening(far)
        return float(np.percentile(array[head], ROBUST_PERCENTILES[1])) if head.any() else high

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Units of the input -> float32 in normalised units, in a new array."""
        work = exact_type(array.dtype)
        normalised = array.astype(work, order="C")
        normalised -= work.type(self.low)
        normalised *= work.type(1 / (self.high - self.low))
        return normalised.astype(np.float32, copy=False)

    def undo(self, normalised: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Normalised units -> units of the input, whose scalars are of that ``dtype``, in a new array."""
        work = exact_type(dtype)
        array = normalised.astype(work)
        array *= work.type(self.high - self.low)
        array += work.type(self.low)
        return array

    def undo_difference(self, normalised: np.ndarray) -> np.ndarray:
        """A difference of normalised values -> of values in units of the input, in a new array."""
        return normalised * np.float32(self.high - self.low)


def without_outliers(normalised: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What a network is given of a volume [i, j, k] in normalised units, and the rest; None where there is none.

    A voxel beyond ``OUTLIER`` (a failed fit, a hot pixel) becomes the median of the 3 x 3 x 3 around it, or
    ``OUTLIER`` where many such lie together. Without that, one of them would change a result twenty voxels away.
    """
    places = np.nonzero(np.abs(normalised) > OUTLIER)
    if not len(places[0]):
        return normalised, None
    around = np.indices((3, 3, 3)).reshape(3, 1, -1) - 1
    near = [
        np.clip(place[:, None] + step, 0, n - 1)
        for place, step, n in zip(places, around, normalised.shape, strict=True)
    ]
    inside = normalised.copy()
    inside[places] = np.clip(np.median(normalised[tuple(near)], axis=1), -OUTLIER, OUTLIER)
    return inside, normalised - inside


def exact_type(dtype: np.dtype) -> np.dtype:
    """The floating-point type to compute with that holds all numbers of ``dtype``, as far as there is one."""
    wide = dtype.itemsize > 2 if dtype.kind in "iu" else dtype.itemsize > 4
    return np.dtype(np.float64 if wide else np.float32)


def to_type(array: np.ndarray, dtype: Any) -> np.ndarray:
    """``array`` as ``dtype``; integers are rounded to nearest and clamped to what the type can hold."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "iu":
        return array.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    # float32 holds every 16-bit integer exactly, float64 every 32-bit one
    work = np.rint(array.astype(np.float32 if dtype.itemsize <= 2 else np.float64))
    highest = float(limits.max)
    if highest > limits.max:
        highest = float(np.nextafter(highest, 0))
    return np.clip(work, float(limits.min), highest, out=work).astype(dtype)
