"""Where a volume is put, piece by piece, while it is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .grid import Grid

AT_ONCE = 2**25
"""Bytes of planes that are worked on at a time where any number would do."""

Where = tuple[slice, slice, slice]

EVERYWHERE: Where = (slice(None), slice(None), slice(None))


class Pieces(Protocol):
    """Takes voxels by ``pieces[i, j, k] = values``, slices of the three axes; arrays do."""

    def __setitem__(self, where: Where, values: np.ndarray) -> None: ...


def put(pieces: Pieces, where: Sequence[slice], values: np.ndarray) -> None:
    """``values`` (outputs, *axes) of a network, several outputs in front of the axes and a single one without."""
    if len(values) == 1:
        i, j, k = where
        pieces[i, j, k] = values[0]
    else:
        pieces[(slice(None), *where)] = values  # type: ignore[index]


class Room(Protocol):
    """Room for one volume.

    bytes_voxel  memory that it takes for each voxel, besides what is handed over
    """

    bytes_voxel: int

    def begin(self, header: Mapping[str, str]) -> Pieces:
        """Where the voxels are to go, the text fields of the header being known. Begins anew when called again."""


class InMemory:
    """A new ``array`` [i, j, k] of scalar type ``dtype``, with the ``header`` that it was begun with."""

    def __init__(self, grid: Grid, dtype: Any) -> None:
        self.bytes_voxel = np.dtype(dtype).itemsize
        # as in files: planes of k one after the other
        self.array = np.empty(grid.size, dtype, order="F")
        self.header: dict[str, str] = {}

    def begin(self, header: Mapping[str, str]) -> Pieces:
        self.header = dict(header)
        return self.array


class Turned:
    """``pieces`` with their axes in another ``order``: axis n of what comes is axis order[n] of them."""

    def __init__(self, pieces: Pieces, order: Sequence[int]) -> None:
        self.pieces, self.order = pieces, tuple(order)

    def __setitem__(self, where: Where, values: np.ndarray) -> None:
        back = np.argsort(self.order)
        i, j, k = (where[axis] for axis in back)
        self.pieces[i, j, k] = values.transpose(back)


def planes_at_once(size: Sequence[int], itemsize: int = 4) -> Iterator[slice]:
    """Slices of the last axis of a volume of ``size`` that cover it, of AT_ONCE bytes or one plane each."""
    step = max(1, AT_ONCE // (size[0] * size[1] * itemsize))
    return (slice(first, min(size[2], first + step)) for first in range(0, size[2], step))
