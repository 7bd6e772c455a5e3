"""What is asked for: which model, which grid, which slices; checked against what the model was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..image.grid import Grid, Triple, checked_factors
from ..models.card import SPLINE, USUAL_FACTOR, Card

if TYPE_CHECKING:
    from ..methods.base import Method


@dataclass(frozen=True)
class Plan:
    """A checked request: the grids of the result and of what the network is given, and how many times finer the
    result is; for 2D networks, the plane and its slice axis."""

    target: Grid
    source: Grid
    factors: Triple
    plane: str | None = None
    slice_axis: int | None = None


def plan(
    grid: Grid,
    card: Card | Method | None,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: int = 0,
) -> Plan:
    """The plan for an input on ``grid``, with a network by its card, or a method (None: spline).

    scale    one factor for all axes (2D: the axes in the plane) or three, along i, j, k
    spacing  mm along i, j, k instead; without either, factor 2 or the model's own

    Raises RequestError for anything that the model was not made for.
    """
    name = SPLINE if card is None else card.name
    # arrays are welcome, too
    scale, spacing = (None if numbers is None else list(numbers) for numbers in (scale, spacing))
    if scale is not None and spacing is not None:
        raise RequestError("both a scale and a spacing are given: give one of them")
    if scale is not None and len(scale) not in (1, 3):
        raise RequestError(f"{len(scale)} factors are given: give one, or three for the axes i, j, k")
    _check_references(card, name, references)
    if isinstance(card, Card) and card.dimensions == 2:
        return _plan_slices(grid, card, scale, spacing, plane)
    if plane is not None:
        raise RequestError(f"the model {name} works on the whole volume: leave out the plane (--plane)")
    if spacing is not None:
        target = grid.with_spacing(spacing)
        _refuse_coarser(grid, target, spacing)
    else:
        target = grid.refined(_three(scale or [USUAL_FACTOR]))
    factors = grid.factors_to(target)
    checked_factors(factors)
    if card is not None:
        _check_range(card, grid, _three(scale) if scale else None, factors)
    restoring = isinstance(card, Card) and card.restoring
    return Plan(target, grid if restoring else target, factors)


def _check_references(card: Card | Method | None, name: str, given: int) -> None:
    taken = 0 if card is None else card.references
    optional = card is not None and card.references_optional
    if given > taken or (given < taken and not optional):
        wanted = ("takes up to" if optional else "needs") + f" {taken}" if taken else "takes none"
        raise RequestError(f"{given} reference(s) given, but the model {name} {wanted}")


def _plan_slices(
    grid: Grid,
    card: Card,
    scale: Sequence[float] | None,
    spacing: Sequence[float] | None,
    plane: str | None,
) -> Plan:
    plane = plane or acquired_plane(grid)
    axis = grid.slice_axis(plane)
    fixed = card.factors.get("in_plane")
    expected = _in_plane(fixed or min(USUAL_FACTOR, card.factors["highest"]), axis)
    if spacing is not None:
        target = grid.with_spacing(spacing)
        _refuse_coarser(grid, target, spacing)
        asked = grid.factors_to(target)
    else:
        asked = _in_plane(scale[0], axis) if scale is not None and len(scale) == 1 else _three(scale or expected)
        target = grid.refined(asked)
    if fixed:
        if asked != expected:
            raise RequestError(
                f"the model {card.name} makes {plane} slices {fixed:g} times finer, which is the factors "
                f"{_text(expected)}, not {_text(asked)}: ask for those or choose another model"
            )
        return Plan(target, grid, asked, plane, axis)
    if asked[axis] != 1:
        raise RequestError(
            f"the model {card.name} makes {plane} slices finer and no more of them, so not {_text(asked)} times as "
            "many voxels: ask for 1 across them or choose another model"
        )
    _check_range(card, grid, asked if spacing is None else None, grid.factors_to(target), axis)
    return Plan(target, target, grid.factors_to(target), plane, axis)


def _in_plane(factor: float, axis: int) -> Triple:
    i, j, k = (1.0 if a == axis else factor for a in range(3))
    return checked_factors((i, j, k))


def acquired_plane(grid: Grid) -> str:
    """The plane of the slices as they were most likely acquired: across the largest spacing; axial in doubt."""
    planes = ("axial", "coronal", "sagittal")
    return max(planes, key=lambda plane: round(grid.spacing[grid.slice_axis(plane)], 3))


def _three(scale: Sequence[float]) -> Triple:
    return checked_factors(list(scale) * 3 if len(scale) == 1 else scale)


def _refuse_coarser(grid: Grid, target: Grid, spacing: Sequence[float]) -> None:
    if any(m < n for n, m in zip(grid.size, target.size, strict=True)):
        raise RequestError(
            f"a spacing of {_text(spacing)} mm is coarser than the input's {_text(grid.spacing)} mm along an axis: "
            "give a finer one"
        )


def _check_range(
    card: Card | Method, grid: Grid, asked: Triple | None, factors: Triple, across: int | None = None
) -> None:
    """Refuse factors that the card does not name along any axis but ``across``, that of the slices."""
    if not isinstance(card, Card):
        # any that a grid can have
        return
    axes = [axis for axis in range(3) if axis != across]
    # a target spacing may ask for half a voxel more than the input's rounded size holds
    slack = [1.0 if asked else 1 + 0.5 / grid.size[axis] for axis in axes]
    if not card.takes([(asked or factors)[axis] for axis in axes], slack):
        raise RequestError(
            f"the model {card.name} was made for factors {card.range_text}, not {_text(asked or factors)}: ask for "
            "one of those or choose another model"
        )


def _text(numbers: Sequence[float]) -> str:
    return " ".join(f"{x:.4g}" for x in numbers)
