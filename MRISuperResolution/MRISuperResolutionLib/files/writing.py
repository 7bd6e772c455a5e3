"""Volumes to files. A file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..cancelling import half_written
from ..errors import RequestError
from ..grid import Grid
from ..provenance import NOTE
from ..volume import Volume
from . import nifti
from .images import grid_of, quiet, reason, suffix, to_image

DETACHED = (".mhd", ".nhdr", ".hdr", ".img", ".spr")
"""Header and voxels in two files: these cannot appear at once."""


def check_output(path: Path, grid: Grid, dtype: np.dtype, overwrite: bool) -> None:
    """Raise RequestError unless a volume on ``grid`` with scalars of type ``dtype`` can go to ``path``.

    A tiny volume is written beside ``path``, read back and removed: this finds a format that cannot hold
    the geometry, or a folder that cannot be written to, before the work starts.
    """
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give the name of a file")
    if path.exists() and not overwrite:
        raise RequestError(f"{path} is there already: choose another name or say --overwrite")
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
    if suffix(path) in DETACHED:
        raise RequestError(f"{suffix(path)} keeps the voxels in a second file: use .nii.gz, .nrrd or .mha")
    part = path.with_name(f".{path.name.removesuffix(suffix(path))}.{os.getpid()}.part{suffix(path)}")
    half_written.add(part)
    try:
        _write(volume, part, path)
        yield part
    finally:
        # on a read-only file system even the removal of nothing is an error; the first one is to be told
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        half_written.discard(part)


def _write(volume: Volume, part: Path, path: Path) -> None:
    image = to_image(_with_nifti_note(volume) if suffix(path) in nifti.SUFFIXES else volume)
    try:
        with quiet():
            sitk.WriteImage(image, str(part))
            written = sitk.ReadImage(str(part))
    except RuntimeError as error:
        raise RequestError(
            f"cannot write {path}: is the disk full, the folder read-only or the format "
            f"({suffix(path) or 'no suffix'}) unknown? ({reason(error)})"
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
    note = volume.header.get(NOTE, "").encode()[: nifti.NOTE_LENGTH].decode(errors="ignore")
    return replace(volume, header={"ITK_FileNotes": note})
