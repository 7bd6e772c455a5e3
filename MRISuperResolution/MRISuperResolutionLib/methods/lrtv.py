"""LRTV: of all volumes that explain the scan, one of low rank and low total variation.

Source: Shi, Cheng, Wang, Yap & Shen 2015, IEEE Trans. Med. Imaging 34:2459.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..image.linear_operators import resample
from ..physics.acquisition import Acquisition
from ..physics.forward_operator import ForwardOperator
from .base import Method
from .regularisers import AXES, gram, laplacian, steepness, thresholded

ALPHA = 1 / 3

SHARES = (1.0, 0.5, 0.25, 0.125)
"""How much of a step is tried."""

SMALLEST_FALL = 1e-4
"""The share of the objective that an iteration must take away for another one to follow."""


@dataclass(frozen=True)
class LRTV(Method):
    """Minimises, over x on the HR grid, intensities normalised,

        |D H x - y|^2 + rank sum_i alpha_i |X_(i)|_tr + total_variation TV(x),

    X_(i) being the unfolding of x along axis i and |.|_tr the sum of its singular values. Theirs: this
    objective, alpha_i = 1/3, ADMM with M_i = X_(i) and duals Y_i, singular-value thresholding, gradient steps
    for x. Assumed here, where the paper is silent or its values suit another scale of intensities:

    - TV is isotropic, of forward differences in voxels, with |g| softened to sqrt(|g|^2 + softness^2);
    - the weights. They give 0.01 for both and rho = 0.1; on 0 to 1 that blurs. Ours were tuned on two
      training volumes. Noise that the acquisition tells of adds to the weight of TV: ``noisy_variation`` times
      its level times LR voxels for each HR voxel;
    - the step for x: conjugate gradients on the quadratic that lies above TV and touches it at x;
    - one resolution, from the cubic spline: no going from coarse to fine.

    ADMM alone may let the objective rise. Here x moves only as far along ADMM's step as makes the objective
    above (softened TV, true singular values) fall; where nothing does, the iterations end.
    """

    rank: float = 1e-3
    total_variation: float = 1e-4
    noisy_variation: float = 0.8
    rho: float = 2e-3
    softness: float = 3e-3
    iterations: int = 20
    gradient_steps: int = 5

    name = "lrtv"
    summary = "Low rank and total variation (Shi et al. 2015): undoes the blur, keeps edges, calms noise"
    bytes_voxel = 66

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
            report(iteration / self.iterations)
            high = iterate
        report(1.0)
        return high

    def iterates(
        self, low: np.ndarray, size: Sequence[int], acquisition: Acquisition
    ) -> Iterator[tuple[np.ndarray, float]]:
        """x [i, j, k] float32 and its objective: first the spline, then after each iteration, always lower."""
        problem = Problem(
            ForwardOperator(acquisition, size, low.shape),
            low.astype(np.float32),
            self.rank * ALPHA,
            self.total_variation + self.noisy_variation * acquisition.noise_level * low.size / math.prod(size),
            self.softness,
        )
        x = resample(problem.low, size)
        objective = problem.objective(x)
        duals = [np.zeros_like(x) for _ in AXES]  # Y_i / rho, folded
        yield x, objective
        for _ in range(self.iterations):
            goal = np.zeros_like(x)  # the mean of M_i - Y_i / rho
            for axis, dual in enumerate(duals):
                dual += x
                of_low_rank = thresholded(dual, axis, problem.rank / self.rho)
                dual -= of_low_rank
                goal += (of_low_rank - dual) / 3
            step = problem.step(x, goal, 1.5 * self.rho, self.gradient_steps)
            tried = ((x + np.float32(share) * step) for share in SHARES)
            accepted = next(((y, f) for y in tried if (f := problem.objective(y)) < objective), None)
            if accepted is None:
                return
            before = objective
            x, objective = accepted
            yield x, objective
            if before - objective < SMALLEST_FALL * before:
                return


@dataclass(frozen=True)
class Problem:
    """The objective for one scan ``low``; ``rank`` is the weight of each unfolding."""

    operator: ForwardOperator
    low: np.ndarray
    rank: float
    total_variation: float
    softness: float

    def objective(self, x: np.ndarray) -> float:
        data = np.sum((self.operator.A(x) - self.low) ** 2, dtype=np.float64)
        ranks = sum(np.sqrt(np.linalg.eigvalsh(gram(x, axis)).clip(0)).sum() for axis in AXES)
        variation = np.sum(steepness(x, self.softness), dtype=np.float64)
        return float(data + self.rank * ranks + self.total_variation * variation)

    def step(self, x: np.ndarray, goal: np.ndarray, pull: float, steps: int) -> np.ndarray:
        """From x towards the least |D H z - y|^2 + pull |z - goal|^2 + TV's quadratic at x, over z."""
        stiffness = self.total_variation / 2 / steepness(x, self.softness)

        def normal(z: np.ndarray) -> np.ndarray:
            return self.operator.A_adjoint(self.operator.A(z)) + laplacian(z, stiffness) + np.float32(pull) * z

        moved = np.zeros_like(x)
        residual = self.operator.A_adjoint(self.low) + np.float32(pull) * goal - normal(x)
        direction, square = residual, np.vdot(residual, residual)
        for _ in range(steps):
            if square == 0:
                break
            ahead = normal(direction)
            length = square / np.vdot(direction, ahead)
            moved += length * direction
            residual = residual - length * ahead
            before, square = square, np.vdot(residual, residual)
            direction = residual + square / before * direction
        return moved
