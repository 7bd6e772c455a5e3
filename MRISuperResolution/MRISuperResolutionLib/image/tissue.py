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


ORDER = 3
"""Of the differences between neighbours: anatomy, smoother than noise, has little of the third ones."""

GAIN = 20**0.5
"""Standard deviation of these differences (1, -3, 3, -1) for independent noise of 1."""

NORMAL_MEDIAN = 0.67449
"""Median of the absolute values of normal noise of 1."""


def noise_of(image: np.ndarray) -> float:
    """Standard deviation of the noise in the tissue of ``image`` [i, j, k] (normalised), in its units.

    From the median of the third differences along each axis, so that edges count for little; of the three axes the
    middle one, as one of them may be interpolated. 0 where there is no tissue.
    """
    found = [_noise_along(axis, image) for axis in range(image.ndim)]
    return float(np.median(found))


def _noise_along(axis: int, image: np.ndarray) -> float:
    along = np.moveaxis(image, axis, 0)
    differences = np.diff(along, ORDER, axis=0)[along[1:-2] > FOREGROUND]
    return float(np.median(np.abs(differences))) / NORMAL_MEDIAN / GAIN if differences.size else 0.0
