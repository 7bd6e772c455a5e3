"""What is left of a planted structure, and what is there that nobody planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...physics.encoding import FWHM_PER_SIGMA
from .lesion_insertion import Structure

SHELL = (1, 3)
"""Voxels away from a structure: from beyond the first to the second is what it is told from."""

FALSE_ALARMS = 0.05
"""Share of the places without a structure that may be taken for one."""

INVENTED_WIDTH = 2.0
"""Voxels, at half their height: of the blobs that are looked for where nothing was planted."""

SIGMA = INVENTED_WIDTH / FWHM_PER_SIGMA

HALF = 0.5


@dataclass(frozen=True)
class Verdict:
    """Of one structure: its response in the image with and without it, and the shares of contrast and volume that
    are left (1: all; volume above 1: grown)."""

    shape: str
    response: float
    empty: float
    contrast: float
    volume: float


def judged(found: Sequence[Structure], contrast: float, with_them: np.ndarray, without: np.ndarray) -> list[Verdict]:
    """A verdict on each structure from the results for the volume with all of them and for the one without."""
    return [_judged(structure, contrast, with_them, without) for structure in found]


def _judged(structure: Structure, contrast: float, with_them: np.ndarray, without: np.ndarray) -> Verdict:
    weight = structure.filled / structure.filled.sum()
    inside = structure.filled > 0
    near, far = (ndimage.binary_dilation(inside, iterations=n) for n in SHELL)
    shell = far & ~near
    seen, empty = with_them[structure.where], without[structure.where]
    change = (seen - empty) / contrast

    def response(image: np.ndarray) -> float:
        return float((weight * image).sum() - image[shell].mean()) / contrast

    # of what the structure itself makes, seen through the same weights
    whole = float((weight * structure.filled).sum())
    half = HALF * float(structure.filled.max())
    wanted = int((structure.filled > half).sum())
    return Verdict(
        structure.shape.name,
        response(seen),
        response(empty),
        float((weight * change).sum()) / whole,
        int((change[far] > half).sum()) / wanted,
    )


def share_found(verdicts: Sequence[Verdict]) -> float:
    """Share of the structures whose response passes that of all but ``FALSE_ALARMS`` of the same places without."""
    threshold = np.quantile([v.empty for v in verdicts], 1 - FALSE_ALARMS)
    return float(np.mean([v.response > threshold for v in verdicts]))


def invented(result: np.ndarray, truth: np.ndarray, tissue: np.ndarray, contrast: float) -> int:
    """Blobs in ``tissue`` about two voxels wide whose height above the truth is more than half of ``contrast``:
    structures, bright or dark, that are not there."""
    error = ndimage.gaussian_filter(result - truth, SIGMA, mode="nearest")
    count = 0
    for sign in (1, -1):
        # a structure of the planted contrast, blurred alike, is this high
        high = sign * error > HALF * abs(contrast) * _kept_by_blur()
        count += ndimage.label(high & tissue)[1]
    return count


def _kept_by_blur() -> float:
    """Height of a blob of two voxels and height 1 after the blur that finds it."""
    blob = np.zeros((15, 15, 15))
    blob[7, 7, 7] = 1
    blob = ndimage.gaussian_filter(blob, SIGMA)
    blob /= blob.max()
    return float(ndimage.gaussian_filter(blob, SIGMA).max())
