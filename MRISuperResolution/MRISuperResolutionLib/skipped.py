"""How much of the work a network will be spared because a volume is background, told from the input alone; needs no
torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .background import background_of, background_value
from .grid import axes_by_factor
from .intensity import Normalisation
from .operators import spline_matrix
from .request import Plan
from .slabs import axis_along
from .sources import Channels, Interpolated
from .weights import Card

PLANES = 24
"""Of the result that are looked at; those between are taken to be like their neighbours."""


def share_left(array: np.ndarray, card: Card, plan: Plan) -> float:
    """Share of the work (0 to 1) that is left for a network by its ``card``, for an input ``array`` [i, j, k] in any
    units. References are taken to have the same background."""
    if "held" not in card.cost:
        return 1.0
    source = _source(Normalisation.of(array).apply(array), card, plan)
    size = source.shape[1:]
    axis = axis_along(size)
    count = size[axis]
    looked_at = np.unique(np.linspace(0, count - 1, PLANES).astype(int))
    planes = [_plane(source, axis, number) for number in looked_at]
    found = background_of(iter(planes), background_value(planes[0][:, 0], planes[-1][:, 0]))
    # the nearest of them
    like = np.abs(np.arange(count)[:, None] - looked_at).argmin(axis=1)
    whole = replace(found, starts=found.starts[like], ends=found.ends[like])
    # the layers see ever farther, each as much work as the other
    nearest = 1 + int(card.cost.get("seen", 0))
    return whole.share_of_work((reach, 1.0) for reach in range(nearest, 1 + int(card.cost["radius"])))


def _source(normalised: np.ndarray, card: Card, plan: Plan) -> Channels:
    """The scan (1, *axes) as the network sees it: on its own grid, or on the target's."""
    if card.restoring:
        return Channels([normalised], axes_by_factor(plan.factors))
    sizes = zip(normalised.shape, plan.target.size, strict=True)
    return Channels([Interpolated(normalised, [None if n == m else spline_matrix(n, m) for n, m in sizes])])


def _plane(source: Channels, axis: int, number: int) -> np.ndarray:
    """(1, 1, height, width)."""
    where = [slice(None)] * 4
    where[1 + axis] = slice(number, number + 1)
    return np.moveaxis(source[where], 1 + axis, 1)
