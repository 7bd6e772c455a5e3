"""Making a volume explain a scan: the smallest change after which the scan of the volume is the one given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..acquisition import Acquisition
from ..operators import alike, apply_along_axes
from .scan import Scan

EXPECTED_ERROR = 0.03
"""Root mean square error of what a network makes, in normalised units: that of the weakest on validation subjects."""

SMALLEST_DAMPING = 1e-3
"""Of a scan without noise: rounding has to be forgiven, too."""


def made_consistent(
    high: np.ndarray, low: np.ndarray, acquisition: Acquisition
) -> tuple[np.ndarray, float, np.ndarray]:
    """The volume near ``high``, what a network made, that best explains the scan ``low``; float32 [i, j, k].

    It is the most likely one where the network's errors are independent, of ``EXPECTED_ERROR``, and the scan's noise
    is what the acquisition tells of: in closed form, since the scan is separable. Also returned: root mean square of
    what ``high`` does not explain of ``low``, and what the result does not, on the grid of ``low``. Intensities are
    normalised. Raises RequestError where the acquisition does not make ``low``'s size of ``high``'s.
    """
    scan = Scan(acquisition, high.shape, low.shape)
    consistency = Consistency(scan.matrices)
    result = consistency.once(high, low, damping_of(scan, low))
    before = float(np.sqrt(np.mean(consistency.missing(high, low) ** 2)))
    return result, before, consistency.missing(result, low)


def damping_of(scan: Scan, low: Any) -> float:
    """The damping at which one round gives the most likely volume for the noise that the acquisition tells of."""
    return max(SMALLEST_DAMPING, (scan.noise(low) / EXPECTED_ERROR) ** 2)


class Consistency:
    """x <- x + A^T (A A^T + damping)^-1 (y - A x), in rounds, A being one matrix (n_LR, n_HR) along each axis.

    Without damping one round is the projection onto all x that explain y; with damping, detail that the scan
    holds at less than sqrt(damping) of its strength comes back slowly, and so does noise. A is separable, and
    so are its singular vectors; its singular values are the products of the axes'.
    """

    def __init__(self, matrices: Sequence[np.ndarray | None]) -> None:
        self.matrices = list(matrices)
        self.to_gains: list[np.ndarray | None] = [None, None, None]
        self.from_gains: list[np.ndarray | None] = [None, None, None]
        self.gain = np.ones((1, 1, 1))
        for axis, matrix in enumerate(self.matrices):
            if matrix is not None:
                left, values, right = np.linalg.svd(matrix, full_matrices=False)
                self.to_gains[axis], self.from_gains[axis] = left.T, right.T
                self.gain = self.gain * np.expand_dims(values, [a for a in range(3) if a != axis])

    def missing(self, high: Any, low: Any) -> Any:
        """What ``high`` [i, j, k] does not explain of ``low``, on the LR grid."""
        return low - apply_along_axes(self.matrices, high)

    def once(self, high: Any, low: Any, damping: float) -> Any:
        """``high`` after one round; numpy or torch."""
        return high + self._change(self.missing(high, low), damping)

    def corrected(
        self, high: np.ndarray, low: np.ndarray, *, damping: float, rounds: int, tolerance: float = 0.0
    ) -> np.ndarray:
        """``high`` after so many rounds, or as soon as nowhere more than ``tolerance`` is missing."""
        for _ in range(rounds):
            missing = self.missing(high, low)
            if np.abs(missing).max() <= tolerance:
                break
            high = high + self._change(missing, damping)
        return high

    def _change(self, missing: Any, damping: float) -> Any:
        """The change of the volume that explains what was missing on the LR grid."""
        weight = alike(self.gain / (self.gain**2 + damping), missing)
        return apply_along_axes(self.from_gains, apply_along_axes(self.to_gains, missing) * weight)


def cell_mean_matrix(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in): the mean over each of ``n_out`` cells, of cells that lie partly in it their part."""
    faces, inner = np.arange(n_out + 1) * n_in / n_out, np.arange(n_in + 1)
    ends = np.minimum(faces[1:, None], inner[1:])
    starts = np.maximum(faces[:-1, None], inner[:-1])
    return (ends - starts).clip(0) * n_out / n_in
