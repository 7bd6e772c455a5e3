"""What a request will give and what it will cost, told before it is run; needs no torch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .device import processor_has_bfloat16
from .grid import Grid
from .memory import DETAIL_BYTES, GIB, RESULT_BYTES
from .request import Plan
from .slabs import choose_slabs
from .tiling import choose_tile, tiles
from .weights import Card

if TYPE_CHECKING:
    from .methods.base import Method

PROCESS_BYTES = GIB // 2
"""A process with torch loaded, before any volume."""

START_SECONDS = 4.0
"""Python, torch, reading and checking."""

SECONDS_PER_VOXEL = 1.5e-7
"""Resampling, conversion and writing on one core."""


@dataclass(frozen=True)
class Forecast:
    """The grid of the result; most bytes of memory; operations of the network, tile margins included."""

    target: Grid
    memory: int
    operations: float

    def seconds(self, operations_per_second: float) -> float:
        """How long it will take at that rate of convolutions."""
        resampling = SECONDS_PER_VOXEL * math.prod(self.target.size)
        return START_SECONDS + resampling + self.operations / operations_per_second


def resting_bytes(card: Card | Method | None, plan: Plan) -> int:
    """Memory of the result and of what it is made of, without the process and the network's feature maps."""
    voxels = math.prod(plan.target.size)
    if not isinstance(card, Card):
        return (RESULT_BYTES + (card.bytes_voxel if card else 0)) * voxels
    detail = DETAIL_BYTES * math.prod(plan.source.size) if card.restoring else 0
    return RESULT_BYTES * voxels + detail * (2 if card.trust else 1)


def forecast(grid: Grid, card: Card | Method | None, plan: Plan, memory_limit: int) -> Forecast:
    """The forecast for an input on ``grid`` with ``card``, a network by its card or a method (None: spline).

    ``memory_limit``: bytes that the process may take.

    An estimate: memory within about a quarter, operations exact where the tiles are those of the run.
    """
    resting = PROCESS_BYTES + resting_bytes(card, plan)
    if not isinstance(card, Card) or not card.cost:
        return Forecast(plan.target, resting, 0.0)
    size: tuple[int, ...] = plan.source.size
    radius = (int(card.cost["radius"]),) * 3
    if plan.slice_axis is not None:
        size = size[plan.slice_axis], *(n for a, n in enumerate(size) if a != plan.slice_axis)
        radius = (0, *radius[1:])
    computed = _computed(card, size, radius, max(0, memory_limit - resting))
    if computed is None:
        return Forecast(plan.target, resting, card.cost["operations"] * math.prod(size))
    voxels, memory = computed
    return Forecast(plan.target, resting + memory, card.cost["operations"] * voxels)


def _computed(card: Card, size: tuple[int, ...], radius: tuple[int, ...], most_bytes: int) -> tuple[int, int] | None:
    """Voxels that the network will compute on and bytes that it will take, by the engine's own plan in float32."""
    if "held" in card.cost:
        slabs = choose_slabs(size, radius[-1], card.cost["held"], card.cost["moving"], 4, most_bytes)
        return (slabs.voxels, slabs.bytes) if slabs else None
    core = choose_tile(size, radius, int(most_bytes / card.cost["bytes"]))
    if core is None:
        return None
    voxels = [tile.voxels for tile in tiles(size, radius, core)]
    return sum(voxels), int(max(voxels) * card.cost["bytes"])


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
    # convolutions reach about six tenths of what products of matrices do, and twice as much in bfloat16
    share = 1.2 if processor_has_bfloat16() else 0.6
    return share * 2 * len(a) ** 3 / quickest
