"""Linear operators along one axis, as small dense matrices: B-spline resampling, blur, band limit.

Every step from one grid to another here is separable, so it is three matrix products: exact, fast on any
processor, the same numbers in numpy and in torch, and its transpose is at hand. All of them treat a voxel
as a cell: output sample m of n_out over n_in lies at input coordinate (m + 1/2) n_in / n_out - 1/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np

Order = Literal[1, 3, 5]
"""Of a B-spline: linear, cubic, quintic."""


NOTHING = 1e-20
"""A weight below which a sample does not count."""


def cell_centres(n_in: int, n_out: int) -> np.ndarray:
    """Where the centres of ``n_out`` cells lie, in index coordinates of ``n_in`` cells over the same length."""
    return (np.arange(n_out) + 0.5) * n_in / n_out - 0.5


@lru_cache(maxsize=64)
def spline_matrix(n_in: int, n_out: int, order: Order = 3) -> np.ndarray:
    """(n_out, n_in) float64: B-spline interpolation at the cell centres; edges mirrored at the faces."""
    if n_in == n_out:
        return np.eye(n_in)
    return spline_weights(cell_centres(n_in, n_out), n_in, order)


def spline_weights(coordinates: np.ndarray, n_in: int, order: Order = 3) -> np.ndarray:
    """(len(coordinates), n_in) float64: B-spline interpolation of ``n_in`` samples at ``coordinates``.

    The signal goes on beyond its outer faces as in a mirror (``reflect`` in scipy). From a dozen samples on
    scipy's coefficients are exact for that; of six, a constant comes back to 5e-8 (cubic) or 3e-5 (quintic).
    """
    # scipy takes its time
    from scipy import ndimage

    if n_in == 1:
        return np.ones((len(coordinates), 1))
    coefficients = ndimage.spline_filter1d(np.eye(n_in), order=order, axis=0, mode="reflect")
    weights = kernel_weights(coordinates, n_in, partial(b_spline, order=order), (order + 1) // 2) @ coefficients
    # what is left of samples far away would be too small for a normal float32: processors take ten times as long
    weights[np.abs(weights) < NOTHING] = 0
    return weights


def kernel_weights(
    coordinates: np.ndarray, n_in: int, kernel: Callable[[np.ndarray], np.ndarray], radius: int
) -> np.ndarray:
    """(len(coordinates), n_in) float64: what each of ``n_in`` samples, mirrored at the faces, counts for.

    ``kernel`` gives the weight of a sample at a distance (in samples); it ends at ``radius``.
    """
    first = np.floor(coordinates).astype(int) - radius + 1
    weights = np.zeros((len(coordinates), n_in))
    for tap in range(2 * radius):
        position = first + tap
        inside = mirrored(position, n_in)
        np.add.at(weights, (np.arange(len(coordinates)), inside), kernel(coordinates - position))
    return weights


def mirrored(position: np.ndarray, n: int) -> np.ndarray:
    """Index of the sample that stands at ``position`` when the signal is mirrored at its outer faces."""
    wrapped = np.mod(position, 2 * n)
    return np.where(wrapped < n, wrapped, 2 * n - 1 - wrapped)


def b_spline(distance: np.ndarray, order: int) -> np.ndarray:
    """The B-spline of odd ``order`` at ``distance`` (in samples) from its centre, as a sum of truncated powers."""
    # from the near end, where few and small powers add up
    reach = (order + 1) / 2 - np.abs(distance)
    powers = [
        (-1) ** k * math.comb(order + 1, k) * np.clip(reach - k, 0, None) ** order for k in range(order // 2 + 1)
    ]
    return np.sum(powers, axis=0) / math.factorial(order)


@lru_cache(maxsize=64)
def gaussian_matrix(n: int, sigma: float, radius: int | None = None) -> np.ndarray:
    """(n, n) float64: Gaussian blur of standard deviation ``sigma`` samples, mirrored at the faces.

    The kernel reaches ``radius`` samples to each side (default: four sigma) and sums to one.
    """
    # scipy takes its time
    from scipy import ndimage

    reach = {"truncate": 4.0} if radius is None else {"radius": radius}
    return ndimage.gaussian_filter1d(np.eye(n), sigma, axis=0, mode="reflect", **reach)


@lru_cache(maxsize=64)
def band_limit_matrix(n_in: int, n_out: int, kept: float) -> np.ndarray:
    """(n_out, n_in) float64: keep the central ``kept`` (0 to 1) of the Fourier line, sample at cell centres.

    With n_out = n_in the matrix size stays (zero-filled k-space); with n_out = kept n_in the line is
    cropped in k-space. The line is taken as periodic.
    """
    frequency = np.fft.fftfreq(n_in, d=1 / n_in)
    held = np.abs(frequency) <= kept * n_in / 2
    to_spectrum = np.exp(-2j * np.pi * np.outer(frequency[held], np.arange(n_in)) / n_in)
    from_spectrum = np.exp(2j * np.pi * np.outer(cell_centres(n_in, n_out), frequency[held]) / n_in)
    return (from_spectrum @ to_spectrum).real / n_in


def counting(matrix: np.ndarray) -> slice:
    """The columns between which all lie that single precision would notice: of a few rows of a spline's few."""
    there = np.flatnonzero((np.abs(matrix) > np.finfo(np.float32).eps / 100).any(axis=0))
    return slice(there[0], there[-1] + 1) if len(there) else slice(0, matrix.shape[1])


def apply_along_axes(matrices: Sequence[np.ndarray | None], array: Any) -> Any:
    """Multiply each of the last axes of ``array`` (numpy or torch) by its matrix; None leaves an axis alone.

    ``matrices``: one (n_out, n_in) or None for each of the last ``len(matrices)`` axes, in their order.
    The work is done in the array's own floating-point type; TypeError for integers.
    """
    if isinstance(array, np.ndarray) and array.dtype.kind != "f":
        raise TypeError(f"an array of {array.dtype} cannot be interpolated: convert it to floating point")
    for axis, matrix in zip(range(-len(matrices), 0), matrices, strict=True):
        if matrix is not None:
            array = (
                _numpy_product(matrix, array, axis)
                if isinstance(array, np.ndarray)
                else _torch_product(matrix, array, axis)
            )
    return array


def _numpy_product(matrix: np.ndarray, array: np.ndarray, axis: int) -> np.ndarray:
    matrix = matrix.astype(array.dtype)
    if axis == -1:
        return array @ matrix.T
    moved = np.moveaxis(array, axis, -2)
    return np.moveaxis(matrix @ moved, -2, axis)


def alike(values: np.ndarray, array: Any) -> Any:
    """``values`` in the type of ``array`` (numpy or torch), on its device."""
    if isinstance(array, np.ndarray):
        return values.astype(array.dtype)
    import torch

    return torch.as_tensor(values, dtype=array.dtype, device=array.device)


def _torch_product(matrix: np.ndarray, tensor: Any, axis: int) -> Any:
    import torch

    return torch.movedim(torch.movedim(tensor, axis, -1) @ alike(matrix, tensor).T, -1, axis)


def resample(array: Any, size: Sequence[int]) -> Any:
    """Cubic-spline resampling of the last axes of ``array`` to ``size`` cells over the same box.

    ``array`` (numpy or torch, floating point) lies on a grid; the result lies on ``grid.with_size(size)``.
    """
    shape = array.shape[-len(size) :]
    return apply_along_axes(
        [None if n == m else spline_matrix(n, m) for n, m in zip(shape, size, strict=True)], array
    )
