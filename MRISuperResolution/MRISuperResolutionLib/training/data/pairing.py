"""References where no co-registered scan is to be had: other contrasts made of one volume's own intensities."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

FARTHEST_MM = 2.0
WIDEST_TURN = 2.0
"""Degrees; with FARTHEST_MM how badly references may be aligned in training."""

KNOTS = (4, 8)
"""Fewest and most levels of intensity that get a new one of their own."""


def remapped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``image`` (normalised) with a random smooth intensity for each of its own, in no order: another contrast.

    Background stays background. The values lie about in [0, 1].
    """
    count = int(rng.integers(KNOTS[0], KNOTS[1] + 1))
    levels = np.concatenate([[0.0], np.sort(rng.uniform(0.08, 1.0, count - 2)), [1.15]])
    levels += np.arange(count) * 1e-3
    values = np.concatenate([[0.0], rng.uniform(0.05, 1.0, count - 1)])
    curve = PchipInterpolator(levels, values)
    made: np.ndarray = curve(np.clip(image, levels[0], levels[-1]))
    return made.astype(np.float32)


def displaced(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """``image`` [i, j, k] moved as a rigid body by up to ``share`` of FARTHEST_MM voxels and WIDEST_TURN degrees
    about its middle, as badly as references are aligned."""
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    angle = math.radians(rng.uniform(0, WIDEST_TURN * share))
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    shift = rng.uniform(-1, 1, 3)
    shift *= rng.uniform(0, FARTHEST_MM * share) / max(1e-9, float(np.linalg.norm(shift)))
    middle = (np.array(image.shape) - 1) / 2
    moved: np.ndarray = ndimage.affine_transform(
        image, turn, middle - turn @ middle + shift, order=3, mode="nearest", prefilter=True
    )
    return moved.astype(np.float32)


def coarser(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``image`` as a scan of a lower resolution along one axis shows it."""
    sigma = [0.0, 0.0, 0.0]
    sigma[int(rng.integers(3))] = rng.uniform(0.4, 1.5)
    made: np.ndarray = ndimage.gaussian_filter(image, sigma)
    return made
