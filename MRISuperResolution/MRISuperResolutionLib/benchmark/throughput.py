"""A benchmark: each model on each precision, end to end by the shipped road, beside the others."""

from __future__ import annotations

import math
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import RequestError
from ..image.grid import Grid, Triple
from ..image.linear_operators import resample
from ..image.phantom import brain_phantom
from ..image.volume import Volume
from ..inference.engine import planned, run_network
from ..inference.scan_restoration import Restoration
from ..inference.stream import share_to_compute
from ..inference.tta import views
from ..models.card import Card, find_card, load_network
from ..networks.base import channels_last
from ..physics.acquisition import Acquisition
from ..pipeline.upscale import upscale
from ..runtime.device import Computing, choose_device, choose_precision
from ..runtime.memory import GIB, forget_peak, memory_limit, peak_memory, process_memory
from ..runtime.progress import Quiet
from .baselines import DEFAULT, Task, best_window, monai, plain
from .peak_flops import convolution_peak, timed

PLANE = "axial"


@dataclass(frozen=True)
class Setting:
    """What is measured: the size of the results, how often, on which device, in how many GiB (None: half of what is
    free), whether beside others, and how many times finer volumes become along i, j, k (None: usually)."""

    size: tuple[int, int, int] = (160, 192, 160)
    repeat: int = 3
    device: str = "auto"
    max_memory: float | None = None
    beside: bool = True
    peak_seconds: float = 1.0
    factors: Triple | None = None


@dataclass(frozen=True)
class Result:
    """What a model took in one precision, the median of several runs; None where something could not be measured.

    seconds        from the volume in memory to the result in memory, weights read, by ``upscale``
    skipped_share  operations that need not be done, since what they see is background
    share_of_peak  the other operations that the network needs, over seconds, over the peak of convolutions in this
                   precision
    redundant_share   operations beyond those, because pieces overlap
    deviation      largest difference from plain PyTorch in float32, as a share of the result's range
    speedup_*      seconds of the others, which are given the network's input ready made, over ours (of networks that
                   average views of a scan, over ours for each view): MONAI's defaults and plain PyTorch in float32,
                   MONAI's best setting in our precision and memory
    """

    model: str
    device: str
    precision: str
    seconds: float
    voxels_per_s: float
    skipped_share: float
    share_of_peak: float
    redundant_share: float
    peak_memory_gib: float | None
    deviation: float | None = None
    speedup_over_monai_default: float | None = None
    speedup_over_monai_best: float | None = None
    speedup_over_plain: float | None = None
    monai_best: dict[str, Any] | None = None


def benchmark(models: Sequence[str], precisions: Sequence[str], setting: Setting) -> Iterator[Result]:
    """Measure each of the ``models`` (names of weights) in each of the ``precisions``.

    Raises RequestError for a model, device or precision that there is not, and for factors that the model does not
    take.
    """
    device = choose_device(setting.device)
    kinds = [choose_precision(name, device) for name in precisions]
    cards = [find_card(name) for name in models]
    peaks = {
        (dimensions, kind): convolution_peak(dimensions, device, kind, setting.peak_seconds)
        for dimensions in {card.dimensions for card in cards}
        for kind in kinds
    }
    for card in cards:
        known: dict[str, tuple[np.ndarray, float]] = {}
        for kind in kinds:
            yield _measured(card, kind, device, setting, peaks[card.dimensions, kind], known)


def machine() -> dict[str, Any]:
    """What computes: processor, its threads, GPU, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _measured(
    card: Card,
    precision: torch.dtype,
    device: torch.device,
    setting: Setting,
    peak: float,
    known: dict[str, tuple[np.ndarray, float]],
) -> Result:
    """``known`` keeps what the others made in float32: image and seconds."""
    factors = factors_for(card, setting.factors)
    low = scan(setting.size, factors)
    name = str(precision).removeprefix("torch.")
    computing = Computing(str(device), name, setting.max_memory)
    results: list[Volume] = []

    def work() -> None:
        results[:] = [
            upscale(
                low,
                str(card.path),
                scale=factors,
                plane=PLANE if card.dimensions == 2 else None,
                acquisition=None,
                computing=computing,
                progress=Quiet(),
            )
        ]

    forget_peak()
    seconds = median(work, device, setting.repeat)
    peak_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
    network = channels_last(load_network(card).to(device))
    network.expect_no_errors()
    task = Task(network, network_input(card, low, results[0].grid.size, factors), device, precision)
    most = memory_limit(setting.max_memory) - process_memory()
    needed = math.prod(task.source.shape[1:])
    computed = planned(network, task.source.shape[1:], precision, most) or needed
    left = share_to_compute(network, task.source) if network.chain() else 1.0
    times = len(views(factors)) if card.restoring else 1
    return Result(
        card.name,
        str(device),
        name,
        seconds,
        math.prod(results[0].grid.size) / seconds,
        1 - left,
        network.operations() * needed * left * times / seconds / peak,
        computed / needed - 1,
        peak_bytes / GIB if peak_bytes else None,
        **(_beside(task, seconds / times, setting, most, known) if setting.beside else {}),
    )


def _beside(
    task: Task, seconds: float, setting: Setting, most_bytes: int, known: dict[str, tuple[np.ndarray, float]]
) -> dict[str, Any]:
    """The figures of a ``Result`` that need others than us; ``seconds`` for each time that the network is run."""
    exact = replace(task, precision=torch.float32)

    def of(name: str, run: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
        if name not in known:
            known[name] = image_and_seconds(run, task.device, setting.repeat)
        return known[name]

    truth, plain_seconds = of("plain", lambda: plain(exact))
    ours = run_network(task.network, task.source, device=task.device, precision=task.precision, most_bytes=most_bytes)
    found: dict[str, Any] = {
        "deviation": float(np.abs(ours.reshape(truth.shape) - truth).max() / np.ptp(truth)),
        "speedup_over_plain": plain_seconds / seconds,
    }
    if find_spec("monai") is None:
        return found
    _, default_seconds = of("monai", lambda: monai(exact, DEFAULT))
    found["speedup_over_monai_default"] = default_seconds / seconds
    if window := best_window(task, most_bytes):
        image, best_seconds = image_and_seconds(lambda: monai(task, window), task.device, setting.repeat)
        found["speedup_over_monai_best"] = best_seconds / seconds
        found["monai_best"] = {
            **asdict(window),
            "deviation": float(np.abs(image - truth).max() / np.ptp(truth)),
        }
    return found


def image_and_seconds(run: Callable[[], np.ndarray], device: torch.device, repeat: int) -> tuple[np.ndarray, float]:
    """What ``run`` makes, and the median of its seconds."""
    images: list[np.ndarray] = []

    def work() -> None:
        images[:] = [run()]

    seconds = median(work, device, repeat)
    return images[0], seconds


def median(work: Callable[[], None], device: torch.device, repeat: int) -> float:
    """Median of the seconds that ``work`` takes."""
    return statistics.median(timed(work, device) for _ in range(repeat))


@lru_cache(maxsize=2)
def scan(size: tuple[int, int, int], factors: Triple) -> Volume:
    """A scan of the phantom whose result has about ``size`` voxels, of 1 mm."""
    high = Volume(brain_phantom(size, "T1w"), Grid(size))
    acquisition = Acquisition.gaussian(factors)
    return Volume(acquisition.apply(high.array), acquisition.grid(high.grid))


def network_input(card: Card, low: Volume, size: Sequence[int], factors: Triple) -> np.ndarray:
    """float32 (channels, *axes) as the network gets it; intensities normalised roughly."""
    array = low.array / low.array.max()
    if card.restoring:
        return Restoration(Acquisition.gaussian(factors), size, low.array.shape, card.cells).source(
            array, [], card.references
        )
    if "in_plane" not in card.factors:
        array = resample(array, size)
    source = np.zeros((1 + card.references, *array.shape), np.float32)
    source[0] = array
    axis = low.grid.slice_axis(PLANE)
    return source if card.dimensions == 3 else np.ascontiguousarray(np.moveaxis(source, 1 + axis, 1))


def factors_for(card: Card, asked: Triple | None) -> Triple:
    """Those that are asked for, else the usual ones; RequestError for factors that are asked of slices."""
    if asked and card.dimensions == 2:
        raise RequestError(f"{card.name} makes slices finer by a factor of its own: leave out --factors")
    return asked or card.usual_factors
