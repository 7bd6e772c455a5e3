"""NMU, non-local MRI upsampling: like patches become more alike, and the result goes on explaining the scan.

Source: Manjon, Coupe, Buades, Fonov, Collins & Robles 2010, Med. Image Anal. 14:784; with a reference of
another contrast: Rousseau 2010, Med. Image Anal. 14:594, and Manjon et al. 2010, Int. J. Biomed. Imaging 425891.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from ..errors import RequestError
from ..image.linear_operators import resample
from ..physics.acquisition import Acquisition
from ..physics.data_consistency import DataConsistency
from ..physics.forward_operator import ForwardOperator, SeparableOperator
from .base import Method
from .non_local import non_local_mean

GENTLE: dict[str, Any] = {"regularization": 0.1, "rounds": 5}
EXACT: dict[str, Any] = {"regularization": 0.01, "rounds": 50, "tolerance": 5e-4}
"""Two ways of the correction, for ``DataConsistency.iterate``."""

NOISE_LIKE = 3e-3
"""Root mean square in normalised units of what the spline still misses after TRIAL, from which on it is noise."""

TRIAL: dict[str, Any] = {"regularization": 0.1, "rounds": 20}

SMALL_CHANGE = 5e-4
"""Root mean square in normalised units of a round after which none follows."""


@dataclass(frozen=True)
class NMU(Method):
    """From the spline, in turns: (a) each voxel becomes the mean of those around it, weighted by

        exp(-d^2 / h^2), times exp(-d_r^2 / h_r^2) for each reference r,

    d^2 being the mean squared difference of their 3 x 3 x 3 patches; (b) the volume is corrected so that it
    explains the scan. Every second round h is halved, until a round changes little.

    Theirs: patches, a search of radius 3, the product of the weights, the turns, the halving. Assumed:

    - (b) uses the acquisition (``consistency`` "acquisition"): the result is one that the scan could have come
      from. The paper's scan is the plain mean of each LR voxel; that is "cells", which undoes no further blur;
    - an exact correction blows up the noise of a scan. Where the acquisition tells of noise, or a trial leaves
      more unexplained than volumes without noise did (NOISE_LIKE, from training data), (b) is gentle and leaves
      the noise unexplained; else it is exact: D H x = y within 5e-4;
    - h is ``strength`` times the typical deviation within 3 x 3 x 3 voxels, one number for the whole volume (better
      than a map of it on training data), and wider beside a reference, which tells patches apart better;
    - all voxels are compared: their preselection by mean and variance saves time only where it skips patches
      whose weight is next to nothing, and whole-array arithmetic cannot skip;
    - the volume goes on beyond its faces as in a mirror.
    """

    strength: float = 1.4
    strength_with_reference: float = 2.8
    strength_of_reference: float = 1.0
    radius: int = 3
    rounds: int = 6
    consistency: Literal["acquisition", "cells"] = "acquisition"

    name = "nmu"
    summary = "Non-local upsampling (Manjon et al. 2010): averages like patches, another contrast helps; slow"
    references = 1
    bytes_voxel = 50

    def upscale(
        self,
        low: np.ndarray,
        size: Sequence[int],
        *,
        acquisition: Acquisition,
        references: Sequence[np.ndarray] = (),
        report: Callable[[float], None] = lambda share: None,
    ) -> np.ndarray:
        operator: SeparableOperator = ForwardOperator(acquisition, size, low.shape)
        if any(reference.shape != tuple(size) for reference in references):
            raise RequestError("a reference has another size than the result: put it on the grid of the result first")
        if self.consistency == "cells":
            operator = SeparableOperator(
                [None if n == m else cell_mean_matrix(m, n) for n, m in zip(low.shape, size, strict=True)]
            )
        consistency, low = DataConsistency(operator), low.astype(np.float32)
        high = resample(low, size)
        strength = (self.strength_with_reference if references else self.strength) * typical_deviation(high)
        guides = [(guide, self.strength_of_reference * typical_deviation(guide)) for guide in references]
        trial = consistency.iterate(high, low, **TRIAL)
        clean = acquisition.noise_level == 0 and rms(operator.residual(trial, low)) < NOISE_LIKE
        high = consistency.iterate(high, low, **GENTLE)
        for turn in range(self.rounds):
            smooth = non_local_mean(
                [(high, strength / 2 ** (turn // 2)), *guides],
                self.radius,
                lambda share, turn=turn: report((turn + share) / self.rounds),  # type: ignore[misc]
            )
            before, high = high, consistency.iterate(smooth, low, **(EXACT if clean else GENTLE))
            if rms(high - before) < SMALL_CHANGE:
                break
        report(1.0)
        return high


def rms(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(array**2)))


def cell_mean_matrix(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in): the mean over each of ``n_out`` cells, of cells that lie partly in it their part."""
    faces, inner = np.arange(n_out + 1) * n_in / n_out, np.arange(n_in + 1)
    ends = np.minimum(faces[1:, None], inner[1:])
    starts = np.maximum(faces[:-1, None], inner[:-1])
    return (ends - starts).clip(0) * n_out / n_in


def typical_deviation(array: np.ndarray) -> float:
    """Mean standard deviation within 3 x 3 x 3 voxels, weighted by itself so that no background counts."""
    mean = ndimage.uniform_filter(array, 3)
    deviation = np.sqrt((ndimage.uniform_filter(array**2, 3) - mean**2).clip(0))
    return float(np.sum(deviation**2, dtype=np.float64) / max(np.sum(deviation, dtype=np.float64), 1e-12))
