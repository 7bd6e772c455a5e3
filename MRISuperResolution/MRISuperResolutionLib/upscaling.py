"""The road from a volume to the same volume at a higher resolution; shell, Slicer and tests all take it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .acquisition import Acquisition
from .device import choose_device, choose_precision
from .errors import OutOfMemory, RequestError
from .grid import Grid
from .intensity import Normalisation, to_type
from .memory import GIB, RESULT_BYTES, memory_limit, process_memory
from .methods.base import Method, assumed_acquisition
from .methods.consistency import made_consistent
from .methods.scan import Scan
from .models import find_model
from .operators import resample
from .progress import PREPARED, Progress, Silent, Stage
from .provenance import provenance
from .reference import on_grid
from .request import Plan, plan
from .restoration import Restoration
from .volume import Volume, check_image
from .weights import SPLINE, Card, load_network

if TYPE_CHECKING:
    import torch

    from .networks.base import Network


@dataclass(frozen=True)
class Computing:
    """How to compute: device, precision, GiB of memory that the process may take (None: half of what is free)."""

    device: str = "auto"
    precision: str = "auto"
    max_memory: float | None = None


Computed = tuple[np.ndarray, dict[str, Any]]
"""float32 [i, j, k] normalised values on the target grid, and how they were made."""

Run = Callable[[np.ndarray, list[np.ndarray]], Computed]
"""From the input's normalised values and the references on the source grid to what is computed."""


@dataclass(frozen=True)
class Prepared:
    """A network with its weights, and the torch device and dtype that it computes with."""

    network: Network
    device: torch.device
    precision: torch.dtype


def upscale(
    volume: Volume,
    model: str = SPLINE,
    *,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: Sequence[Volume] = (),
    register: bool = False,
    acquisition: Acquisition | None = None,
    computing: Computing = Computing(),
    progress: Progress | None = None,
) -> Volume:
    """``volume`` at a higher resolution, over exactly the same box, in its own units and scalar type.

    model       the name of a method (see ``methods.METHODS``) or of shipped weights (``weights.catalogue``), or a
                .safetensors path
    scale       factor for all axes (2D models: in the plane) or three for i, j, k; real numbers from 1 up
    spacing     mm along i, j, k instead of a scale
    plane       for 2D models: "axial", "coronal" or "sagittal" (default: the plane of the thick slices)
    references  other contrasts of the subject for models that take them, on any grid; ``register`` aligns
                them to ``volume`` first
    acquisition how ``volume`` came from what is sought, if that is known: methods, and networks on the scan's own
                grid, undo it (default: the papers' blur), and what another network makes is changed so that it
                explains ``volume``, as closely as the noise allows (see ``methods.consistency.made_consistent``)
    progress    is told how far the work is; may raise ``Cancelled``

    The header of the result says how it was made. ``volume`` is left as it was. Raises RequestError for a
    volume or a request that cannot be served, OutOfMemory where the work does not fit.
    """
    progress = progress or Silent()
    for image in (volume, *references):
        check_image(image)
    chosen = find_model(model)
    plan_ = plan(volume.grid, chosen, scale, spacing, plane, len(references))
    computed = _by_network if isinstance(chosen, Card) else _by_method
    if acquisition:
        # sizes that do not fit are refused before the work starts
        Scan(acquisition, plan_.target.size, volume.grid.size)
    run = computed(chosen, plan_, acquisition, computing, progress)  # type: ignore[arg-type]
    progress.report(0.0, "preparing")
    normalisation = Normalisation.of(volume.array)
    low = normalisation.apply(volume.array)
    # references of volumes lie where the result will, those of slices where the slices do
    grid = plan_.target if plan_.slice_axis is None else plan_.source
    others = _on_grid(references, grid, volume if register else None, progress)
    high, made = run(low, others)
    if references:
        made |= {"references": len(references), "registered": register}
    progress.report(0.95, "original units")
    array = to_type(normalisation.undo(high), volume.array.dtype)
    return Volume(array, plan_.target, provenance("Computed by super-resolution", made))


def _by_method(
    method: Method, plan_: Plan, acquisition: Acquisition | None, computing: Computing, progress: Progress
) -> Run:
    """What computes with a method, once all that can be refused has been."""
    if computing.device not in ("auto", "cpu") or computing.precision not in ("auto", "float32"):
        raise RequestError(
            f"the model {method.name} computes on the CPU in float32, not with device {computing.device} and "
            f"precision {computing.precision}: leave them out"
        )
    if acquisition and not method.undoes:
        raise RequestError(f"the model {method.name} interpolates and undoes nothing: leave out the blur")
    _check_memory(plan_.target, RESULT_BYTES + method.bytes_voxel, memory_limit(computing.max_memory))
    assumed = acquisition or assumed_acquisition(plan_.factors)
    stage = Stage(progress, PREPARED, 0.95, "computing")
    made = {"model": method.name, "sha256": None, "factors": plan_.factors, "plane": None}

    def run(low: np.ndarray, references: list[np.ndarray]) -> Computed:
        size = plan_.target.size
        return method.upscale(low, size, acquisition=assumed, references=references, report=stage.report), made

    return run


def _by_network(
    card: Card, plan_: Plan, acquisition: Acquisition | None, computing: Computing, progress: Progress
) -> Run:
    """What computes with a network, once all that can be refused has been."""
    ready = _prepare(card, computing, progress)
    _check_memory(plan_.target, RESULT_BYTES, memory_limit(computing.max_memory))
    if card.restoring:
        acquisition = acquisition or assumed_acquisition(plan_.factors)

    def computed(source: np.ndarray) -> tuple[Prepared, np.ndarray]:
        return _compute(ready, source, computing, progress)

    def run(low: np.ndarray, references: list[np.ndarray]) -> Computed:
        if card.restoring:
            assert acquisition is not None
            used, high, explained = _restored(low, references, card, plan_, acquisition, computed)
        else:
            used, high, explained = _made_finer(low, references, card, plan_, acquisition, computed)
        if acquisition:
            explained |= {name: getattr(acquisition, name) for name in ("blur", "sigma", "noise_level")}
        return high, {
            "model": card.name,
            "sha256": card.sha256,
            "factors": plan_.factors,
            "plane": plan_.plane,
            "device": str(used.device),
            "precision": str(used.precision).removeprefix("torch."),
            "licence": card.licence,
            **explained,
        }

    return run


def _restored(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    acquisition: Acquisition,
    computed: Callable[[np.ndarray], tuple[Prepared, np.ndarray]],
) -> tuple[Prepared, np.ndarray, dict[str, Any]]:
    """What computed, the result, and how well it explains the scan, for a network on the scan's grid."""
    restoration = Restoration(acquisition, plan_.target.size, low.shape)
    source = restoration.source(low, references, card.references)
    references.clear()
    used, detail = computed(source)
    high = restoration.volume(detail, low)
    return used, high, {"unexplained": f"{restoration.unexplained(high, low):.2g}"}


def _made_finer(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    acquisition: Acquisition | None,
    computed: Callable[[np.ndarray], tuple[Prepared, np.ndarray]],
) -> tuple[Prepared, np.ndarray, dict[str, Any]]:
    """The same for all other networks; made to explain the scan where it is told of."""
    used, high = computed(_network_input(low, plan_, references, card.references))
    if plan_.slice_axis is not None:
        high = np.moveaxis(high, 0, plan_.slice_axis)
    if acquisition is None:
        return used, high, {}
    high, before, after = made_consistent(high, low, acquisition)
    # of the scan, in normalised units
    return used, high, {"unexplained_before": f"{before:.2g}", "unexplained": f"{after:.2g}"}


def _check_memory(target: Grid, bytes_voxel: int, limit: int) -> None:
    """Raise OutOfMemory, before the work starts, where not even the result on ``target`` fits into ``limit``."""
    needed = process_memory() + bytes_voxel * math.prod(target.size)
    if needed > limit:
        raise OutOfMemory(
            f"a result of {' x '.join(map(str, target.size))} voxels needs {needed / GIB:.2f} GiB, and "
            f"{limit / GIB:.2f} GiB may be taken: ask for a smaller factor or raise the memory limit (--max-memory)"
        )


def _on_grid(
    references: Sequence[Volume], grid: Grid, moving_to: Volume | None, progress: Progress
) -> list[np.ndarray]:
    """The references as float32 [i, j, k] on ``grid``, aligned to ``moving_to`` first if there is one."""
    share = PREPARED / max(1, len(references))
    stages = [Stage(progress, share * n, share * (n + 1), "aligning the reference") for n in range(len(references))]
    return [on_grid(r, grid, moving_to, stage.report) for r, stage in zip(references, stages, strict=True)]


def _network_input(low: np.ndarray, plan_: Plan, references: list[np.ndarray], taken: int) -> np.ndarray:
    """float32 (1 + taken, *axes) on the source grid, zeros for references that lack; slices first for 2D networks."""
    source = np.zeros((1 + taken, *plan_.source.size), np.float32)
    source[0] = resample(low, plan_.source.size)
    for channel in range(len(references), 0, -1):
        # each is in memory once
        source[channel] = references.pop()
    return source if plan_.slice_axis is None else np.moveaxis(source, 1 + plan_.slice_axis, 1)


def _prepare(card: Card, computing: Computing, progress: Progress) -> Prepared:
    """What can be refused before the work starts: the device, the precision, the weights."""
    device = choose_device(computing.device, progress)
    return Prepared(load_network(card), device, choose_precision(computing.precision, device))


def _compute(
    ready: Prepared, source: np.ndarray, computing: Computing, progress: Progress
) -> tuple[Prepared, np.ndarray]:
    """Network output and what it was computed with: the CPU where "auto" found a GPU that is too small."""
    from .engine import run_network

    if computing.device == "auto":
        progress.say(f"computing on {ready.device}")
    try:
        return ready, run_network(
            ready.network,
            source,
            device=ready.device,
            precision=ready.precision,
            memory_limit=memory_limit(computing.max_memory),
            report=Stage(progress, PREPARED, 0.95, "computing").report,
        )
    except OutOfMemory:
        if computing.device != "auto" or ready.device.type == "cpu":
            raise
    progress.say(f"{ready.device} has too little memory: computing on the CPU")
    return _compute(replace(ready, device=choose_device("cpu")), source, replace(computing, device="cpu"), progress)
