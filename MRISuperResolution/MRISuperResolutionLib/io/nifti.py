"""What ITK hides of a NIfTI file: that it ends too early, and which of its voxels are no numbers."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SUFFIXES = (".nii", ".nii.gz")

PAIR = (".hdr", ".img")
"""Of a header and its voxels in files of their own."""

NOTE_LENGTH = 79
"""Bytes of NIfTI's ``descrip`` field."""

LITTLE_ENDIAN = ((348).to_bytes(2, "little"), (540).to_bytes(2, "little"))
"""How a NIfTI-1 or NIfTI-2 file begins whose numbers have their lowest byte first: with its header's length."""

GZIP_MAGIC = b"\x1f\x8b"


def recover_hidden(path: Path, image: sitk.Image, array: np.ndarray) -> None:
    """Raise an error for a NIfTI file that ends too early or is damaged: ITK takes what is missing for zeros.

    It does so with NaN and infinity too: these are put back into ``array`` [i, j, k].
    """
    voxels = image.GetNumberOfPixels() * int(image.GetMetaData("bitpix")) // 8
    offset = int(float(image.GetMetaData("vox_offset")))
    kind = {"16": "f4", "64": "f8"}.get(image.GetMetaData("datatype"))
    flat = array.reshape(-1, order="F")  # a view: the voxels lie in memory as in the file
    found = 0
    with _opened(_of_pair(path, ".hdr")) as header:
        order = "<" if header.read(2) in LITTLE_ENDIAN else ">"
    with _opened(_of_pair(path, ".img")) as stream:
        stream.read(offset)
        while chunk := stream.read(1 << 20):
            if kind and found < voxels:
                whole = min(len(chunk), voxels - found) // int(kind[1]) * int(kind[1])
                numbers = np.frombuffer(chunk[:whole], order + kind)
                odd = ~np.isfinite(numbers)
                flat[found // numbers.itemsize :][: len(numbers)][odd] = numbers[odd]
            found += len(chunk)
    if found < voxels:
        raise EOFError(f"{found} of {voxels} bytes of voxels")


def _of_pair(path: Path, ending: str) -> Path:
    """That file of a pair; of a single file itself."""
    if path.suffix.lower() not in PAIR:
        return path
    return path.with_suffix(ending.upper() if path.suffix.isupper() else ending)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """What is in the file, unzipped if it is zipped, whatever its name says."""
    with path.open("rb") as file:
        yield gzip.GzipFile(fileobj=file) if file.peek(2).startswith(GZIP_MAGIC) else file
