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

CLOSE = 2e-3
"""How far from the background's value, in normalised units, a voxel is background."""

WORTHWHILE = 0.9
"""Share of the work that is left from which on nothing is skipped."""

Box = tuple[int, int, int, int]
"""First row and one past the last, first column and one past the last."""


@dataclass(frozen=True)
class Background:
    """Of planes (height, width): the background's ``value`` (channels), and for each plane (planes, 2) the
    first row and column with tissue, and one past the last; the plane's end and 0 where there is none."""

    value: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    face: tuple[int, int]

    def box(self, first: int, count: int, radius: int) -> Box | None:
        """Where the ``count`` planes from ``first`` on have tissue within ``radius`` voxels; None where nowhere."""
        near = slice(max(0, first - radius), max(0, first + count + radius))
        bounds = []
        for ends, size in ((self.rows[near], self.face[0]), (self.columns[near], self.face[1])):
            start, end = int(ends[:, 0].min()), int(ends[:, 1].max())
            if start >= end:
                return None
            bounds += [max(0, start - radius), min(size, end + radius)]
        return bounds[0], bounds[1], bounds[2], bounds[3]

    def share_of_work(self, layers: Iterable[tuple[int, float]]) -> float:
        """Share of the work that is left to compute, plane by plane, of layers that see so far and are so much work
        each; all of it where too little would be skipped."""
        left = whole = 0.0
        for reach, work in layers:
            left += self._share_within(reach) * work
            whole += work
        return left / whole if left <= WORTHWHILE * whole else 1.0

    def _share_within(self, radius: int) -> float:
        boxes = (self.box(plane, 1, radius) for plane in range(len(self.rows)))
        voxels = sum((box[1] - box[0]) * (box[3] - box[2]) for box in boxes if box)
        return voxels / (len(self.rows) * self.face[0] * self.face[1])


def background_value(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(channels): the median of a volume's corners, of its first and its last plane (channels, height, width)."""
    ends = [plane[:, :: max(1, plane.shape[1] - 1), :: max(1, plane.shape[2] - 1)] for plane in (first, last)]
    corners = np.concatenate([end.reshape(len(end), -1) for end in ends], axis=1)
    return np.sort(corners, axis=1)[:, (corners.shape[1] - 1) // 2]


def background_of(pieces: Iterator[np.ndarray], value: np.ndarray) -> Background:
    """Of a volume whose background has that ``value``, in pieces (channels, planes, height, width) that follow one
    another."""
    rows, columns, face = [], [], (0, 0)
    for piece in pieces:
        tissue = (np.abs(piece - value[:, None, None, None]) > CLOSE).any(axis=0)
        rows.append(_ends(tissue.any(axis=2)))
        columns.append(_ends(tissue.any(axis=1)))
        face = tissue.shape[1:]
    return Background(value, np.concatenate(rows), np.concatenate(columns), face)


def _ends(there: np.ndarray) -> np.ndarray:
    """(planes, n) bool -> (planes, 2): the first that is there and one past the last; n and 0 where none is."""
    n = there.shape[1]
    number = np.arange(n)
    first = np.where(there, number, n).min(axis=1)
    end = np.where(there, number + 1, 0).max(axis=1)
    return np.stack([first, end], axis=1)
