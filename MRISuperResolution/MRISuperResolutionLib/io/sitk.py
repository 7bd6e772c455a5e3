"""Between SimpleITK's images and volumes, without the noise that its libraries make."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from ..errors import RequestError
from ..image.grid import Grid
from ..image.volume import Volume

# ITK's own warnings would reach the user between our lines
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def from_image(image: sitk.Image) -> Volume:
    """A 3D scalar SimpleITK image as a Volume; the voxels are copied."""
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), grid_of(image))


def grid_of(image: sitk.Image | sitk.ImageFileReader) -> Grid:
    """The grid of a 3D SimpleITK image, or of one whose header has been read."""
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The libraries inside ITK write to the process's standard error: their lines would stand between ours."""
    try:
        kept = os.dup(2)
    except OSError:
        # a program without a standard error, such as one with windows
        yield
        return
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def suffix(path: Path) -> str:
    """The ending of the file's name that tells its format, in small letters."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def check_name(path: Path) -> None:
    """Raise RequestError for a name that the libraries inside ITK cannot be given: it would end the process."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"the name of {str(path).encode(errors='replace').decode()} is not UTF-8 (an old archive?): rename it"
        ) from error


def reason(error: BaseException) -> str:
    """The last line of an ITK error, which is the one that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].split("): ")[-1] if lines else type(error).__name__


def file_reader(path: Path) -> sitk.ImageFileReader:
    """A reader that has seen the header; RequestError for anything but one 3D scalar image."""
    check_name(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise RequestError(
            f"cannot read {path}: SimpleITK does not know its format, or cannot use its header ({reason(error)})"
        ) from error
    if reader.GetDimension() != 3:
        raise RequestError(f"{path} has {reader.GetDimension()} dimensions: give one 3D volume")
    if reader.GetNumberOfComponents() != 1:
        raise RequestError(
            f"{path} has {reader.GetNumberOfComponents()} values in each voxel (colour, vector or complex): "
            "give a scalar volume"
        )
    return reader
