"""What a request will give and what it will cost, told before it is run; needs no torch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..image.grid import Grid, axes_by_factor
from ..inference.slab_plan import IMAGE_BYTES, choose_slabs
from ..inference.tile_plan import choose_tile, tiles
from ..inference.tta import views
from ..io.arrays import AT_ONCE
from ..models.card import STREAMED, Card
from ..networks.spec import EACH
from ..runtime.device import processor_has_bfloat16, processor_has_matrix_units
from .memory_requirements import needs
from .request import Plan

if TYPE_CHECKING:
    from ..methods.base import Method

METHOD_BYTES, NETWORK_BYTES = 150 * 2**20, 400 * 2**20
"""A process with what it computes with, before any volume: torch is most of a network's."""

PIECES = 4
"""Pieces of the result that are in memory at a time."""

INPUT_BYTES = 8
"""Of each voxel of the input: as it is, and normalised."""

METHOD_SECONDS, NETWORK_SECONDS = 1.5, 4.0
"""Python, reading and checking; torch."""

SECONDS_PER_VOXEL, RESTORED_SECONDS_PER_VOXEL = 1e-8, 9e-8
"""Resampling, conversion and writing on one core; what a network on the scan's grid takes besides, whose detail is
brought to that of the result, which is made to explain the scan, too."""


@dataclass(frozen=True)
class Forecast:
    """The grid of the result; most bytes of memory; operations of the network, tile margins included, background
    that is skipped left out; seconds before the work starts, and for each voxel besides."""

    target: Grid
    memory: int
    operations: float
    start_seconds: float = NETWORK_SECONDS
    voxel_seconds: float = SECONDS_PER_VOXEL

    def seconds(self, operations_per_second: float) -> float:
        """How long it will take at that rate of convolutions."""
        resampling = self.voxel_seconds * math.prod(self.target.size)
        return self.start_seconds + resampling + self.operations / operations_per_second


def forecast(
    grid: Grid,
    card: Card | Method | None,
    plan: Plan,
    memory_limit: int,
    *,
    share: float = 1.0,
    told: bool = False,
    references: int = 0,
    expect_errors: bool = False,
    precision: str = "auto",
) -> Forecast:
    """The forecast for an input on ``grid`` with ``card``, a network by its card or a method (None: spline).

    memory_limit  bytes that the process may take
    share         of the work that is left to compute, the rest being background (see ``foreground_work.share_left``)
    told          whether something is said of the scan's blur
    references    how many are given
    expect_errors whether the errors to expect are asked for
    precision     as in ``device.Computing``, on the CPU

    The result goes to a file that is written piece by piece. Memory within 15 %; time within a factor of 1.5 where
    the rate is right and nothing else computes.
    """
    needed = needs(card, plan, told=told, references=references, expect_errors=expect_errors)
    if not isinstance(card, Card):
        return Forecast(plan.target, _resting(METHOD_BYTES, grid, plan) + needed.bytes, 0.0, METHOD_SECONDS)
    resting = _resting(NETWORK_BYTES, grid, plan) + needed.bytes
    size: tuple[int, ...] = plan.source.size
    if not card.cost:
        return Forecast(plan.target, resting, 0.0)
    radius = (int(card.cost["radius"]),) * 3
    if card.restoring:
        size = card.cells.taken([size[axis] for axis in axes_by_factor(plan.factors)])
    if plan.slice_axis is not None:
        size = size[plan.slice_axis], *(n for a, n in enumerate(size) if a != plan.slice_axis)
        radius = (0, *radius[1:])
    itemsize = 4 if precision == "float32" or (precision == "auto" and not processor_has_bfloat16()) else 2
    beside = resting - needed.after
    computed = _computed(card, size, radius, max(0, memory_limit - beside), itemsize, expect_errors)
    voxels, memory = computed or (math.prod(size), 0)
    times = len(views(plan.factors)) if card.restoring else 1
    operations = card.cost["operations"] * voxels * share * times
    each = SECONDS_PER_VOXEL
    if card.restoring:
        # what is brought to the grid of the result may be less
        each += RESTORED_SECONDS_PER_VOXEL * math.prod(card.cells.fine) / math.prod(EACH.fine)
    return Forecast(plan.target, max(resting, beside + memory), operations, voxel_seconds=each)


def _resting(process: int, grid: Grid, plan: Plan) -> int:
    """Memory of the process, of the input, and of pieces of the result."""
    pieces = PIECES * min(AT_ONCE, 4 * math.prod(plan.target.size))
    return process + INPUT_BYTES * math.prod(grid.size) + pieces


def _computed(
    card: Card, size: tuple[int, ...], radius: tuple[int, ...], most_bytes: int, itemsize: int, expect_errors: bool
) -> tuple[int, int] | None:
    """Voxels that the network will compute on, in numbers of ``itemsize`` bytes, and bytes that it will take, by the
    engine's own plan."""
    if "held" in card.cost:
        held, moving, scratch = (card.cost[number] for number in STREAMED)
        image = card.cost.get("image", IMAGE_BYTES) - (0 if expect_errors else card.cost.get("errors", 0))
        slabs = choose_slabs(size, radius[-1], held, moving, scratch, itemsize, most_bytes, image, card.dimensions)
        return (slabs.voxels, slabs.bytes) if slabs else None
    bytes_voxel = card.cost["bytes"] * itemsize / 4
    core = choose_tile(size, radius, int(most_bytes / bytes_voxel))
    if core is None:
        return None
    voxels = [tile.voxels for tile in tiles(size, radius, core)]
    return sum(voxels), int(max(voxels) * bytes_voxel)


def processor_rate(seconds: float = 0.05) -> float:
    """Operations per second that convolutions reach on this processor, guessed from products of matrices."""
    a = np.ones((384, 384), np.float32)
    a @ a
    quickest, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ a
        # whatever else the machine does at the moment only makes it slower
        quickest = min(quickest, time.perf_counter() - start)
    # convolutions reach about six tenths of what products of matrices do, in bfloat16 twice as much, or by matrix
    # units seven times
    share = 4.4 if processor_has_matrix_units() else 1.2 if processor_has_bfloat16() else 0.6
    return share * 2 * len(a) ** 3 / quickest
