"""A folder of volumes that took long to make, each found again by what it was made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .._version import __version__
from ..errors import RequestError
from ..image.grid import Grid
from ..image.volume import Volume
from ..io.sitk import suffix
from ..io.write import DETACHED
from ..runtime.cancellation import half_written

ENTRY = 1
"""Raise it when what ``make`` gives for the same sources and settings, or the form of the files, changes."""

CHECKSUM_BYTES = hashlib.blake2b().digest_size


def cached(
    folder: Path | None, sources: Sequence[Path | Volume], settings: str, make: Callable[[], Volume]
) -> Volume:
    """The volume that ``make`` makes of ``sources`` (files, DICOM folders, volumes) with ``settings``.

    With a ``folder``, it is made once for each content of the sources and each ``settings``, and from then on
    mapped into memory: bit for bit the same, without a name or a header. A damaged file is made anew. Several
    processes may share the folder. Raises RequestError where it cannot be written to.
    """
    # of a header and its voxels in another file, only the header would be seen to change
    if folder is None or any(isinstance(s, Path) and suffix(s) in DETACHED for s in sources):
        return make()
    try:
        path = folder / f"{_key(sources, settings)}.npy"
    except OSError:
        # the reader has a sentence for a file that is missing or closed to us
        return make()
    volume = _load(path)
    if volume is None:
        _save(make(), path)
        volume = _load(path)
    if volume is None:
        raise RequestError(f"{path} does not read back as it was written: is the disk damaged? Choose another cache")
    return volume


def _key(sources: Sequence[Path | Volume], settings: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{ENTRY} {__version__} {settings}".encode())
    for source in sources:
        digest.update(_digest_of_volume(source) if isinstance(source, Volume) else _digest_of_files(source))
    return digest.hexdigest()


def _digest_of_volume(volume: Volume) -> bytes:
    digest = hashlib.blake2b(_grid_text(volume.grid))
    digest.update(np.ascontiguousarray(volume.array).data)
    return digest.digest()


def _digest_of_files(path: Path) -> bytes:
    digest = hashlib.blake2b()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.digest()


def _grid_text(grid: Grid) -> bytes:
    return json.dumps(asdict(grid)).encode()


def _grid_from(text: bytes) -> Grid:
    fields = json.loads(text)
    return Grid(**{name: tuple(numbers) for name, numbers in fields.items()})


def _load(path: Path) -> Volume | None:
    """The volume in a file of ``_save``, its voxels mapped; None where it is not there or not whole."""
    try:
        content = np.memmap(path, np.uint8, mode="r")
        body = content[:-CHECKSUM_BYTES]
        if hashlib.blake2b(body.data).digest() != content[-CHECKSUM_BYTES:].tobytes():
            return None
        # copy on write: an array like any other, and the file stays as it is
        voxels = np.lib.format.open_memmap(path, mode="c")
    except (OSError, ValueError):
        return None
    return Volume(np.asarray(voxels), _grid_from(body[voxels.offset + voxels.nbytes :].tobytes()))


def _save(volume: Volume, path: Path) -> None:
    """Voxels as in any .npy file; behind them the grid as JSON, and a checksum of it all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path) as part:
            with part.open("w+b") as file:
                np.lib.format.write_array(file, volume.array, allow_pickle=False)
                file.write(_grid_text(volume.grid))
                file.seek(0)
                checksum = hashlib.file_digest(file, "blake2b").digest()
                file.seek(0, os.SEEK_END)
                file.write(checksum)
            part.replace(path)
    except OSError as error:
        raise RequestError(
            f"cannot write to the cache {path.parent} ({error.strerror}): make room or choose another folder"
        ) from error


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file name of our own in the folder of ``path``; what is left there at the end of the block is removed."""
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part")
    half_written.add(part)
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        half_written.discard(part)
