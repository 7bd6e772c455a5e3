"""A x, its adjoint and its singular values, for every acquisition: matrix-free, as a small matrix along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import RequestError
from ..image.linear_operators import apply_along_axes
from .acquisition import Acquisition, masked_in_cosines
from .encoding import KSpace, cosine_matrix


def check_sizes(low: Sequence[int], size: Sequence[int]) -> None:
    """RequestError where a volume of ``low`` voxels cannot become one of ``size``, which is never coarser."""
    if len(low) != 3 or len(size) != 3 or min(low) < 1 or any(m < n for n, m in zip(low, size, strict=True)):
        raise RequestError(
            f"{_times(low)} voxels cannot become {_times(size)}: give three sizes, none smaller than the input's"
        )


class SeparableOperator:
    """A linear map with one matrix (n_scan, n) along each axis, or None; numpy and torch alike.

    A = U diag(s) V^T with U and V separable (the naming is that of deepinv's DecomposablePhysics).
    """

    def __init__(self, matrices: Sequence[np.ndarray | None]) -> None:
        self.matrices = list(matrices)

    def A(self, high: Any) -> Any:  # noqa: N802
        """A x: array on the high-resolution grid -> on the scan's grid."""
        return apply_along_axes(self.matrices, high)

    def A_adjoint(self, low: Any) -> Any:  # noqa: N802
        """A^T y: array on the scan's grid -> on the high-resolution grid."""
        return apply_along_axes([None if m is None else m.T for m in self.matrices], low)

    def residual(self, high: Any, low: Any) -> Any:
        """y - A x: what a volume does not account for in the scan, on the scan's grid."""
        return low - self.A(high)

    @cached_property
    def svd(self) -> tuple[list[np.ndarray | None], np.ndarray, list[np.ndarray | None]]:
        """U^T along each axis (None: identity), s on the scan's grid (broadcast), V along each axis."""
        to_scan: list[np.ndarray | None] = []
        from_scan: list[np.ndarray | None] = []
        values = np.ones((1, 1, 1))
        for axis, matrix in enumerate(self.matrices):
            if (factors := self._decomposed(axis, matrix)) is None:
                to_scan.append(None)
                from_scan.append(None)
                continue
            left, strength, right = factors
            to_scan.append(left.T)
            from_scan.append(right.T)
            values = values * np.expand_dims(strength, [a for a in range(3) if a != axis])
        return to_scan, values, from_scan

    def _decomposed(self, axis: int, matrix: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        return None if matrix is None else np.linalg.svd(matrix, full_matrices=False)


class ForwardOperator(SeparableOperator):
    """The linear map A of an acquisition without its noise, from ``size`` (high resolution) to ``low`` voxels.

    Its s is separable but for an elliptic k-space, whose mask acts on the cosines of the Fourier-encoded axes.
    Raises RequestError where the acquisition makes another size of ``size``, and for one that samples at the
    corners, whose grid does not fill the box of the result.
    """

    def __init__(self, acquisition: Acquisition, size: Sequence[int], low: Sequence[int]) -> None:
        check_sizes(low, size)
        if acquisition.sampling != "cells":
            raise RequestError("a scan sampled at the corners of its voxels cannot be undone: use sampling = cells")
        super().__init__(acquisition.matrices(size))
        self.noise_level = acquisition.noise_level
        made = tuple(n if m is None else len(m) for n, m in zip(size, self.matrices, strict=True))
        if made != tuple(low):
            raise RequestError(
                f"the acquisition makes {_times(made)} voxels of {_times(size)}, but the input has {_times(low)}: "
                "give the factors that lie between the two sizes"
            )
        self.low = made
        self.mask = acquisition.kspace_mask(made)
        self._masked = [acquisition.ellipse and isinstance(axis, KSpace) for axis in acquisition.axes]

    def A(self, high: Any) -> Any:  # noqa: N802
        low = super().A(high)
        return low if self.mask is None else masked_in_cosines(low, self.mask)

    def A_adjoint(self, low: Any) -> Any:  # noqa: N802
        return super().A_adjoint(low if self.mask is None else masked_in_cosines(low, self.mask))

    @cached_property
    def svd(self) -> tuple[list[np.ndarray | None], np.ndarray, list[np.ndarray | None]]:
        to_scan, values, from_scan = super().svd
        return to_scan, values if self.mask is None else values * self.mask, from_scan

    def _decomposed(self, axis: int, matrix: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        if not self._masked[axis]:
            return super()._decomposed(axis, matrix)
        # singular vectors in the order of their frequencies, as the mask has them
        cosines = cosine_matrix(self.low[axis])
        rows = cosines if matrix is None else cosines @ matrix
        strength = np.linalg.norm(rows, axis=1)
        return cosines.T, strength, rows / np.maximum(strength, 1e-12)[:, None]


def _times(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))
