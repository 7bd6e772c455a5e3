"""Files that hold their voxels as they are, behind a header: written piece by piece, never held in memory."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from ..errors import RequestError
from ..image.grid import Grid
from ..image.volume import Volume
from .arrays import Where, planes_at_once
from .sitk import quiet, suffix, to_image

TINY = (4, 4, 4)

NIFTI_SIZE = 42
"""Where the sizes stand in a NIfTI-1 header, three numbers of 16 bits."""

SIZE_LINES = {".nrrd": rb"(?m)^(sizes: )4 4 4$", ".mha": rb"(?m)^(DimSize = )4 4 4$"}


def header_bytes(path: Path, grid: Grid, dtype: np.dtype, header: Mapping[str, str]) -> bytes:
    """What stands before the voxels in a file like ``path``, which is used to find out and overwritten.

    It is what SimpleITK writes for a tiny volume, with the sizes of ``grid`` in the place of the tiny one's.
    Raises RuntimeError as SimpleITK does, and RequestError for sizes that the format cannot hold.
    """
    tiny = Volume(np.zeros(TINY, dtype), replace(grid, size=TINY), header)
    with quiet():
        sitk.WriteImage(to_image(tiny), str(path))
    head = path.read_bytes()[: -tiny.array.nbytes]
    if suffix(path) in SIZE_LINES:
        sizes = " ".join(map(str, grid.size)).encode()
        return re.sub(SIZE_LINES[suffix(path)], rb"\g<1>" + sizes, head, count=1)
    if max(grid.size) > np.iinfo(np.int16).max:
        raise RequestError(f"NIfTI holds {np.iinfo(np.int16).max} voxels along an axis: use .nrrd or .mha")
    changed = bytearray(head)
    struct.pack_into("=3h", changed, NIFTI_SIZE, *grid.size)
    return bytes(changed)


class RawVoxels:
    """The voxels of an open ``file`` from ``offset`` on, i fastest: filled by ``voxels[i, j, k] = values``.

    Whole planes of k are written as they are; for parts of them, planes are read and written again. OSError where
    the system refuses.
    """

    def __init__(self, file: BinaryIO, offset: int, size: tuple[int, int, int], dtype: np.dtype) -> None:
        self.file, self.offset, self.size, self.dtype = file, offset, size, dtype
        file.truncate(offset + self._plane_bytes * size[2])

    def __setitem__(self, where: Where, values: np.ndarray) -> None:
        rows, columns, planes = (range(n)[part] for n, part in zip(self.size, where, strict=True))
        part_of_planes = (len(rows), len(columns)) != self.size[:2]
        for some in planes_at_once((*self.size[:2], len(planes)), self.dtype.itemsize):
            block, at = values[:, :, some], range(self.size[2])[planes.start + some.start : planes.start + some.stop]
            if part_of_planes:
                whole = self._read(at)
                whole[where[0], where[1]] = block
                block = whole
            self._seek(at)
            self.file.write(np.ascontiguousarray(block.T, self.dtype).data)

    def _read(self, planes: range) -> np.ndarray:
        self._seek(planes)
        content = bytearray(self.file.read(len(planes) * self._plane_bytes))
        return np.frombuffer(content, self.dtype).reshape(*self.size[:2], len(planes), order="F")

    def _seek(self, planes: range) -> None:
        self.file.seek(self.offset + planes.start * self._plane_bytes)

    @property
    def _plane_bytes(self) -> int:
        return self.size[0] * self.size[1] * self.dtype.itemsize
