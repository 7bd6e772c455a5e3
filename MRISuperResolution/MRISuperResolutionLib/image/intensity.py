"""Intensities: to the range that the networks see, and back to the input's own units and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ROBUST_PERCENTILES = (0.1, 99.9)

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

        Where these coincide (nearly all of the volume is background) its minimum and maximum take their
        place. Raises ValueError for a constant array.
        """
        lowest, highest = float(array.min()), float(array.max())
        if not lowest < highest:
            raise ValueError("a constant array has no range to normalise")
        low, high = (float(x) for x in np.percentile(array, ROBUST_PERCENTILES))
        return cls(low, high) if high - low > EMPTY * (highest - lowest) else cls(lowest, highest)

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
