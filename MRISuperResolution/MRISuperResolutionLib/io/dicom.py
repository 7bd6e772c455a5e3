"""A folder that holds one DICOM series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import RequestError
from .sitk import check_name, file_reader

UNEVEN_SLICES_MM = 0.01


def series_reader(folder: Path) -> sitk.ImageSeriesReader | sitk.ImageFileReader:
    check_name(folder)
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        found = "no DICOM series" if not series else f"{len(series)} DICOM series"
        raise RequestError(f"{folder} holds {found}: give a folder that holds one")
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    first = file_reader(Path(files[0]))
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
    if not step.any():
        raise RequestError(f"the slices of {folder} all lie at one place (one slice over time?): give a volume")
    normal = np.reshape(reader.GetDirection(), (3, 3))[:, 2]
    tilt = float(np.linalg.norm(step - (step @ normal) * normal))
    if tilt > UNEVEN_SLICES_MM:
        raise RequestError(
            f"the slices of {folder} are stacked at a tilt ({tilt:.2f} mm from one to the next): "
            "resample them to a straight stack first"
        )
