"""Interpolations: one small matrix along each axis, all on cell-centred grids that fill the same box.

Output sample m of an axis of n_out over n_in cells lies at input coordinate (m + 1/2) n_in / n_out - 1/2.
Beyond its outer faces the volume goes on as in a mirror; an axis whose size stays is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ..image.linear_operators import cell_centres, kernel_weights, spline_matrix
from ..io.arrays import EVERYWHERE, Interpolated
from ..physics.acquisition import Acquisition
from ..physics.forward_operator import check_sizes
from .base import Piecewise

LANCZOS_RADIUS = 5
"""Samples to each side; 4 to 6 are usual, and more ring further."""


class Interpolation(Piecewise):
    """``matrix(n_in, n_out)`` along each axis: (n_out, n_in), rows that sum to one."""

    undoes = False

    def __init__(self, name: str, summary: str, matrix: Callable[[int, int], np.ndarray]) -> None:
        self.name, self.summary, self.matrix = name, summary, matrix

    def source(self, low: np.ndarray, size: Sequence[int]) -> Interpolated:
        check_sizes(low.shape, size)
        matrices = [None if n == m else self.matrix(n, m) for n, m in zip(low.shape, size, strict=True)]
        return Interpolated(np.asarray(low, np.float32), matrices)

    def upscale(
        self,
        low: np.ndarray,
        size: Sequence[int],
        *,
        acquisition: Acquisition,
        references: Sequence[np.ndarray] = (),
        report: Callable[[float], None] = lambda share: None,
    ) -> np.ndarray:
        """As in ``Method``; the acquisition is not undone."""
        report(0.0)
        result = self.source(low, size)[EVERYWHERE]
        report(1.0)
        return np.ascontiguousarray(result)


def nearest_matrix(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in): the cell that the centre lies in; the later one for a centre on a face."""
    # in whole numbers, so that rounding decides nothing
    cell = (2 * np.arange(n_out) + 1) * n_in // (2 * n_out)
    return np.eye(n_in)[cell]


def keys_cubic(distance: np.ndarray) -> np.ndarray:
    """Cubic convolution with a = -1/2, third-order accurate (Keys 1981, IEEE ASSP 29:1153, Eq. 15)."""
    d = np.abs(distance)
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def lanczos(distance: np.ndarray) -> np.ndarray:
    """sinc, windowed by the main lobe of a wider sinc that ends at LANCZOS_RADIUS."""
    window = np.where(np.abs(distance) < LANCZOS_RADIUS, np.sinc(distance / LANCZOS_RADIUS), 0.0)
    return np.sinc(distance) * window


@lru_cache(maxsize=64)
def bicubic_matrix(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in): Keys' cubic convolution at the cell centres; along two axes it is the 2D bicubic."""
    return kernel_weights(cell_centres(n_in, n_out), n_in, keys_cubic, 2)


@lru_cache(maxsize=64)
def sinc_matrix(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in): windowed sinc at the cell centres, weights scaled to sum to one as the window cuts."""
    weights = kernel_weights(cell_centres(n_in, n_out), n_in, lanczos, LANCZOS_RADIUS)
    return weights / weights.sum(axis=1, keepdims=True)


INTERPOLATIONS = (
    Interpolation("nearest", "Copies the nearest voxel: blocky, adds no value of its own", nearest_matrix),
    Interpolation("linear", "Trilinear interpolation: fast and smooth", lambda n, m: spline_matrix(n, m, 1)),
    Interpolation("bicubic", "Cubic convolution (Keys): the bicubic of the papers", bicubic_matrix),
    Interpolation("spline", "Cubic B-spline: the yardstick of the papers", spline_matrix),
    Interpolation("quintic", "Quintic B-spline: a little sharper than cubic", lambda n, m: spline_matrix(n, m, 5)),
    Interpolation("sinc", "Windowed sinc (Lanczos): sharpest of the interpolations, may ring", sinc_matrix),
)
