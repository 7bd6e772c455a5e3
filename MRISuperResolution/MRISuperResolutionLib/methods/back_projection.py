"""Iterative back-projection: what the result does not explain of the scan is put back, again and again.

Source: Irani & Peleg 1991, CVGIP: Graph. Models Image Process. 53:231, with one image and no motion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..image.linear_operators import resample
from ..physics.acquisition import Acquisition
from ..physics.forward_operator import ForwardOperator
from .base import Method

ITERATIONS = 10
"""Later ones add 0.05 dB to a scan without noise and take whole decibels from a noisy one (training data)."""

SMALL_RESIDUAL = 1e-4
"""Root mean square in normalised units that is as good as nothing."""


class BackProjection(Method):
    """x <- x + U (y - D H x), from x = U y, U being the cubic spline from the LR to the HR grid.

    U is their back-projection kernel, chosen here as it was best on training data (the transpose of D H
    needs five times the iterations). It ends at the noise that the acquisition tells of: to explain more
    would be to explain the noise.
    """

    name = "ibp"
    summary = "Iterative back-projection (Irani & Peleg 1991): spline, then undoes the scan's blur"
    bytes_voxel = 12

    def upscale(
        self,
        low: np.ndarray,
        size: Sequence[int],
        *,
        acquisition: Acquisition,
        references: Sequence[np.ndarray] = (),
        report: Callable[[float], None] = lambda share: None,
    ) -> np.ndarray:
        for iteration, (iterate, _) in enumerate(self.iterates(low, size, acquisition)):
            report(iteration / ITERATIONS)
            high = iterate
        report(1.0)
        return np.ascontiguousarray(high)

    def iterates(
        self, low: np.ndarray, size: Sequence[int], acquisition: Acquisition
    ) -> Iterator[tuple[np.ndarray, float]]:
        """x [i, j, k] float32 and the root mean square of y - D H x: the spline, then after each iteration."""
        operator = ForwardOperator(acquisition, size, low.shape)
        low = low.astype(np.float32)
        enough = max(SMALL_RESIDUAL, acquisition.noise_level)
        high = resample(low, size)
        for _ in range(ITERATIONS):
            missing = low - operator.A(high)
            left = float(np.sqrt(np.mean(missing**2)))
            yield high, left
            if left <= enough:
                return
            high = high + resample(missing, size)
        yield high, float(np.sqrt(np.mean((low - operator.A(high)) ** 2)))
