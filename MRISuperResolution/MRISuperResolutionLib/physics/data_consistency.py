"""Data consistency: the smallest change after which a scan of the volume is the scan that was given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..image.linear_operators import alike, apply_along_axes
from .acquisition import Acquisition
from .forward_operator import ForwardOperator, SeparableOperator

EXPECTED_ERROR = 0.03
"""Root mean square error of what a network makes, in normalised units: that of the weakest on validation subjects."""

SMALLEST_REGULARIZATION = 1e-3
"""Of a scan without noise: rounding has to be forgiven, too."""


def enforce_data_consistency(
    high: np.ndarray, low: np.ndarray, acquisition: Acquisition
) -> tuple[np.ndarray, float, np.ndarray]:
    """The volume near ``high``, what a network made, that accounts best for the scan ``low``; float32 [i, j, k].

    It is the most likely one where the network's errors are independent, of ``EXPECTED_ERROR``, and the scan's noise
    is what the acquisition states: in closed form, since its singular vectors are separable. Also returned: root mean
    square of the residual before, and the residual after, on the grid of ``low``. Intensities are normalised. Raises
    RequestError where the acquisition does not make ``low``'s size of ``high``'s.
    """
    consistency = DataConsistency(ForwardOperator(acquisition, high.shape, low.shape))
    result = consistency.prox_l2(high, low, regularization_of(acquisition.noise_level))
    before = float(np.sqrt(np.mean(consistency.operator.residual(high, low) ** 2)))
    return result, before, consistency.operator.residual(result, low)


def regularization_of(noise_level: float, expected_error: float = EXPECTED_ERROR) -> float:
    """The regularization at which one step gives the most likely volume for noise of ``noise_level`` and errors of a
    network of ``expected_error``, both in normalised units."""
    return max(SMALLEST_REGULARIZATION, (noise_level / expected_error) ** 2)


class DataConsistency:
    """x <- x + A^T (A A^T + regularization)^-1 (y - A x).

    Without regularization one step is the projection onto all x of which A makes y; with it, detail that the scan
    holds at less than sqrt(regularization) of its strength comes back slowly, and so does noise.
    """

    def __init__(self, operator: SeparableOperator) -> None:
        self.operator = operator

    def prox_l2(self, high: Any, low: Any, regularization: float) -> Any:
        """``high`` after one step, that is argmin |A x - y|^2 + regularization |x - high|^2; numpy or torch."""
        return high + self._change(self.operator.residual(high, low), regularization)

    def iterate(
        self, high: np.ndarray, low: np.ndarray, *, regularization: float, rounds: int, tolerance: float = 0.0
    ) -> np.ndarray:
        """``high`` after so many steps, or as soon as the residual is nowhere above ``tolerance``."""
        for _ in range(rounds):
            residual = self.operator.residual(high, low)
            if np.abs(residual).max() <= tolerance:
                break
            high = high + self._change(residual, regularization)
        return high

    def _change(self, residual: Any, regularization: float) -> Any:
        to_scan, values, from_scan = self.operator.svd
        weight = alike(values / (values**2 + regularization), residual)
        return apply_along_axes(from_scan, apply_along_axes(to_scan, residual) * weight)
