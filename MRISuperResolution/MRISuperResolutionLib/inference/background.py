"""Where a volume is background, so far from all else that a chain of convolutions makes one and the same of it.

Outside the tissue, dilated by what the layers up to one can see, that layer's features are those of background alone,
which are known beforehand: of slices, those of one without tissue; of volumes, a constant for each channel, that of
an endless background. Two things keep this from being exact: background is told by ``CLOSE``, since interpolation
rings, but for networks that give the intensities themselves; and the zeros that pad the faces of a volume, not of a
slice, are not seen by background near them, as if it went on beyond. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

CLOSE = 2e-3
"""How far from the background's value, in normalised units, a voxel is background."""

ROUNDING = 1e-5
"""The same for networks that give the intensities themselves, noise included: less than 16 bits tell apart."""

WORTHWHILE = 0.9
"""Share of the work that is left from which on nothing is skipped."""

ROWS = 16
"""Of a plane of a volume that are computed at a time at most; of slices, which are small, all."""


MULTIPLE = 8
"""Voxels that the edges of what is computed are multiples of: libraries prepare anew for each size, which takes
longer than to compute a few voxels more."""


@dataclass(frozen=True)
class Background:
    """Of planes (height, width): for each row (planes, height) the first column with tissue and one past the last,
    the plane's width and 0 where there is none; ``deep``: whether what sees to the side sees other planes, too; the
    ``value`` of background, (channels), or what else stands for it."""

    value: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    width: int
    deep: bool = True

    @property
    def height(self) -> int:
        return self.starts.shape[1]

    @property
    def rows_at_once(self) -> int:
        """Rows that are computed at a time at most."""
        return ROWS if self.deep else self.height

    def grown(self, radius: int) -> Background:
        """All within ``radius`` voxels of tissue taken for tissue."""
        if not radius:
            return self
        starts, ends = self._within(radius)
        there = starts < ends
        return replace(
            self,
            starts=np.where(there, np.maximum(starts - radius, 0), self.width),
            ends=np.where(there, np.minimum(ends + radius, self.width), 0),
        )

    def _within(self, radius: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each row: the first column with tissue in it and in those within the radius, and one past the last."""
        near = 1 + 2 * radius * self.deep, 1 + 2 * radius
        starts = minimum_filter(self.starts, near, mode="constant", cval=self.width)
        return starts, maximum_filter(self.ends, near, mode="constant", cval=0)

    def box(self, planes: slice, rows: slice, radius: int) -> tuple[slice, slice]:
        """Those of the ``rows``, and the columns, that hold all of the ``planes`` and rows that lie within ``radius``
        voxels of tissue; none where nothing does."""
        reach = radius * self.deep, radius
        near = tuple(
            slice(max(0, part.start - r), max(0, part.stop + r))
            for part, r in zip((planes, rows), reach, strict=True)
        )
        starts, ends = self.starts[near].min(axis=0), self.ends[near].max(axis=0)
        (there,) = np.nonzero(starts < ends)
        if not len(there):
            return slice(rows.start, rows.start), slice(0, 0)
        first, last = near[1].start + int(there[0]), near[1].start + int(there[-1])
        return (
            _rounded(first - radius, last + 1 + radius, rows),
            _rounded(int(starts.min()) - radius, int(ends.max()) + radius, slice(0, self.width)),
        )

    def share_of_work(self, layers: Iterable[tuple[int, float]], planes: int) -> float:
        """Share of the work that is left to compute, so many ``planes`` at a time, of layers that see so far and are
        so much work each; all of it where too little would be skipped."""
        left = whole = 0.0
        for reach, work in layers:
            left += self._share_within(reach, planes) * work
            whole += work
        return left / whole if left <= WORTHWHILE * whole else 1.0

    def _share_within(self, radius: int, planes: int) -> float:
        """The boxes of all of it."""
        starts, ends = self._within(radius)
        numbers = np.broadcast_to(np.arange(self.height), starts.shape)
        first = np.where(starts < ends, numbers, self.height)
        last = np.where(starts < ends, numbers + 1, 0)
        for axis, step in enumerate((planes, self.rows_at_once)):
            steps = np.arange(0, self.starts.shape[axis], step)
            starts, first = (np.minimum.reduceat(array, steps, axis) for array in (starts, first))
            ends, last = (np.maximum.reduceat(array, steps, axis) for array in (ends, last))
        columns = np.minimum(ends + radius, self.width) - np.maximum(starts - radius, 0)
        columns = np.minimum(-(-columns // MULTIPLE) * MULTIPLE, self.width)
        depths, heights = (
            np.diff(np.arange(0, n, step), append=n)
            for n, step in zip(self.starts.shape, (planes, self.rows_at_once), strict=True)
        )
        rows = np.minimum(-(-(last - first) // MULTIPLE) * MULTIPLE, heights)
        boxes = np.where(starts < ends, columns * rows, 0) * depths[:, None]
        return float(boxes.sum() / (self.starts.size * self.width))


def _rounded(start: int, stop: int, within: slice) -> slice:
    """From ``start`` to ``stop`` as far as that lies within, a multiple of ``MULTIPLE`` long if there is room."""
    start, stop = max(within.start, start), min(within.stop, stop)
    stop = min(within.stop, start - (start - stop) // MULTIPLE * MULTIPLE)
    return slice(max(within.start, stop + (start - stop) // MULTIPLE * MULTIPLE), stop)


def background_value(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(channels): the median of a volume's corners, of its first and its last plane (channels, height, width)."""
    ends = [plane[:, :: max(1, plane.shape[1] - 1), :: max(1, plane.shape[2] - 1)] for plane in (first, last)]
    corners = np.concatenate([end.reshape(len(end), -1) for end in ends], axis=1)
    return np.sort(corners, axis=1)[:, (corners.shape[1] - 1) // 2]


def background_of(pieces: Iterator[np.ndarray], value: np.ndarray, deep: bool, close: float = CLOSE) -> Background:
    """Of a volume whose background has that ``value`` or is so ``close`` to it, in pieces (channels, planes, height,
    width) that follow one another; ``deep`` as in ``Background``."""
    starts, ends, width = [], [], 0
    for piece in pieces:
        tissue = (np.abs(piece - value[:, None, None, None]) > close).any(axis=0)
        width = tissue.shape[2]
        there = tissue.any(axis=2)
        starts.append(np.where(there, tissue.argmax(axis=2), width))
        ends.append(np.where(there, width - tissue[:, :, ::-1].argmax(axis=2), 0))
    return Background(value, np.concatenate(starts), np.concatenate(ends), width, deep)
