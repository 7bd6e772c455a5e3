"""A file on the way to its place: beside it, under another name, while its voxels are still being computed."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import SimpleITK as sitk

from ..errors import RequestError
from ..image.grid import Grid
from ..image.volume import Volume
from ..runtime.cancellation import half_written
from . import nifti
from .arrays import InMemory, Pieces, Room, Where
from .provenance import NOTE
from .raw import RawVoxels, header_bytes
from .sitk import check_name, file_reader, grid_of, quiet, reason, suffix, to_image

ZIPPED = ".gz"

ZIP_LEVEL = 6
"""SimpleITK's own, too."""

PIECEWISE = (".nii", ".nii.gz", ".nrrd", ".mha")
"""Formats that are written piece by piece; all others are in memory as a whole."""


class Part(Room, Protocol):
    """Room for a volume in a file beside its place."""

    def finish(self) -> Path:
        """The file, all of whose voxels are there: checked and closed. Raises RequestError where that fails."""

    def remove(self) -> None:
        """Leave nothing behind."""


def part_of(path: Path, grid: Grid, dtype: np.dtype) -> Part:
    """The part for a volume on ``grid`` with scalars of type ``dtype`` that is to be in ``path``."""
    check_name(path)
    return (RawPart if suffix(path) in PIECEWISE else WholePart)(path, grid, dtype)


class _Part:
    """What all parts share: ``files``, the last of which is what is to be in ``path``."""

    def __init__(self, path: Path, grid: Grid, dtype: np.dtype) -> None:
        self.path, self.grid, self.dtype = path, grid, dtype
        ending = suffix(path)
        # with its own ending in it, since another volume may be on its way to a name with another ending
        self.files = [path.with_name(f".{path.name}.{os.getpid()}.part{ending}")]
        if ending.endswith(ZIPPED):
            # first as it is, then zipped
            self.files.insert(0, self.files[0].with_suffix(""))
        half_written.update(self.files)

    def remove(self) -> None:
        for file in self.files:
            # on a read-only file system even the removal of nothing is an error; the first one is to be told
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            half_written.discard(file)

    @contextlib.contextmanager
    def _refused(self) -> Iterator[None]:
        """What the system and the libraries say where they cannot write, in our words."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            raise RequestError(
                f"cannot write {self.path}: is the disk full, the folder read-only or the format "
                f"({suffix(self.path) or 'no suffix'}) unknown? ({reason(error)})"
            ) from error

    def _check_place(self) -> None:
        written = grid_of(file_reader(self.files[0]))
        if written.size != self.grid.size or written.distance_to(self.grid) > 1e-3:
            raise RequestError(f"the format of {self.path} cannot hold the position of the volume: use .nrrd or .mha")


class RawPart(_Part):
    """Written as the pieces come."""

    bytes_voxel = 0
    file: BinaryIO | None = None

    def begin(self, header: Mapping[str, str]) -> Pieces:
        self._close()
        with self._refused():
            head = header_bytes(self.files[0], self.grid, self.dtype, _for_format(header, self.path))
            self._check_space()
            self.file = self.files[0].open("w+b")
            self.file.write(head)
            self.voxels = RawVoxels(self.file, len(head), self.grid.size, self.dtype)
        return self

    def __setitem__(self, where: Where, values: np.ndarray) -> None:
        with self._refused():
            self.voxels[where] = values

    def finish(self) -> Path:
        assert self.file is not None, "begun before it is finished"
        with self._refused():
            _to_disk(self.file)
            self._close()
            self._check_place()
            if len(self.files) > 1:
                _zip(*self.files)
        return self.files[-1]

    def remove(self) -> None:
        self._close()
        super().remove()

    def _check_space(self) -> None:
        needed = self.dtype.itemsize * int(np.prod(self.grid.size))
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise RequestError(
                f"{self.path} needs {needed / 2**20:.0f} MiB of the disk, and {free / 2**20:.0f} MiB are free: make "
                "room or choose another folder"
            )

    def _close(self) -> None:
        if self.file is not None:
            # what could not be written has been told before
            with contextlib.suppress(OSError):
                self.file.close()


class WholePart(_Part):
    """Held in memory, written by SimpleITK at the end, and read back."""

    def __init__(self, path: Path, grid: Grid, dtype: np.dtype) -> None:
        super().__init__(path, grid, dtype)
        # the array, SimpleITK's copy, and what is read back
        self.bytes_voxel = 3 * dtype.itemsize

    def begin(self, header: Mapping[str, str]) -> Pieces:
        self.room = InMemory(self.grid, self.dtype)
        return self.room.begin(header)

    def finish(self) -> Path:
        image = to_image(Volume(self.room.array, self.grid, self.room.header))
        with self._refused(), quiet():
            sitk.WriteImage(image, str(self.files[0]))
            written = sitk.ReadImage(str(self.files[0]))
        same_voxels = written.GetPixelID() == image.GetPixelID() and np.array_equal(
            sitk.GetArrayViewFromImage(written), sitk.GetArrayViewFromImage(image)
        )
        if not same_voxels:
            raise RequestError(f"{self.path} does not read back as it was written: the disk is full or damaged")
        self._check_place()
        return self.files[0]


def _to_disk(file: BinaryIO) -> None:
    """A rename must not reach the disk before what it names."""
    file.flush()
    os.fsync(file.fileno())


def _zip(plain: Path, zipped: Path) -> None:
    with plain.open("rb") as source, zipped.open("wb") as file:
        # without a name and a time, so that the same volume makes the same file
        with gzip.GzipFile("", "wb", ZIP_LEVEL, file, mtime=0) as stream:
            shutil.copyfileobj(source, stream, 2**20)
        _to_disk(file)


def _for_format(header: Mapping[str, str], path: Path) -> Mapping[str, str]:
    """NIfTI has one short text field: what fits of the header goes there."""
    if suffix(path) not in nifti.SUFFIXES:
        return header
    note = header.get(NOTE, "").encode()[: nifti.NOTE_LENGTH].decode(errors="ignore")
    return {"ITK_FileNotes": note}
