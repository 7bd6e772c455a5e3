"""The two terms that LRTV adds: the singular values of the unfoldings of a volume, and its total variation.

The unfolding X_(i) of [i, j, k] along axis i is the matrix whose n rows are the slices across that axis.
"""

from __future__ import annotations

import numpy as np

from ..image.linear_operators import apply_along_axes

AXES = range(3)


def gram(x: np.ndarray, axis: int) -> np.ndarray:
    """X_(i) X_(i)^T, (n, n) float64: its eigenvalues are the squares of the unfolding's singular values."""
    unfolded = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1).astype(np.float64)
    return unfolded @ unfolded.T


def thresholded(x: np.ndarray, axis: int, threshold: float) -> np.ndarray:
    """``x`` with the singular values of its unfolding along ``axis`` lowered by ``threshold``, not below zero."""
    squares, vectors = np.linalg.eigh(gram(x, axis))
    kept = 1 - np.minimum(1, threshold / np.sqrt(squares.clip(1e-30)))
    matrices: list[np.ndarray | None] = [None, None, None]
    matrices[axis] = (vectors * kept) @ vectors.T
    return apply_along_axes(matrices, x)


def steepness(x: np.ndarray, softness: float) -> np.ndarray:
    """sqrt(|g|^2 + softness^2) at each voxel, g the forward differences (none across the last face)."""
    square = np.full_like(x, softness**2)
    for axis in AXES:
        np.moveaxis(square, axis, 0)[:-1] += np.moveaxis(np.diff(x, axis=axis), axis, 0) ** 2
    return np.sqrt(square)


def laplacian(x: np.ndarray, stiffness: np.ndarray) -> np.ndarray:
    """-div(stiffness grad x): half the gradient of the sum of stiffness |g|^2."""
    result = np.zeros_like(x)
    for axis in AXES:
        flow = np.moveaxis(np.diff(x, axis=axis), axis, 0) * np.moveaxis(stiffness, axis, 0)[:-1]
        ends = np.moveaxis(result, axis, 0)
        ends[:-1] -= flow
        ends[1:] += flow
    return result
