"""What a run will cost, the background that it is spared left out; kept, since the panel tells it at every click."""

from __future__ import annotations

import math
from typing import Any

import slicer

from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.models.card import Card
from MRISuperResolutionLib.pipeline.cost_estimate import NETWORK_BYTES, Forecast, forecast
from MRISuperResolutionLib.pipeline.request import Plan
from MRISuperResolutionLib.runtime.memory import GIB, available_memory

from .quality_maps import Doubt
from .request import Asked

MOST_VOXELS = 100_000_000
"""Of a result: to look for the background of a larger one would take too long."""

KEPT = 16
"""Shares that are remembered."""

_shares: dict[tuple[int, str, tuple[int, ...]], float] = {}


def outlook(asked: Asked, grid: Grid, plan_: Plan) -> Forecast:
    """The forecast of what is ``asked``, whose input is on ``grid``."""
    model = asked.chosen()
    # the process that computes is another than this one
    limit = NETWORK_BYTES + available_memory() // 2 if asked.memory_limit is None else int(asked.memory_limit * GIB)
    share = _share(asked.source, model, plan_) if isinstance(model, Card) else 1.0
    expected = asked.doubts and Doubt.EXPECTED_ERROR in asked.wanted_doubts()
    return forecast(
        grid,
        model,
        plan_,
        limit,
        share=share,
        told=asked.blur is not None,
        references=int(asked.reference is not None),
        expect_errors=expected,
        precision=asked.precision,
    )


def _share(node: Any, card: Card, plan_: Plan) -> float:
    """Share of the work that background leaves; as it was last time, if the voxels are as they were."""
    if math.prod(plan_.target.size) > MOST_VOXELS:
        return 1.0
    # no two changes of whatever data have the same time
    key = node.GetImageData().GetMTime(), card.name, plan_.target.size
    if key not in _shares:
        if len(_shares) == KEPT:
            del _shares[next(iter(_shares))]
        _shares[key] = _looked_at(node, card, plan_)
    return _shares[key]


def _looked_at(node: Any, card: Card, plan_: Plan) -> float:
    # not at the start of every Slicer
    from MRISuperResolutionLib.pipeline.foreground_work import share_left

    try:
        return share_left(slicer.util.arrayFromVolume(node).transpose(), card, plan_)
    except ValueError:
        # a constant volume is refused when it is run
        return 1.0
