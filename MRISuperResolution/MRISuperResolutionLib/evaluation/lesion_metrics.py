"""Does a structure keep its contrast and its size? Both are measured on the truth and on the result alike."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import RequestError

GAP = 1
"""Voxels around a structure that the point spread mixes with it: they count as neither."""

SHELL = 3
"""Voxels around a structure whose outer ones are its surroundings."""

SMALLEST_CONTRAST = 1e-3
"""Of the truth's range: below it there is nothing to keep."""


def structure_errors(result: np.ndarray, truth: np.ndarray, structure: np.ndarray) -> dict[str, float]:
    """How far a structure's contrast and volume in ``result`` are from those in ``truth``, as shares of these.

    result, truth  [i, j, k], in the same units
    structure      bool [i, j, k]: the voxels of the structure

    contrast_error  contrast: mean inside less the mean 2 to 3 voxels away. 0: kept; -1: gone
    volume_error    volume: voxels of the structure and its surroundings that lie on its side of the intensity half
                    way between the two means of the truth. 0: kept; -1: gone; above 0: grown

    Raises RequestError for an empty structure, one without surroundings, and one without contrast.
    """
    if not structure.any():
        raise RequestError("the structure is empty: give a mask that is not zero inside it")
    region = ndimage.binary_dilation(structure, iterations=SHELL)
    around = region & ~ndimage.binary_dilation(structure, iterations=GAP)
    if not around.any():
        raise RequestError("the structure fills the volume: give one that has surroundings")
    inside, outside = (float(truth[voxels].mean()) for voxels in (structure, around))
    contrast = inside - outside
    if abs(contrast) < SMALLEST_CONTRAST * np.ptp(truth):
        raise RequestError("the structure is as bright as its surroundings: give one that can be told from them")
    half = (inside + outside) / 2
    wanted, found = (int((np.sign(contrast) * (image[region] - half) > 0).sum()) for image in (truth, result))
    return {
        "contrast_error": (float(result[structure].mean()) - float(result[around].mean())) / contrast - 1,
        "volume_error": found / wanted - 1,
    }
