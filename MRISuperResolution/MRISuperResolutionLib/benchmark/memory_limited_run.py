"""Whole runs in a bounded memory, seen from outside, beside what was forecast of them."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..image.grid import Grid, Triple
from ..image.phantom import brain_phantom
from ..image.volume import Volume
from ..io import write_volume
from ..models.card import USUAL_FACTOR, Card
from ..models.registry import find_model
from ..pipeline.cost_estimate import forecast, processor_rate
from ..pipeline.foreground_work import share_left
from ..pipeline.request import Plan, plan
from ..runtime.memory import GIB, peak_memory
from .throughput import factors_for

if TYPE_CHECKING:
    from ..methods.base import Method

LOOK_S = 0.01
"""How often the process is looked at. The system keeps its peak: only what comes after the last look is missed."""


@dataclass(frozen=True)
class Bounded:
    """An ``mrisr upscale`` in a process of its own that may take ``max_memory_gib``: the peak of its resident memory
    (VmHWM: files that it maps count, the system's cache of files does not), its seconds, and what was forecast."""

    model: str
    voxels: int
    max_memory_gib: float
    peak_gib: float
    forecast_gib: float
    seconds: float
    forecast_seconds: float


def bounded_runs(
    models: Sequence[str], size: tuple[int, int, int], limits: Sequence[float], factors: Triple | None = None
) -> Iterator[Bounded]:
    """Each of the ``models``, methods or weights, makes a phantom finer by ``factors`` (None: the usual ones), to
    about ``size`` voxels, in each of the ``limits`` (GiB).

    Raises RequestError, before anything is run, for a model that there is not and for factors that it does not take;
    for a run that fails, too.
    """
    requests = [_asked(find_model(model), size, factors) for model in models]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model, (low, asked) in zip(models, requests, strict=True):
            scan = Volume(brain_phantom(low.size, "T1w"), low)
            write_volume(scan, folder / "scan.nrrd", overwrite=True)
            for limit in limits:
                yield _run(model, scan, asked, folder, limit)


def _asked(model: Card | Method | None, size: tuple[int, int, int], factors: Triple | None) -> tuple[Grid, Plan]:
    """The grid of a scan whose result has about ``size`` voxels, and what is asked of it."""
    finer = factors_for(model, factors) if isinstance(model, Card) else factors or (USUAL_FACTOR,) * 3
    i, j, k = (int(n / factor) for n, factor in zip(size, finer, strict=True))
    low = Grid((i, j, k))
    return low, plan(low, model, finer)


def _run(model: str, scan: Volume, asked: Plan, folder: Path, limit: float) -> Bounded:
    found = find_model(model)
    share = share_left(scan.array, found, asked) if isinstance(found, Card) else 1.0
    outlook = forecast(scan.grid, found, asked, int(limit * GIB), share=share)
    command = ["upscale", folder / "scan.nrrd", folder / "out.nrrd", "--model", model, "--overwrite"]
    further = ["--scale", *asked.factors, "--max-memory", limit, "--device", "cpu"]
    start = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "MRISuperResolutionLib", *map(str, command), *map(str, further)],
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = 0
    try:
        while child.poll() is None:
            peak = max(peak, peak_memory(child.pid) or 0)
            time.sleep(LOOK_S)
        seconds = time.monotonic() - start
    finally:
        child.kill()
    _, trouble = child.communicate()
    if child.returncode:
        raise RequestError(f"{model} in {limit:g} GiB did not end well: {trouble.strip()}")
    return Bounded(
        model,
        math.prod(asked.target.size),
        limit,
        peak / GIB,
        outlook.memory / GIB,
        seconds,
        outlook.seconds(processor_rate()),
    )
