"""Volumes that are computed where they are asked for, so that none is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .operators import apply_along_axes, counting


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


class Channels:
    """Volumes of one grid as the channels (channels, *axes) of a network's input; axis n is axis order[n] of them."""

    def __init__(self, volumes: Sequence[Source], order: Sequence[int] = (0, 1, 2)) -> None:
        self.volumes, self.order = list(volumes), tuple(order)
        self.shape = (len(volumes), *(volumes[0].shape[axis] for axis in order))

    def __getitem__(self, where: Sequence[slice]) -> np.ndarray:
        own = tuple(where[1:][axis] for axis in np.argsort(self.order))
        return np.stack([volume[own].transpose(self.order) for volume in self.volumes[where[0]]])
