"""What is asked for: which model, which grid, which slices; checked against what the model was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import RequestError
from .grid import Grid, Triple, checked_factors
from .weights import SPLINE, Card

DEFAULT_FACTOR = 2.0


@dataclass(frozen=True)
class Plan:
    """A checked request: the grid of the result and, for 2D networks, the plane and its slice axis."""

    target: Grid
    factors: Triple
    plane: str | None = None
    slice_axis: int | None = None


def plan(
    grid: Grid,
    card: Card | None,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: int = 0,
) -> Plan:
    """The plan for an input on ``grid``, with the model of ``card`` (None: spline).

    scale    one factor for all axes (2D: the axes in the plane) or three, along i, j, k
    spacing  mm along i, j, k instead; without either, factor 2 or the model's own

    Raises RequestError for anything that the model was not made for.
    """
    name = SPLINE if card is None else card.name
    if scale is not None and spacing is not None:
        raise RequestError("both a scale and a spacing are given: give one of them")
    if scale is not None and len(scale) not in (1, 3):
        raise RequestError(f"{len(scale)} factors are given: give one, or three for the axes i, j, k")
    taken = 0 if card is None else card.references
    if references != taken:
        wanted = f"needs {taken}" if taken else "takes none"
        raise RequestError(f"{references} reference(s) given, but the model {name} {wanted}")
    if card is not None and card.dimensions == 2:
        return _plan_slices(grid, card, scale, spacing, plane)
    if plane is not None:
        raise RequestError(f"the model {name} works on the whole volume: leave out --plane")
    if spacing is not None:
        target = grid.with_spacing(spacing)
        _refuse_coarser(grid, target, spacing)
    else:
        target = grid.refined(_three(scale or [DEFAULT_FACTOR]))
    factors = grid.factors_to(target)
    checked_factors(factors)
    if card is not None:
        _check_range(card, grid, _three(scale) if scale else None, factors)
    return Plan(target, factors)


def _plan_slices(
    grid: Grid,
    card: Card,
    scale: Sequence[float] | None,
    spacing: Sequence[float] | None,
    plane: str | None,
) -> Plan:
    plane = plane or acquired_plane(grid)
    axis = grid.slice_axis(plane)
    factor = card.factors["in_plane"]
    expected = tuple(1.0 if a == axis else factor for a in range(3))
    if spacing is not None:
        target = grid.with_spacing(spacing)
        _refuse_coarser(grid, target, spacing)
        asked: Sequence[float] = grid.factors_to(target)
    elif scale is not None and len(scale) == 1:
        asked = [1.0 if a == axis else f for a, f in enumerate(_three(scale))]
    else:
        asked = _three(scale or expected)
    if tuple(asked) != expected:
        raise RequestError(
            f"the model {card.name} makes {plane} slices {factor:g} times finer, which is the factors "
            f"{_text(expected)}, not {_text(asked)}: ask for those or choose another model"
        )
    return Plan(grid.refined(expected), (expected[0], expected[1], expected[2]), plane, axis)


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


def _check_range(card: Card, grid: Grid, asked: Triple | None, factors: Triple) -> None:
    lowest, highest = card.factors["lowest"], card.factors["highest"]
    for a in range(3):
        # a target spacing may ask for half a voxel more than the input's rounded size holds
        slack = 1.0 if asked else 1 + 0.5 / grid.size[a]
        factor = asked[a] if asked else factors[a]
        if not lowest <= factor <= highest * slack:
            raise RequestError(
                f"the model {card.name} was made for factors from {lowest:g} to {highest:g}, "
                f"not {_text(asked or factors)}: ask for less or choose another model"
            )


def _text(numbers: Sequence[float]) -> str:
    return " ".join(f"{x:.4g}" for x in numbers)
