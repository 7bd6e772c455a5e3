"""Volumes to raw NRRD files and back, a little at a time, so that the window stays alive at any size."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid

PIECE = 2**22
"""Bytes that are copied at once."""

PREFIX = "MRISuperResolution-"
"""Of the folders that hold the files of a run."""

ABANDONED_SECONDS = 2 * 24 * 3600
"""Nothing written for so long: nobody computes there any more."""

NRRD_TYPES = {
    "i1": "int8",
    "u1": "uint8",
    "i2": "int16",
    "u2": "uint16",
    "i4": "int32",
    "u4": "uint32",
    "i8": "int64",
    "u8": "uint64",
    "f4": "float",
    "f8": "double",
}


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of runs that a crash of Slicer left in ``parent``: they hold patients' volumes."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            latest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:
            # another Slicer's, which removes it itself
            continue
        if time.time() - latest > ABANDONED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def check_space(folder: Path, needed: int) -> None:
    """Raise RequestError unless ``needed`` bytes fit on the disk of ``folder``."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RequestError(
            f"The temporary folder {folder} has room for {free / 2**20:.0f} MB, and {needed / 2**20:.0f} MB are "
            "needed: free some, or choose another folder in the application's settings."
        )


def write(array: np.ndarray, grid: Grid, path: Path) -> Iterator[None]:
    """Write ``array`` [k, j, i] on ``grid`` to the NRRD file ``path``; each step writes a piece."""
    code = array.dtype.str[1:]
    vectors = " ".join(_vector(axis) for axis in grid.axes.T)
    header = (
        "NRRD0004",
        f"type: {NRRD_TYPES[code]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, grid.size))}",
        f"space directions: {vectors}",
        "kinds: domain domain domain",
        f"endian: {sys.byteorder}",
        "encoding: raw",
        f"space origin: {_vector(grid.origin)}",
    )
    flat = np.ascontiguousarray(array).reshape(-1)
    step = PIECE // array.itemsize
    with path.open("wb") as file:
        file.write(("\n".join(header) + "\n\n").encode("ascii"))
        for start in range(0, flat.size, step):
            yield
            file.write(flat[start : start + step].data)


def _vector(numbers: Any) -> str:
    # repr gives all digits of a float
    return f"({','.join(repr(float(x)) for x in numbers)})"


@dataclass(frozen=True)
class Written:
    """What the header of a raw NRRD file says; ``offset`` is where its voxels begin."""

    grid: Grid
    dtype: np.dtype
    header: dict[str, str]
    offset: int


def read_header(path: Path) -> Written:
    """Header of the raw NRRD file ``path``; RequestError where it is none or is cut short."""
    # not at the start of every Slicer
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise RequestError("The computation left no readable result: apply again.") from error
    size = tuple(reader.GetSize())
    kind = sitk.GetArrayViewFromImage(sitk.Image([1] * len(size), reader.GetPixelID())).dtype
    with path.open("rb") as file:
        head = file.read(2**16)
    offset = head.find(b"\n\n") + 2
    whole = offset + int(np.prod(size)) * kind.itemsize
    if b"encoding: raw" not in head[:offset] or path.stat().st_size != whole or len(size) != 3:
        raise RequestError("The computation left a result that is cut short: is the disk full? Apply again.")
    grid = Grid(size, tuple(reader.GetSpacing()), tuple(reader.GetOrigin()), tuple(reader.GetDirection()))
    header = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    return Written(grid, kind, header, offset)


def read_voxels(written: Written, path: Path, image: Any) -> Iterator[None]:
    """Fill the empty vtkImageData ``image`` with the voxels in ``path``; each step reads a piece."""
    image.SetDimensions(written.grid.size)
    image.AllocateScalars(get_vtk_array_type(written.dtype), 1)
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    source = np.memmap(path, written.dtype, "r", written.offset, voxels.shape)
    step = PIECE // written.dtype.itemsize
    for start in range(0, len(voxels), step):
        yield
        voxels[start : start + step] = source[start : start + step]


def new_image() -> Any:
    """An empty vtkImageData."""
    return vtk.vtkImageData()
