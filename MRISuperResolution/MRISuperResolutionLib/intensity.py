"""Intensities: to the range that the networks see, and back to the input's own units and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ROBUST_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True)
class Normalisation:
    """The affine map x -> (x - low) / (high - low); most of the volume lands in [0, 1], nothing is clipped."""

    low: float
    high: float

    @classmethod
    def of(cls, array: np.ndarray) -> Normalisation:
        """Map of ``array``'s 0.1 and 99.9 percentiles to 0 and 1.

        Where these coincide (nearly all of the volume is background) its minimum and maximum take their
        place. Raises ValueError for a constant array.
        """
        low, high = (float(x) for x in np.percentile(array, ROBUST_PERCENTILES))
        if not low < high:
            low, high = float(array.min()), float(array.max())
        if not low < high:
            raise ValueError("a constant array has no range to normalise")
        return cls(low, high)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Units of the input -> float32 in normalised units, in a new array."""
        # float32 from the start, so that a large integer volume is not copied as float64
        normalised = array.astype(np.float32, order="C")
        normalised -= np.float32(self.low)
        normalised *= np.float32(1 / (self.high - self.low))
        return normalised

    def undo(self, normalised: np.ndarray) -> np.ndarray:
        """Normalised units -> units of the input, in a new array."""
        array = normalised * np.float32(self.high - self.low)
        array += np.float32(self.low)
        return array

    def undo_difference(self, normalised: np.ndarray) -> np.ndarray:
        """A difference of normalised values -> of values in units of the input, in a new array."""
        return normalised * np.float32(self.high - self.low)


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
