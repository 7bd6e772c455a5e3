"""Which voxels of a volume count when results are judged."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

FOREGROUND = 0.05
"""Share of the truth's range above which a voxel is tissue; what it encloses is tissue too."""

RIM = 2
"""Outermost voxels of the tissue that are left out: an extracted brain's edge is the extraction's, and one side of it
alone would be counted."""


def tissue(high: np.ndarray) -> np.ndarray:
    """bool [i, j, k]: voxels of ``high`` (normalised) that are tissue, or enclosed by it, and not at its rim."""
    whole = ndimage.binary_fill_holes(high > FOREGROUND)
    return np.asarray(ndimage.binary_erosion(whole, iterations=RIM, border_value=1))
