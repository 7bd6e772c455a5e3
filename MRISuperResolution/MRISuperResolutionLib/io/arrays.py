"""Volumes that are computed where they are asked for, so that none is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..image.grid import Grid
from ..image.linear_operators import apply_along_axes, counting, spline_matrix


class Source(Protocol):
    """Gives voxels by ``source[slices]``, float32, one slice for each axis; arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""

    def __getitem__(self, where: Any) -> np.ndarray: ...


class Interpolated:
    """``array`` [i, j, k], float32, on another grid over the same box: a new array of what is asked for.

    array     numpy or torch, which then computes the products, too: beside its convolutions that is quicker, since
              numpy's threads are others, and those that wait take the processor from those that work
    matrices  (n_out, n_in) for each axis, None where it stays as it is (see ``operators``)
    """

    def __init__(self, array: Any, matrices: Sequence[np.ndarray | None]) -> None:
        self.array, self.matrices = array, list(matrices)
        self.shape = tuple(n if m is None else len(m) for n, m in zip(array.shape, matrices, strict=True))

    def __getitem__(self, where: Sequence[slice]) -> np.ndarray:
        axes = [axis for axis in range(3) if self.matrices[axis] is not None]
        wanted = {axis: self.matrices[axis][where[axis]] for axis in axes}  # type: ignore[index]
        # a few planes need few of the input
        needed = {axis: counting(matrix) for axis, matrix in wanted.items()}
        piece = self.array[tuple(needed.get(axis, part) for axis, part in enumerate(where))]
        # the axis of which the least is left first: the others are less work then
        for axis in sorted(axes, key=lambda a: len(wanted[a]) / piece.shape[a]):
            matrix = wanted[axis][:, needed[axis]]
            piece = apply_along_axes([matrix if a == axis else None for a in range(3)], piece)
        made = np.asarray(piece)
        return made if axes else made.copy()


def spline(array: Any, size: Sequence[int]) -> Interpolated:
    """Cubic-spline interpolation of ``array`` [i, j, k] to the grid of ``size`` cells over the same box."""
    return Interpolated(
        array, [None if n == m else spline_matrix(n, m) for n, m in zip(array.shape, size, strict=True)]
    )


class Channels:
    """Volumes of one grid as the channels (channels, *axes) of a network's input; axis n is axis order[n] of them."""

    def __init__(self, volumes: Sequence[Source], order: Sequence[int] = (0, 1, 2)) -> None:
        self.volumes, self.order = list(volumes), tuple(order)
        self.shape = (len(volumes), *(volumes[0].shape[axis] for axis in order))

    def __getitem__(self, where: Sequence[slice]) -> np.ndarray:
        own = tuple(where[1:][axis] for axis in np.argsort(self.order))
        return np.stack([volume[own].transpose(self.order) for volume in self.volumes[where[0]]])


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
