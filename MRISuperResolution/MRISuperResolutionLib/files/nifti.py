"""What ITK hides of a NIfTI file: that it ends too early, and which of its voxels are no numbers."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SUFFIXES = (".nii", ".nii.gz")

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
    with path.open("rb") as file:
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(GZIP_MAGIC) else file
        order = "<" if stream.read(offset)[:2] in LITTLE_ENDIAN else ">"
        while chunk := stream.read(1 << 20):
            if kind and found < voxels:
                whole = min(len(chunk), voxels - found) // int(kind[1]) * int(kind[1])
                numbers = np.frombuffer(chunk[:whole], order + kind)
                odd = ~np.isfinite(numbers)
                flat[found // numbers.itemsize :][: len(numbers)][odd] = numbers[odd]
            found += len(chunk)
    if found < voxels:
        raise EOFError(f"{found} of {voxels} bytes of voxels")
