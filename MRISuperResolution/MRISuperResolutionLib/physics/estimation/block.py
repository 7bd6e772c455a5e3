"""The piece of a scan that its spectra are taken of: the middle of the head, without edges that no scanner makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

LARGEST = 96
"""Voxels along an edge: enough for the spectra, few enough for under a second."""

TISSUE = 0.1
"""Share of the bright end above which a voxel is tissue."""

RIM = 9
"""Voxels over which the weight of tissue rises from its edge: a mask's own edge is not a scanner's."""


@dataclass(frozen=True)
class Block:
    """``cosines`` [i, j, k] (DCT-II, orthonormal) of the weighted block, ``array`` itself, of unit root mean square
    in tissue, its ``weight`` (0 to 1), and ``scale``: the units of the scan that 1 stands for."""

    array: np.ndarray
    weight: np.ndarray
    cosines: np.ndarray
    scale: float


def head_block(array: np.ndarray, largest: int = LARGEST) -> Block:
    """The block of at most ``largest`` voxels along each axis about the middle of the tissue of ``array``."""
    bright = float(np.percentile(array[::2, ::2, ::1], 99))
    tissue = array > TISSUE * bright
    where = []
    for axis, n in enumerate(array.shape):
        along = np.cumsum(tissue.sum(axis=tuple(a for a in range(3) if a != axis)))
        middle = int(np.searchsorted(along, along[-1] / 2))
        size = min(n, largest)
        first = int(np.clip(middle - size // 2, 0, n - size))
        where.append(slice(first, first + size))
    piece, inside = array[tuple(where)].astype(np.float64), tissue[tuple(where)]
    scale = float(np.sqrt(np.mean(piece[inside] ** 2))) if inside.any() else float(np.abs(piece).max())
    piece = piece / (scale or 1.0)
    weight = _weight(inside)
    flat = (piece - (piece * weight).sum() / weight.sum()) * weight
    return Block(flat, weight, fft.dctn(flat, norm="ortho"), scale or 1.0)


def _weight(tissue: np.ndarray) -> np.ndarray:
    """1 well inside of ``tissue``, 0 at its edge and at that of the block, smooth between."""
    filled = ndimage.binary_fill_holes(ndimage.binary_opening(tissue))
    size = [min(RIM, n) for n in tissue.shape]
    near = ndimage.uniform_filter(filled.astype(np.float64), size, mode="constant")
    rising = np.clip(2 * near - 1, 0, 1)
    return np.asarray(rising**2 * (3 - 2 * rising)) + 1e-9
