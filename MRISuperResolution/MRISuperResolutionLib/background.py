"""Where a volume is background, so far from all else that a chain of convolutions makes one and the same of it.

Outside the tissue, dilated by what the layers up to one can see, that layer's features are those of an endless
background: a constant for each channel, which is known beforehand. Two things keep this from being exact: background
is told by ``CLOSE``, since interpolation rings; and the zeros that pad the faces of a volume are not seen by
background near them, as if it went on beyond. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

CLOSE = 2e-3
"""How far from the background's value, in normalised units, a voxel is background."""

WORTHWHILE = 0.9
"""Share of the work that is left from which on nothing is skipped."""

ROWS = 16
"""Of a plane that are computed at a time at most."""


@dataclass(frozen=True)
class Background:
    """Of planes (height, width): the background's ``value`` (channels), and for each row (planes, height) the first
    column with tissue and one past the last; the plane's width and 0 where there is none. ``deep``: whether what sees
    to the side sees other planes, too."""

    value: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    width: int
    deep: bool = True

    def columns(self, planes: slice, rows: slice, radius: int) -> slice | None:
        """Columns with tissue within ``radius`` voxels of the ``planes`` and their ``rows``; None where there is
        none."""
        reach = radius * self.deep, radius
        near = tuple(
            slice(max(0, part.start - r), max(0, part.stop + r))
            for part, r in zip((planes, rows), reach, strict=True)
        )
        start, end = int(self.starts[near].min()), int(self.ends[near].max())
        return slice(max(0, start - radius), min(self.width, end + radius)) if start < end else None

    def share_of_work(self, layers: Iterable[tuple[int, float]], planes: int) -> float:
        """Share of the work that is left to compute, ``planes`` and ``ROWS`` at a time, of layers that see so far and
        are so much work each; all of it where too little would be skipped."""
        left = whole = 0.0
        for reach, work in layers:
            left += self._share_within(reach, planes) * work
            whole += work
        return left / whole if left <= WORTHWHILE * whole else 1.0

    def _share_within(self, radius: int, planes: int) -> float:
        """What ``columns`` would find, all at once."""
        near = 1 + 2 * radius * self.deep, 1 + 2 * radius
        starts = minimum_filter(self.starts, near, mode="constant", cval=self.width)
        ends = maximum_filter(self.ends, near, mode="constant", cval=0)
        voxels = np.ones(())
        for axis, step in enumerate((planes, ROWS)):
            count = self.starts.shape[axis]
            first = np.arange(0, count, step)
            starts, ends = np.minimum.reduceat(starts, first, axis), np.maximum.reduceat(ends, first, axis)
            voxels = np.multiply.outer(voxels, np.diff(first, append=count))
        computed = np.minimum(ends + radius, self.width) - np.maximum(starts - radius, 0)
        return float((np.where(starts < ends, computed, 0) * voxels).sum() / (self.starts.size * self.width))


def background_value(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(channels): the median of a volume's corners, of its first and its last plane (channels, height, width)."""
    ends = [plane[:, :: max(1, plane.shape[1] - 1), :: max(1, plane.shape[2] - 1)] for plane in (first, last)]
    corners = np.concatenate([end.reshape(len(end), -1) for end in ends], axis=1)
    return np.sort(corners, axis=1)[:, (corners.shape[1] - 1) // 2]


def background_of(pieces: Iterator[np.ndarray], value: np.ndarray, deep: bool) -> Background:
    """Of a volume whose background has that ``value``, in pieces (channels, planes, height, width) that follow one
    another; ``deep`` as in ``Background``."""
    starts, ends, width = [], [], 0
    for piece in pieces:
        tissue = (np.abs(piece - value[:, None, None, None]) > CLOSE).any(axis=0)
        width = tissue.shape[2]
        there = tissue.any(axis=2)
        starts.append(np.where(there, tissue.argmax(axis=2), width))
        ends.append(np.where(there, width - tissue[:, :, ::-1].argmax(axis=2), 0))
    return Background(value, np.concatenate(starts), np.concatenate(ends), width, deep)
