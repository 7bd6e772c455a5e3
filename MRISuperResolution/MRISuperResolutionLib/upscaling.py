"""The road from a volume to the same volume at a higher resolution; shell, Slicer and tests all take it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .device import choose_device, choose_precision
from .errors import OutOfMemory, RequestError
from .grid import Grid
from .intensity import Normalisation, to_type
from .memory import GIB, RESULT_BYTES, memory_limit, process_memory
from .operators import resample
from .progress import PREPARED, Progress, Silent, Stage
from .provenance import provenance
from .reference import on_grid
from .request import Plan, plan
from .volume import Volume, check_image
from .weights import SPLINE, Card, find_card, load_network

if TYPE_CHECKING:
    import torch

    from .networks.base import Network


@dataclass(frozen=True)
class Computing:
    """How to compute: device, precision, GiB of memory that the process may take (None: half of what is free)."""

    device: str = "auto"
    precision: str = "auto"
    max_memory: float | None = None


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
    computing: Computing = Computing(),
    progress: Progress | None = None,
) -> Volume:
    """``volume`` at a higher resolution, over exactly the same box, in its own units and scalar type.

    model       "spline", the name of shipped weights (see ``weights.catalogue``), or a .safetensors path
    scale       factor for all axes (2D models: in the plane) or three for i, j, k; real numbers from 1 up
    spacing     mm along i, j, k instead of a scale
    plane       for 2D models: "axial", "coronal" or "sagittal" (default: the plane of the thick slices)
    references  other contrasts of the subject for models that take them, on any grid; ``register`` aligns
                them to ``volume`` first
    progress    is told how far the work is; may raise ``Cancelled``

    The header of the result says how it was made. ``volume`` is left as it was. Raises RequestError for a
    volume or a request that cannot be served, OutOfMemory where the work does not fit.
    """
    progress = progress or Silent()
    for image in (volume, *references):
        check_image(image)
    card = None if model == SPLINE else find_card(model)
    plan_ = plan(volume.grid, card, scale, spacing, plane, len(references))
    ready = None if card is None else _prepare(card, computing, progress)
    if ready is None:
        _check_for_spline(computing)
    _check_memory(plan_.target, memory_limit(computing.max_memory))
    progress.report(0.0, "preparing")
    normalisation = Normalisation.of(volume.array)
    low = normalisation.apply(volume.array)
    made: dict[str, Any] = {
        "model": model if card is None else card.name,
        "sha256": None if card is None else card.sha256,
        "factors": plan_.factors,
        "plane": plan_.plane,
    }
    if card is None or ready is None:
        high = resample(low, plan_.target.size)
    else:
        taken = ready.network.references
        source = _network_input(low, volume, plan_, references, taken, register, progress)
        del low
        used, high = _compute(ready, source, computing, progress)
        if plan_.slice_axis is not None:
            high = np.moveaxis(high, 0, plan_.slice_axis)
        made |= {"device": str(used.device), "precision": str(used.precision).removeprefix("torch.")}
        if references:
            made |= {"references": len(references), "registered": register}
        made["licence"] = card.licence
    progress.report(0.95, "original units")
    array = to_type(normalisation.undo(high), volume.array.dtype)
    return Volume(array, plan_.target, provenance("Computed by super-resolution", made))


def _check_for_spline(computing: Computing) -> None:
    if computing.device not in ("auto", "cpu") or computing.precision not in ("auto", "float32"):
        raise RequestError(
            f"the model {SPLINE} computes on the CPU in float32, not with device {computing.device} and precision "
            f"{computing.precision}: leave them out"
        )


def _check_memory(target: Grid, limit: int) -> None:
    """Raise OutOfMemory, before the work starts, where not even the result on ``target`` fits into ``limit``."""
    needed = process_memory() + RESULT_BYTES * math.prod(target.size)
    if needed > limit:
        raise OutOfMemory(
            f"a result of {' x '.join(map(str, target.size))} voxels needs {needed / GIB:.2f} GiB, and "
            f"{limit / GIB:.2f} GiB may be taken: ask for a smaller factor or raise the memory limit (--max-memory)"
        )


def _network_input(
    low: np.ndarray,
    volume: Volume,
    plan_: Plan,
    references: Sequence[Volume],
    taken: int,
    register: bool,
    progress: Progress,
) -> np.ndarray:
    """float32 (1 + taken, *axes) on the source grid, zeros for references that lack; slices first for 2D networks."""
    source = np.zeros((1 + taken, *plan_.source.size), np.float32)
    source[0] = resample(low, plan_.source.size)
    share = PREPARED / max(1, len(references))
    for channel, reference in enumerate(references, start=1):
        aligning = Stage(progress, share * (channel - 1), share * channel, "aligning the reference")
        source[channel] = on_grid(reference, plan_.source, volume if register else None, aligning.report)
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
