"""Volumes to files. A file appears whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..image.grid import Grid
from ..image.volume import Volume
from .arrays import EVERYWHERE, Room
from .partial_file import Part, part_of
from .sitk import suffix

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
    with _beside(path, tiny, dtype) as part:
        _fill(part, Volume(np.arange(64).reshape(4, 4, 4).astype(dtype), tiny))
        part.finish()


def write_volume(volume: Volume, path: Path | str, overwrite: bool = False) -> None:
    """Write ``volume`` to ``path`` and its header where the format can hold it.

    Raises RequestError, and leaves nothing behind, as ``room_in_file``.
    """
    with room_in_file(Path(path), volume.grid, volume.array.dtype, overwrite) as room:
        _fill(room, volume)


@contextlib.contextmanager
def room_in_file(path: Path, grid: Grid, dtype: np.dtype, overwrite: bool = False) -> Iterator[Room]:
    """Room for a volume on ``grid`` with scalars of type ``dtype``; after the block it is in ``path``.

    The file is written beside ``path``, checked, then renamed: the formats of ``parts.PIECEWISE`` as the pieces come,
    all others at the end. Raises RequestError, and leaves nothing behind, where that fails or where ``path`` is there
    and ``overwrite`` is not set; nor does a block that is left by an error.
    """
    with _beside(path, grid, dtype) as part:
        yield part
        whole = part.finish()
        if path.exists() and not overwrite:
            raise RequestError(f"{path} is there already: choose another name or say --overwrite")
        whole.replace(path)


@contextlib.contextmanager
def _beside(path: Path, grid: Grid, dtype: np.dtype) -> Iterator[Part]:
    """Room in the folder of ``path``, gone at the end of the block."""
    if suffix(path) in DETACHED:
        raise RequestError(f"{suffix(path)} keeps the voxels in a second file: use .nii.gz, .nrrd or .mha")
    part = part_of(path, grid, np.dtype(dtype))
    try:
        yield part
    finally:
        part.remove()


def _fill(room: Room, volume: Volume) -> None:
    room.begin(volume.header)[EVERYWHERE] = volume.array
