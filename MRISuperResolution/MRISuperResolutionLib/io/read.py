"""Volumes from files."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..image.volume import Volume
from . import nifti
from .dicom import series_reader
from .sitk import file_reader, from_image, quiet, reason, suffix


def read_volume(path: Path | str) -> Volume:
    """The 3D scalar volume in ``path``: a file that SimpleITK reads, or a folder with one DICOM series.

    The array is indexed [i, j, k] and keeps the file's scalar type. Raises RequestError for a missing or
    unreadable file and for anything but one 3D scalar volume. The voxels are not looked at
    (see ``check_image``).
    """
    path = Path(path)
    if not path.exists():
        raise RequestError(f"there is no {path}: check the path")
    reader = series_reader(path) if path.is_dir() else file_reader(path)
    try:
        with quiet():
            image = reader.Execute()
        volume = replace(from_image(image), name=str(path))
        if path.is_file() and suffix(path) in (*nifti.SUFFIXES, *nifti.PAIR):
            nifti.recover_hidden(path, image, volume.array)
    except (RuntimeError, EOFError, OSError, zlib.error) as error:
        raise RequestError(f"cannot read {path}: the file is damaged or cut short ({reason(error)})") from error
    if not np.isfinite(volume.grid.corners()).all():
        raise RequestError(f"the position of {path} in its header is no number: repair the header")
    return volume


def read_header(path: Path) -> Mapping[str, str]:
    """The text fields in the header of an image file."""
    reader = file_reader(path)
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
