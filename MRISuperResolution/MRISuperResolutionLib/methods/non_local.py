"""The non-local mean: each voxel becomes the mean of those around it whose patches look alike.

Source: Buades, Coll & Morel 2005, Multiscale Model. Simul. 4:490, with patches of 3 x 3 x 3 voxels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

SLAB_VOXELS = 2**17
"""Voxels that a thread works on at once: they stay in its cache, and memory stays small."""

PATCH_VOXELS = 27

LEAST_H = 1e-6
"""A constant volume has no deviation to take h from."""


def non_local_mean(
    volumes: Sequence[tuple[np.ndarray, float]], radius: int, report: Callable[[float], None]
) -> np.ndarray:
    """The first of ``volumes``, each voxel the weighted mean of those up to ``radius`` away along each axis.

    ``volumes``: float32 [i, j, k] on one grid, each with its h, in its units. The weight is the product over
    all of them of exp(-d^2 / h^2), d^2 being the mean squared difference of the patches around both voxels.
    Beyond their faces the volumes go on as in a mirror. ``report`` is told the share of the slabs that is done.
    """
    first = volumes[0][0]
    margin = radius + 1
    padded = [np.pad(array, margin, mode="symmetric") for array, _ in volumes]
    scales = [np.float32(-1 / (PATCH_VOXELS * max(h, LEAST_H) ** 2)) for _, h in volumes]
    planes = max(1, SLAB_VOXELS // (first.shape[1] * first.shape[2]))
    starts = range(0, len(first), planes)

    def mean_of_slab(start: int) -> np.ndarray:
        return _mean_of_slab([p[start : start + planes + 2 * margin] for p in padded], scales, radius)

    result = np.empty_like(first)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for start, part in zip(starts, pool.map(mean_of_slab, starts), strict=True):
            result[start : start + planes] = part
            report((start + len(part)) / len(first))
    finally:
        # whoever cancels waits for the slabs under way only
        pool.shutdown(cancel_futures=True)
    return result


def _mean_of_slab(padded: Sequence[np.ndarray], scales: Sequence[np.float32], radius: int) -> np.ndarray:
    """The same for arrays that have a margin of radius + 1, without that margin."""
    total = np.zeros([n - 2 * radius - 2 for n in padded[0].shape], np.float32)
    weights = np.zeros_like(total)
    here = (radius, radius, radius)
    for there in product(range(2 * radius + 1), repeat=3):
        exponent = sum(
            scale * patch_distance(_window(array, here, radius), _window(array, there, radius))
            for array, scale in zip(padded, scales, strict=True)
        )
        weight = np.exp(exponent)
        weights += weight
        weight *= _window(padded[0], there, radius)[1:-1, 1:-1, 1:-1]
        total += weight
    total /= weights
    return total


def _window(array: np.ndarray, start: Sequence[int], radius: int) -> np.ndarray:
    return array[tuple(slice(s, s + n - 2 * radius) for s, n in zip(start, array.shape, strict=True))]


def patch_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of the squared differences over the 3 x 3 x 3 voxels around each inner voxel: 2 smaller along each axis."""
    squares = a - b
    squares *= squares
    squares = squares[:-2] + squares[1:-1] + squares[2:]
    squares = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    return squares[..., :-2] + squares[..., 1:-1] + squares[..., 2:]
