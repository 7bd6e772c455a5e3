"""How much of the work a network will be spared because a volume is background, told from the input alone; needs no
torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..image.grid import axes_by_factor
from ..image.intensity import Normalisation
from ..image.linear_operators import spline_matrix
from ..inference.background import CLOSE, ROUNDING, background_of, background_value
from ..inference.slab_plan import axis_along, pushes
from ..io.arrays import EVERYWHERE, Interpolated
from ..models.card import Card
from .request import Plan

PLANES = 24
"""Of the result that are looked at; those between are taken to be like their neighbours."""


def share_left(array: np.ndarray, card: Card, plan: Plan) -> float:
    """Share of the work (0 to 1) that is left for a network by its ``card``, for an input ``array`` [i, j, k] in any
    units. References are taken to have the same background."""
    if "held" not in card.cost:
        return 1.0
    order: Sequence[int] = axes_by_factor(plan.factors) if card.restoring else (0, 1, 2)
    if plan.slice_axis is not None:
        order = plan.slice_axis, *(axis for axis in order if axis != plan.slice_axis)
    low = Normalisation.of(array).apply(array).transpose(order)
    size = [plan.source.size[axis] for axis in order]
    if card.restoring:
        # one voxel for all that are taken together
        low = low[tuple(slice(None, None, edge) for edge in card.cells.together)]
        size = list(low.shape)
    axis = axis_along(size, card.dimensions)
    count = size[axis]
    looked_at = np.unique(np.linspace(0, count - 1, PLANES).astype(int))
    planes = _planes(low, size, axis, looked_at)
    value = background_value(planes[:, 0], planes[:, -1])
    # networks with a factor of their own give the intensities themselves
    close = ROUNDING if "in_plane" in card.factors else CLOSE
    found = background_of(iter([planes]), value, card.dimensions == 3, close)
    # the nearest of them
    like = np.abs(np.arange(count)[:, None] - looked_at).argmin(axis=1)
    whole = replace(found, starts=found.starts[like], ends=found.ends[like])
    # the layers see ever farther, each as much work as the other
    nearest = 1 + int(card.cost.get("seen", 0))
    layers = ((reach, 1.0) for reach in range(nearest, 1 + int(card.cost["radius"])))
    return whole.share_of_work(layers, pushes(card.dimensions)[0])


def _planes(low: np.ndarray, size: Sequence[int], axis: int, numbers: np.ndarray) -> np.ndarray:
    """(1, numbers, height, width): those planes along ``axis`` of ``low`` brought to ``size`` voxels."""
    matrices = [None if n == m else spline_matrix(n, m) for n, m in zip(low.shape, size, strict=True)]
    along = matrices[axis]
    if along is None:
        low = low.take(numbers, axis)
    else:
        matrices[axis] = along[numbers]
    return np.moveaxis(Interpolated(low, matrices)[EVERYWHERE], axis, 0)[None]
