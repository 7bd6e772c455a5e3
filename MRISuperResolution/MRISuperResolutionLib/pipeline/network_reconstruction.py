"""A volume at a higher resolution by a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OutOfMemory
from ..image.linear_operators import spline_matrix
from ..inference.scan_restoration import Restoration
from ..inference.tta import views
from ..io.arrays import EVERYWHERE, Channels, Interpolated, Pieces, Source, Turned
from ..models.card import Card, error_scale, load_network
from ..physics.acquisition import Acquisition
from ..physics.data_consistency import enforce_data_consistency
from ..physics.presets import provenance_fields
from ..runtime.device import Computing, choose_device, choose_precision
from ..runtime.memory import memory_limit
from ..runtime.progress import PREPARED, Progress, Stage
from .classical_reconstruction import Begin, Computed, Run
from .input_checks import check_told
from .request import Plan

if TYPE_CHECKING:
    import torch

    from ..networks.base import Network


@dataclass(frozen=True)
class Prepared:
    """A network with its weights, and the torch device and dtype that it computes with."""

    network: Network
    device: torch.device
    precision: torch.dtype


Into = Callable[[Prepared], Pieces]
"""From what computes to where the network's output goes."""


def by_network(
    card: Card,
    plan_: Plan,
    acquisition: Acquisition | None,
    computing: Computing,
    progress: Progress,
    kept: int,
    expect_errors: bool,
    contrast: str | None = None,
) -> Run:
    """What computes with a network, once all that can be refused has been.

    kept           bytes of memory that the result will take where it is put
    expect_errors  whether to compute the errors to expect, of networks that tell them
    contrast       of the scan, if it is known (see ``trust.error_scale``)
    """
    if card.restoring and acquisition:
        check_told(card, acquisition)
    ready = _prepare(card, computing, progress)
    if not expect_errors:
        ready.network.expect_no_errors()

    def made(used: Prepared, found: dict[str, Any]) -> dict[str, Any]:
        return {
            "model": card.name,
            "sha256": card.sha256,
            "factors": plan_.factors,
            "plane": plan_.plane,
            "device": str(used.device),
            "precision": str(used.precision).removeprefix("torch."),
            "licence": card.licence,
            **({"views": len(views(plan_.factors))} if card.restoring else {}),
            **found,
            **(provenance_fields(acquisition) if acquisition else {}),
        }

    def compute(source: Source, into: Into, used: Prepared = ready, number: int = 0, count: int = 1) -> Prepared:
        return _compute(used, source, into, computing, progress, kept, number, count)

    def run(low: np.ndarray, references: list[np.ndarray], begin: Begin) -> Computed:
        if card.restoring:
            used, high, found = _restored(low, references, card, plan_, acquisition, contrast, compute, ready)
        elif acquisition:
            used, high, found = _explaining(low, references, card, plan_, acquisition, compute)
        else:
            source = _network_input(low, plan_, references, card.references)
            used = compute(source, lambda used: _slices_first(begin(made(used, {})), plan_))
            return Computed(made(used, {}))
        found = replace(found, made=made(used, found.made))
        begin(found.made)[EVERYWHERE] = high
        return found

    return run


def _restored(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    acquisition: Acquisition | None,
    contrast: str | None,
    compute: Callable[..., Prepared],
    ready: Prepared,
) -> tuple[Prepared, np.ndarray, Computed]:
    """What computed, the result, and what is known of it, for a network on the scan's grid."""
    restoration = Restoration(acquisition, plan_.target.size, low.shape, card.cells)
    used, made = _averaged(low, references, card, plan_, restoration, compute, ready)
    detail, doubt = (made, None) if made.ndim == 3 else made
    high = restoration.volume(detail, low)
    missing = restoration.missing(high, low)
    found = _unexplained(missing) | (
        {} if restoration.told else {"unexplained_by": "slice profiles as wide as the voxels"}
    )
    expected = None
    if doubt is not None:
        scale = error_scale(card.trust, plan_.factors, restoration.told, contrast)
        expected = restoration.expected_error(doubt) * np.float32(scale)
        found |= {"contrast": contrast} if contrast else {}
    return used, high, Computed(found, missing, expected)


def _averaged(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    restoration: Restoration,
    compute: Callable[..., Prepared],
    used: Prepared,
) -> tuple[Prepared, np.ndarray]:
    """What computed, and what the network makes of the scan, in the mean of its views; clears the references."""
    from ..inference.engine import output_shape

    seen = views(plan_.factors)
    total: np.ndarray | None = None
    for number, view in enumerate(seen):
        source = restoration.source(low, references, card.references, view)
        if number == len(seen) - 1:
            references.clear()
        # written to, so that the memory that is left is told rightly
        made = np.full(output_shape(used.network, source), 0, np.float32)
        used = compute(source, lambda used, made=made: made, used, number, len(seen))
        made = restoration.within(made)
        if total is None:
            total = made
        else:
            total += made[..., *view]
        del made
    assert total is not None
    total /= len(seen)
    return used, total


def _explaining(
    low: np.ndarray,
    references: list[np.ndarray],
    card: Card,
    plan_: Plan,
    acquisition: Acquisition,
    compute: Callable[..., Prepared],
) -> tuple[Prepared, np.ndarray, Computed]:
    """The same for all other networks, the result being made to explain the scan."""
    high = np.empty(plan_.target.size, np.float32)
    used = compute(_network_input(low, plan_, references, card.references), lambda used: _slices_first(high, plan_))
    high, before, missing = enforce_data_consistency(high, low, acquisition)
    return used, high, Computed({"unexplained_before": f"{before:.2g}", **_unexplained(missing)}, missing)


def _unexplained(missing: np.ndarray) -> dict[str, Any]:
    """Root mean square of what is not explained of the scan, in normalised units."""
    return {"unexplained": f"{float(np.sqrt(np.mean(missing**2))):.2g}"}


def _network_input(low: np.ndarray, plan_: Plan, references: list[np.ndarray], taken: int) -> Channels:
    """(1 + taken, *axes) on the source grid, zeros for references that lack; slices first for 2D networks."""
    import torch

    size = plan_.source.size
    matrices = [None if n == m else spline_matrix(n, m) for n, m in zip(low.shape, size, strict=True)]
    lacking = [np.broadcast_to(np.float32(0), size)] * (taken - len(references))
    return Channels([Interpolated(torch.from_numpy(low), matrices), *references, *lacking], _order(plan_))


def _slices_first(pieces: Pieces, plan_: Plan) -> Pieces:
    """The target grid as 2D networks fill it."""
    return pieces if plan_.slice_axis is None else Turned(pieces, _order(plan_))


def _order(plan_: Plan) -> list[int]:
    """The axes of the grids as the network takes them."""
    return sorted(range(3), key=lambda axis: axis != plan_.slice_axis)


def _prepare(card: Card, computing: Computing, progress: Progress) -> Prepared:
    """What can be refused before the work starts: the device, the precision, the weights."""
    device = choose_device(computing.device, progress)
    return Prepared(load_network(card), device, choose_precision(computing.precision, device))


def _compute(
    ready: Prepared,
    source: Source,
    into: Into,
    computing: Computing,
    progress: Progress,
    kept: int,
    number: int = 0,
    count: int = 1,
) -> Prepared:
    """What computed the network's output: the CPU where "auto" found a GPU that is too small.

    It is computed for the time ``number`` (from 0) of ``count``.
    """
    from ..inference.engine import run_network_into

    if computing.device == "auto" and number == 0:
        progress.say(f"computing on {ready.device}")
    start, stop = (PREPARED + (0.95 - PREPARED) * n / count for n in (number, number + 1))
    try:
        run_network_into(
            into(ready),
            ready.network,
            source,
            device=ready.device,
            precision=ready.precision,
            memory_limit=memory_limit(computing.max_memory) - (kept if ready.device.type == "cpu" else 0),
            report=Stage(progress, start, stop, "computing").report,
        )
        return ready
    except OutOfMemory:
        if computing.device != "auto" or ready.device.type == "cpu":
            raise
    progress.say(f"{ready.device} has too little memory: computing on the CPU")
    on_cpu = replace(ready, device=choose_device("cpu"))
    return _compute(on_cpu, source, into, replace(computing, device="cpu"), progress, kept, number, count)
