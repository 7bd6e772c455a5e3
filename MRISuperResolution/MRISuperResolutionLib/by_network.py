"""A volume at a higher resolution by a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .acquisition import Acquisition
from .computed import Computed, Run, check_memory
from .device import Computing, choose_device, choose_precision
from .errors import OutOfMemory
from .forecast import resting_bytes
from .memory import memory_limit
from .methods.consistency import made_consistent
from .operators import resample
from .progress import PREPARED, Progress, Stage
from .request import Plan
from .restoration import Restoration, usual_scan
from .weights import Card, load_network

if TYPE_CHECKING:
    import torch

    from .networks.base import Network


@dataclass(frozen=True)
class Prepared:
    """A network with its weights, and the torch device and dtype that it computes with."""

    network: Network
    device: torch.device
    precision: torch.dtype


def by_network(
    card: Card, plan_: Plan, acquisition: Acquisition | None, computing: Computing, progress: Progress
) -> Run:
    """What computes with a network, once all that can be refused has been."""
    ready = _prepare(card, computing, progress)
    check_memory(plan_.target, resting_bytes(card, plan_), memory_limit(computing.max_memory))
    if card.restoring:
        acquisition = acquisition or usual_scan(plan_.factors)

    def computed(source: np.ndarray) -> tuple[Prepared, np.ndarray]:
        return _compute(ready, source, computing, progress)

    def run(low: np.ndarray, references: list[np.ndarray]) -> Computed:
        if card.restoring:
            assert acquisition is not None
            used, found = _restored(low, references, card, plan_, acquisition, computed)
        else:
            used, found = _made_finer(low, references, card, plan_, acquisition, computed)
        told = {name: getattr(acquisition, name) for name in ("blur", "sigma", "noise_level")} if acquisition else {}
        made = {
            "model": card.name,
            "sha256": card.sha256,
            "factors": plan_.factors,
            "plane": plan_.plane,
            "device": str(used.device),
            "precision": str(used.precision).removeprefix("torch."),
            "licence": card.licence,
            **found.made,
            **told,
        }
        return replace(found, made=made)

    return run


def _restored(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    acquisition: Acquisition,
    computed: Callable[[np.ndarray], tuple[Prepared, np.ndarray]],
) -> tuple[Prepared, Computed]:
    """What computed, and the result, for a network on the scan's grid."""
    restoration = Restoration(acquisition, plan_.target.size, low.shape)
    source = restoration.source(low, references, card.references)
    references.clear()
    used, found = computed(source)
    detail, doubt = (found, None) if found.ndim == 3 else found
    high = restoration.volume(detail, low)
    missing = restoration.missing(high, low)
    expected = None if doubt is None else restoration.expected_error(doubt) * np.float32(card.trust["factor"])
    return used, Computed(high, _told_of(missing), missing, expected)


def _made_finer(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    acquisition: Acquisition | None,
    computed: Callable[[np.ndarray], tuple[Prepared, np.ndarray]],
) -> tuple[Prepared, Computed]:
    """The same for all other networks; made to explain the scan where it is told of."""
    used, high = computed(_network_input(low, plan_, references, card.references))
    if plan_.slice_axis is not None:
        high = np.moveaxis(high, 0, plan_.slice_axis)
    if acquisition is None:
        return used, Computed(high)
    high, before, missing = made_consistent(high, low, acquisition)
    return used, Computed(high, {"unexplained_before": f"{before:.2g}", **_told_of(missing)}, missing)


def _told_of(missing: np.ndarray) -> dict[str, Any]:
    """Root mean square of what is not explained of the scan, in normalised units."""
    return {"unexplained": f"{float(np.sqrt(np.mean(missing**2))):.2g}"}


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
