"""A volume: voxels [i, j, k] and the grid that they lie on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import RequestError
from .grid import Grid, Triple

SMALLEST_SIZE = 3
"""Fewer voxels than this along an axis leave nothing to interpolate."""

SMALLEST_RANGE, LARGEST_VALUE = 1e-30, 1e30
"""Bounds on intensities that leave room for arithmetic in single precision."""


@dataclass(frozen=True)
class Volume:
    """``array`` [i, j, k], any real scalar type (half precision becomes single), on ``grid``.

    header   text fields for the file
    name     what messages call it, such as its path
    """

    array: np.ndarray
    grid: Grid
    header: Mapping[str, str] = field(default_factory=dict)
    name: str = "the volume"

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.size:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.size}")
        native = np.dtype(np.float32) if self.array.dtype == np.float16 else self.array.dtype.newbyteorder("=")
        if native != self.array.dtype:
            # what libraries work with; no number changes
            object.__setattr__(self, "array", self.array.astype(native))


def check_image(volume: Volume) -> None:
    """Raise RequestError unless the volume can be worked on.

    It needs three voxels or more along each axis and finite numbers of more than one value, in a range that
    single precision can work with.
    """
    name = volume.name
    thin = [n for n in volume.grid.size if n < SMALLEST_SIZE]
    if thin:
        raise RequestError(
            f"{name} has {thin[0]} voxel(s) along one axis ({' x '.join(map(str, volume.grid.size))}): "
            f"a volume needs {SMALLEST_SIZE} or more along each"
        )
    if volume.array.dtype.kind == "f":
        _check_finite(volume.array, name)
    low, high = (float(x) for x in (volume.array.min(), volume.array.max()))
    if low == high:
        raise RequestError(f"{name} is constant ({low:g} everywhere): is it the right file?")
    if high - low < SMALLEST_RANGE or max(-low, high) > LARGEST_VALUE:
        raise RequestError(
            f"{name} has values from {low:g} to {high:g}, which single precision cannot work with: scale them first"
        )


def _check_finite(array: np.ndarray, name: str) -> None:
    # the sum is finite only if every voxel is; it costs no array of the volume's size
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    finite = np.isfinite(array)
    if finite.all():
        return
    first = tuple(int(x) for x in np.argwhere(~finite)[0])
    nan = int(np.isnan(array).sum())
    infinite = int((~finite).sum()) - nan
    raise RequestError(
        f"{name} holds {nan} NaN and {infinite} infinite voxel(s), the first at index {first}: "
        "replace them by numbers"
    )


def divisible(volume: Volume, factors: Triple) -> Volume:
    """The volume without its last voxels along axes whose size is no multiple of the factor."""
    size = [n if f != int(f) else n - n % int(f) for n, f in zip(volume.grid.size, factors, strict=True)]
    array = np.ascontiguousarray(volume.array[tuple(slice(n) for n in size)])
    return Volume(array, replace(volume.grid, size=tuple(size)), name=volume.name)  # type: ignore[arg-type]
