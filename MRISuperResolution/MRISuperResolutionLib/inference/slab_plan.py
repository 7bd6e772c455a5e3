"""How a volume is streamed through a chain of convolutions in the memory that there is; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .tile_plan import choose_tile, tiles

SLABS = (16, 8, 4, 2, 1)
"""Planes that may be pushed at a time."""

SLICES = (4, 2, 1)
"""Slices for networks of two dimensions: the fewer at a time, the closer what is computed lies around the tissue."""

STRIP_BYTES = 16 * 2**20
"""Of all that exists while a strip of a slab is computed: little enough that caches hold it, and that the system
leaves the memory to the process from one strip to the next, in place of clearing other pages for each."""

IMAGE_BYTES = 24
"""Of each voxel of a push: what is made of the input and of the output besides the feature maps."""

COST_OF_A_PUSH = 0.1
"""Of computing a plane: what each push costs besides, in the planes that every layer keeps and copies."""


def strips(planes: int, rows: int, row_bytes: int, most_rows: int) -> list[tuple[slice, slice]]:
    """The planes of a slab, and the rows of these, that are computed at a time, each row of a plane taking so many
    bytes: whole planes, which lie together in memory, unless these are too large or of more than ``most_rows``."""
    at_once = max(1, STRIP_BYTES // row_bytes)
    if min(most_rows, at_once) >= rows:
        return [(part, slice(0, rows)) for part in _parts(planes, at_once // rows)]
    step = min(max(1, at_once // planes), most_rows)
    return [(slice(0, planes), part) for part in _parts(rows, step)]


def _parts(count: int, step: int) -> list[slice]:
    return [slice(first, min(count, first + step)) for first in range(0, count, step)]


@dataclass(frozen=True)
class Slabs:
    """Stream along ``axis``, ``planes`` at a time, columns of ``core`` voxels of the face at a time.

    voxels  that the network computes on, margins of the columns included
    bytes   of memory
    """

    axis: int
    planes: int
    core: tuple[int, ...]
    voxels: int
    bytes: int

    def face(self, size: Sequence[int]) -> list[int]:
        """The two edges of the face that the columns cover."""
        return [n for axis, n in enumerate(size) if axis != self.axis]


def pushes(dimensions: int) -> tuple[int, ...]:
    """Planes that may be pushed at a time through a network of so many dimensions, the most first."""
    return SLICES if dimensions == 2 else SLABS


def axis_along(size: Sequence[int], dimensions: int = 3) -> int:
    """The axis that a volume is streamed along: the first, that of the slices, for a network of two dimensions; else
    the last, plane by plane of which files are written, unless another is so long that its planes take much less
    memory."""
    if dimensions == 2:
        return 0
    longest = int(np.argmax(size))
    return longest if size[longest] > 2 * size[-1] else len(size) - 1


def choose_slabs(
    size: Sequence[int],
    radius: int,
    held: float,
    moving: float,
    scratch: float,
    itemsize: int,
    most_bytes: int,
    image_bytes: float = IMAGE_BYTES,
    dimensions: int = 3,
) -> Slabs | None:
    """The quickest way to stream a volume of ``size`` through a chain in ``most_bytes``; None where none fits.

    radius       voxels to each side that the chain sees, along its ``dimensions``
    held         numbers of ``itemsize`` bytes that the chain keeps for each voxel of the face
    moving       those that each plane of a push takes besides
    scratch      those of each voxel while it is computed, a strip at a time
    image_bytes  of each voxel of a push: what is made of the input and of the output besides the feature maps
    """
    axis = axis_along(size, dimensions)
    face = [n for a, n in enumerate(size) if a != axis]
    found: list[tuple[float, Slabs]] = []
    for planes in pushes(dimensions):
        bytes_voxel = itemsize * (held + planes * moving) + image_bytes * planes
        strip_voxel = itemsize * planes * scratch
        # either the strips are as large as they may be, or all of the column is one
        most_voxels = max((most_bytes - STRIP_BYTES) / bytes_voxel, most_bytes / (bytes_voxel + strip_voxel))
        core = choose_tile(face, (radius, radius), int(most_voxels))
        if core is not None:
            columns = [column.voxels for column in tiles(face, (radius, radius), core)]
            voxels = sum(columns) * size[axis]
            strips = min(STRIP_BYTES, max(columns) * strip_voxel)
            slabs = Slabs(axis, planes, core, voxels, int(max(columns) * bytes_voxel + strips))
            found.append((voxels * (1 + COST_OF_A_PUSH / planes), slabs))
    return min(found, key=lambda pair: pair[0])[1] if found else None
