"""One method on one case: the scores, what it took, and a slice to look at."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..image.tissue import noise_of, tissue
from ..image.volume import Volume
from ..methods.base import Method
from ..models.card import Card
from ..physics.forward_operator import ForwardOperator
from ..pipeline.upscale import upscale
from ..runtime.device import Computing
from ..runtime.memory import GIB, forget_peak, peak_memory
from ..runtime.progress import Quiet
from .case import Case
from .entrants import contender, split, told
from .metrics import voxel_errors

METRICS = ("psnr_db", "ssim", "ssim_slices", "nrmse", "gradient_error", "high_frequency_error")
"""Of those that ``voxel_errors`` gives."""


@dataclass(frozen=True)
class Score:
    """What came out; ``model`` is None where the method was not made for the case.

    ``unexplained``: root mean square of the scan less a scan of the result, as a share of the scan's range.
    ``limit_db``: PSNR that the truth's own noise leaves within reach (see ``_limit``).
    ``picture``: the slice [x, y] of the result that figures show, float32 in normalised units.
    """

    case: str
    subject: str
    contrast: str
    label: str
    method: str
    model: str | None = None
    psnr_db: float | None = None
    ssim: float | None = None
    ssim_slices: float | None = None
    nrmse: float | None = None
    gradient_error: float | None = None
    high_frequency_error: float | None = None
    unexplained: float | None = None
    limit_db: float | None = None
    seconds: float | None = None
    peak_memory_gib: float | None = None
    references: int = 0
    picture: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32), compare=False)

    def facts(self) -> dict[str, Any]:
        """All but the picture."""
        return {name: value for name, value in vars(self).items() if name != "picture"}


def brought_back(
    method: str, found: tuple[Card | Method, int], case: Case, low: Volume, computing: Computing
) -> Volume:
    """``low`` on the grid of the case's truth by ``method``, for which ``contender`` was ``found``.

    What it is told of the acquisition stands behind its name (see ``told``). Methods compute on the CPU in float32
    whatever networks do; all are given the companions that they can use as references.
    """
    model, count = found
    names = sorted(case.truth.companions)[:count]
    return upscale(
        low,
        str(model.name if isinstance(model, Method) else model.path),
        spacing=case.truth.volume.grid.spacing,
        plane=case.plane if model.dimensions == 2 else None,
        references=[Volume(case.truth.companions[name], case.truth.volume.grid) for name in names],
        acquisition=told(split(method)[1], model, case.acquisition),
        computing=computing if not isinstance(model, Method) else Computing(max_memory=computing.max_memory),
        progress=Quiet(),
    )


def attempt(method: str, case: Case, computing: Computing, everywhere: bool = False) -> Score:
    """Degrade, upscale, compare: among tissue, or ``everywhere``, over the range of the truth there."""
    high, low = case.pair()
    common = (case.key, case.truth.subject, case.truth.contrast, case.label, method)
    found = contender(method, case, low, len(case.truth.companions))
    if found is None:
        return Score(*common)
    model, count = found
    forget_peak()
    start = time.perf_counter()
    result = brought_back(method, found, case, low, computing)
    seconds, peak = time.perf_counter() - start, peak_memory()
    mask = None if everywhere else Volume(tissue(high.array).astype(np.uint8), high.grid)
    figures = voxel_errors(result, high, mask, kept=case.kept)
    return Score(
        *common,
        model=model.name,
        **{name: figures[name] for name in METRICS},
        unexplained=_unexplained(result, case, low),
        limit_db=_limit(high, case, figures["data_range"]),
        seconds=seconds,
        peak_memory_gib=peak / GIB if peak else None,
        references=count,
        picture=shown(case, result),
    )


def _unexplained(result: Volume, case: Case, low: Volume) -> float:
    scan = ForwardOperator(replace(case.acquisition, sampling="cells"), result.grid.size, low.grid.size)
    return float(np.sqrt(np.mean(scan.residual(result.array, low.array) ** 2)) / np.ptp(low.array))


def _limit(high: Volume, case: Case, data_range: float) -> float | None:
    """PSNR in dB of a result that is wrong in nothing but the noise of the truth, of which the scan holds at most the
    share of its voxels; None where the truth has no noise."""
    error = noise_of(high.array) * math.sqrt(1 - math.prod(case.kept))
    return 20 * math.log10(data_range / error) if error else None


def shown(case: Case, volume: Volume) -> np.ndarray:
    """The middle slice, axial or of the case's plane, as float32."""
    axis = volume.grid.slice_axis(case.plane or "axial")
    return np.take(volume.array, volume.grid.size[axis] // 2, axis=axis).astype(np.float32)
