"""Where k-space was filled with zeros: the share of an axis' frequencies that was acquired."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .block import Block

STEP = 0.025
"""Width of a band, in units of the Nyquist frequency."""

CLIFF_DB, CLIFF_WIDTH = 7.5, 0.15
"""A fall by so much over that width, more than anatomy or a slice profile makes of a spectrum at once, ..."""

FLAT_DB = 3.5
"""... after which it falls by no more than this over the same width, up to the end, ..."""

PLATEAU = 0.1
"""... for at least so long."""

ABYSS_DB = 12.0
"""A fall over that width after which nothing was acquired, if it goes on much slower: there is no noise either."""

FIRST = 0.35
"""Below this no scanner ends k-space within its own matrix."""

ABOVE_FLOOR_DB = 4.0
"""Above the plateau: where what was acquired ends."""


def acquired_share(block: Block, axis: int) -> float:
    """Share of the axis' Nyquist frequency up to which there is signal; 1 where k-space was not filled with zeros."""
    level = _levels(block, axis)
    if level is None:
        return 1.0
    width = round(CLIFF_WIDTH / STEP)
    falls = level[:-width] - level[width:]
    first = round(FIRST / STEP)
    candidates = [n for n in range(first, len(falls)) if falls[n] >= CLIFF_DB]
    for start in sorted(candidates, key=lambda n: -falls[n]):
        end = start + width
        plateau = level[end:]
        if len(plateau) * STEP < PLATEAU:
            continue
        slope = (plateau[0] - plateau[-1]) / max(1, len(plateau) - 1) * width
        flat = slope <= FLAT_DB and falls[start] >= 2.5 * slope
        if flat or falls[start] >= max(ABYSS_DB, 2.2 * slope):
            floor = float(np.median(plateau))
            # without noise there is no floor, and the middle of the fall is the end
            above = ABOVE_FLOOR_DB if flat else falls[start] / 2
            over = np.flatnonzero(level > max(floor, plateau[0]) + above)
            return float(min(1.0, (over[-1] + 1) * STEP))
    return 1.0


def _levels(block: Block, axis: int) -> np.ndarray | None:
    """Power in dB in bands of STEP; None for an axis of too few voxels."""
    n = block.cosines.shape[axis]
    if n < 2 / STEP * 0.6:
        return None
    line = (block.cosines**2).mean(axis=tuple(a for a in range(3) if a != axis))
    band = ((np.arange(n) + 0.5) / n / STEP).astype(int)
    count = np.bincount(band, minlength=round(1 / STEP))
    total = np.bincount(band, line, minlength=round(1 / STEP))
    there = np.flatnonzero(count)
    filled = np.interp(np.arange(len(count)), there, total[there] / count[there])
    return 10 * np.log10(ndimage.uniform_filter1d(filled, 3, mode="nearest") + 1e-30)
