"""Volumes from and to files, through SimpleITK. A file appears whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import RequestError
from .grid import Grid
from .provenance import NOTE
from .volume import Volume

DETACHED = (".mhd", ".nhdr", ".hdr", ".img", ".spr")
"""Header and voxels in two files: these cannot appear at once."""

NIFTI = (".nii", ".nii.gz")

NIFTI_NOTE_LENGTH = 79
"""Bytes of NIfTI's ``descrip`` field."""

GZIP_MAGIC = b"\x1f\x8b"

UNEVEN_SLICES_MM = 0.01

# ITK's own warnings would reach the user between our lines
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def read_volume(path: Path | str) -> Volume:
    """The 3D scalar volume in ``path``: a file that SimpleITK reads, or a folder with one DICOM series.

    The array is indexed [i, j, k] and keeps the file's scalar type. Raises RequestError for a missing or
    unreadable file and for anything but one 3D scalar volume. The voxels are not looked at
    (see ``check_image``).
    """
    path = Path(path)
    if not path.exists():
        raise RequestError(f"there is no {path}: check the path of the input")
    reader = _series_reader(path) if path.is_dir() else _file_reader(path)
    try:
        image = reader.Execute()
        if path.is_file() and _suffix(path) in NIFTI:
            _check_end(path, image)
    except (RuntimeError, EOFError, OSError, zlib.error) as error:
        raise RequestError(f"cannot read {path}: the file is damaged or cut short ({_reason(error)})") from error
    return replace(from_image(image), name=str(path))


def from_image(image: sitk.Image) -> Volume:
    """A 3D scalar SimpleITK image as a Volume; the voxels are copied."""
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), grid_of(image))


def grid_of(image: sitk.Image) -> Grid:
    """The grid of a 3D SimpleITK image."""
    return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def to_image(volume: Volume) -> sitk.Image:
    """A Volume as a SimpleITK image, its header as metadata; the voxels are copied."""
    image = sitk.GetImageFromArray(volume.array.transpose(2, 1, 0))
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    for key, value in volume.header.items():
        # an empty value or a second line makes a .mha that cannot be read
        if line := " ".join(value.split()):
            image.SetMetaData(key, line)
    return image


def _check_end(path: Path, image: sitk.Image) -> None:
    """Raise an error for a NIfTI file that ends too early or is damaged: ITK takes what is missing for zeros."""
    voxels = image.GetNumberOfPixels() * int(image.GetMetaData("bitpix")) // 8
    needed = int(float(image.GetMetaData("vox_offset"))) + voxels
    found = 0
    with path.open("rb") as file:
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(GZIP_MAGIC) else file
        while chunk := stream.read(1 << 20):
            found += len(chunk)
    if found < needed:
        raise EOFError(f"{found} of {needed} bytes")


def _file_reader(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise RequestError(
            f"cannot read {path}: it is not an image in a format that SimpleITK knows ({_reason(error)})"
        ) from error
    if reader.GetDimension() != 3:
        raise RequestError(f"{path} has {reader.GetDimension()} dimensions: give one 3D volume")
    if reader.GetNumberOfComponents() != 1:
        raise RequestError(
            f"{path} has {reader.GetNumberOfComponents()} values in each voxel (colour, vector or complex): "
            "give a scalar volume"
        )
    return reader


def _series_reader(folder: Path) -> sitk.ImageSeriesReader | sitk.ImageFileReader:
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        found = "no DICOM series" if not series else f"{len(series)} DICOM series"
        raise RequestError(f"{folder} holds {found}: give a folder that holds one")
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    first = _file_reader(Path(files[0]))
    if len(files) == 1:
        return first  # all slices in one multi-frame file
    if first.GetSize()[2] > 1:
        raise RequestError(f"{folder} holds {len(files)} volumes (multi-frame files): give one of the files")
    _check_slices(files, folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    return reader


def _check_slices(files: tuple[str, ...], folder: Path) -> None:
    """Refuse slices that are no upright, even stack: a missing one would shift all that follow, a tilt shears."""
    reader = sitk.ImageFileReader()
    positions = []
    for file in files:
        reader.SetFileName(file)
        reader.ReadImageInformation()
        positions.append(reader.GetOrigin())
    steps = np.diff(np.array(positions), axis=0)
    step = steps.mean(axis=0)
    uneven = float(np.abs(steps - step).max())
    if uneven > UNEVEN_SLICES_MM:
        raise RequestError(
            f"the slices of {folder} are unevenly spaced (by {uneven:.2f} mm): is a slice missing, "
            "or are there two stacks?"
        )
    normal = np.reshape(reader.GetDirection(), (3, 3))[:, 2]
    tilt = float(np.linalg.norm(step - (step @ normal) * normal))
    if tilt > UNEVEN_SLICES_MM:
        raise RequestError(
            f"the slices of {folder} are stacked at a tilt ({tilt:.2f} mm from one to the next): "
            "resample them to a straight stack first"
        )


def check_output(path: Path, grid: Grid, dtype: np.dtype, overwrite: bool) -> None:
    """Raise RequestError unless a volume on ``grid`` with scalars of type ``dtype`` can go to ``path``.

    A tiny volume is written beside ``path``, read back and removed: this finds a format that cannot hold
    the geometry, or a folder that cannot be written to, before the work starts.
    """
    if path.exists() and not overwrite:
        raise RequestError(f"{path} is there already: choose another name or say --overwrite")
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give the name of a file")
    if not path.parent.is_dir():
        raise RequestError(f"the folder {path.parent} does not exist: make it first")
    tiny = replace(grid, size=(4, 4, 4))
    with _written_beside(Volume(np.arange(64).reshape(4, 4, 4).astype(dtype), tiny), path):
        pass


def write_volume(volume: Volume, path: Path, overwrite: bool = False) -> None:
    """Write ``volume`` to ``path`` and its header where the format can hold it.

    The file is written beside ``path``, read back and compared, then renamed. Raises RequestError, and
    leaves nothing behind, if that fails or if ``path`` is there and ``overwrite`` is not set.
    """
    with _written_beside(volume, path) as part:
        if path.exists() and not overwrite:
            raise RequestError(f"{path} is there already: choose another name or say --overwrite")
        part.replace(path)


@contextlib.contextmanager
def _written_beside(volume: Volume, path: Path) -> Iterator[Path]:
    """The volume in a verified temporary file in the folder of ``path``, gone at the end of the block."""
    if _suffix(path) in DETACHED:
        raise RequestError(f"{_suffix(path)} keeps the voxels in a second file: use .nii.gz, .nrrd or .mha")
    part = path.with_name(f".{path.name.removesuffix(_suffix(path))}.{os.getpid()}.part{_suffix(path)}")
    try:
        _write(volume, part, path)
        yield part
    finally:
        part.unlink(missing_ok=True)


def _write(volume: Volume, part: Path, path: Path) -> None:
    image = to_image(_with_nifti_note(volume) if _suffix(path) in NIFTI else volume)
    try:
        sitk.WriteImage(image, str(part))
        written = sitk.ReadImage(str(part))
    except RuntimeError as error:
        raise RequestError(
            f"cannot write {path}: is the disk full, the folder read-only or the format "
            f"({_suffix(path) or 'no suffix'}) unknown? ({_reason(error)})"
        ) from error
    same_voxels = written.GetPixelID() == image.GetPixelID() and np.array_equal(
        sitk.GetArrayViewFromImage(written), sitk.GetArrayViewFromImage(image)
    )
    if not same_voxels:
        raise RequestError(f"{path} does not read back as it was written: the disk is full or damaged")
    if written.GetSize() != image.GetSize() or grid_of(written).distance_to(volume.grid) > 1e-3:
        raise RequestError(f"the format of {path} cannot hold the position of the volume: use .nrrd or .mha")


def _with_nifti_note(volume: Volume) -> Volume:
    """NIfTI has one short text field: what fits of the header goes there."""
    note = volume.header.get(NOTE, "").encode()[:NIFTI_NOTE_LENGTH].decode(errors="ignore")
    return replace(volume, header={"ITK_FileNotes": note})


def read_header(path: Path) -> Mapping[str, str]:
    """The text fields in the header of an image file."""
    reader = _file_reader(path)
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}


def _suffix(path: Path) -> str:
    return ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix


def _reason(error: Any) -> str:
    """The last line of an ITK error, which is the one that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].split("): ")[-1] if lines else type(error).__name__
