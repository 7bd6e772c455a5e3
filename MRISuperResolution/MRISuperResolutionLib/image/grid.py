"""Where voxels lie in the world. A voxel is a box (a cell), not a point.

World coordinates are SimpleITK's: millimetres, LPS (left, posterior, superior). Index axes are
i, j, k; a point of a grid is given in continuous index coordinates in which voxel (i, j, k) has its
centre at (i, j, k) and its cell reaches half a voxel to each side.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import RequestError

Triple = tuple[float, float, float]
Size = tuple[int, int, int]

LARGEST_FACTOR = 16.0
"""A factor beyond this is taken for a slip of the hand."""

PLANE_NORMALS = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Plane -> the world axis (x, y, z) that is its normal."""

PLANES = tuple(PLANE_NORMALS)


def round_half_up(value: float) -> int:
    """Nearest whole number; halves go up, so that sizes do not depend on being odd or even."""
    return math.floor(value + 0.5)


@dataclass(frozen=True)
class Grid:
    """A box in the world, cut into ``size`` equal cells along its three index axes.

    size       voxels along i, j, k
    spacing    mm along i, j, k
    origin     world position (mm, LPS) of the centre of voxel (0, 0, 0)
    direction  3 x 3, row-major; column a is the world direction of index axis a (orthonormal, either hand)
    """

    size: Size
    spacing: Triple = (1.0, 1.0, 1.0)
    origin: Triple = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @property
    def axes(self) -> np.ndarray:
        """3 x 3; column a is the world vector (mm) from one voxel to the next along index axis a."""
        return np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing)

    def to_world(self, index: np.ndarray) -> np.ndarray:
        """Continuous index coordinates (..., 3) of this grid -> world coordinates (..., 3) in mm."""
        return np.asarray(index) @ self.axes.T + np.asarray(self.origin)

    def to_index(self, world: np.ndarray) -> np.ndarray:
        """World coordinates (..., 3) in mm -> continuous index coordinates (..., 3) of this grid."""
        return (np.asarray(world) - np.asarray(self.origin)) @ np.linalg.inv(self.axes).T

    def corners(self) -> np.ndarray:
        """World coordinates (8, 3) of the outer corners of the box, in mm."""
        ends = [(-0.5, n - 0.5) for n in self.size]
        return self.to_world(np.array(list(itertools.product(*ends))))

    def with_size(self, size: Sequence[int]) -> Grid:
        """The same box cut into ``size`` cells.

        Sample m of the new grid lies at (m + 1/2) s - 1/2 of this one, s = old size / new size.
        """
        ratio = np.asarray(self.size) / np.asarray(size)
        origin = np.asarray(self.origin) + self.axes @ ((ratio - 1) / 2)
        return Grid(
            size=tuple(int(n) for n in size),  # type: ignore[arg-type]
            spacing=tuple(float(d) for d in np.asarray(self.spacing) * ratio),  # type: ignore[arg-type]
            origin=tuple(float(x) for x in origin),  # type: ignore[arg-type]
            direction=self.direction,
        )

    def refined(self, factors: Sequence[float]) -> Grid:
        """The same box with ``factors`` (i, j, k; real, 1 to 16) times as many cells, in whole voxels.

        Raises RequestError for factors outside that range.
        """
        return self.with_size(
            [round_half_up(n * f) for n, f in zip(self.size, checked_factors(factors), strict=True)]
        )

    def coarsened(self, factors: Sequence[float]) -> Grid:
        """The same box with ``factors`` (i, j, k; real, 1 to 16) times fewer cells, at least one.

        Raises RequestError for factors outside that range.
        """
        return self.with_size(
            [max(1, round_half_up(n / f)) for n, f in zip(self.size, checked_factors(factors), strict=True)]
        )

    def with_spacing(self, spacing: Sequence[float]) -> Grid:
        """The same box in cells as close to ``spacing`` (mm along i, j, k) as whole numbers allow.

        Raises RequestError for a spacing that is not positive or more than 16 times finer.
        """
        if not all(math.isfinite(d) and d > 0 for d in spacing):
            raise RequestError(f"the spacing must be positive, not {list(spacing)}: give millimetres for each axis")
        factors = [old / new for old, new in zip(self.spacing, spacing, strict=True)]
        if max(factors) > LARGEST_FACTOR:
            raise RequestError(
                f"the spacing {list(spacing)} asks for the factor {max(factors):g}, more than {LARGEST_FACTOR:g}: "
                "give millimetres for each axis"
            )
        return self.with_size([max(1, round_half_up(n * f)) for n, f in zip(self.size, factors, strict=True)])

    def factors_to(self, other: Grid) -> Triple:
        """How many cells of ``other`` one cell of this grid holds, along i, j, k (same box, same axes)."""
        return tuple(m / n for n, m in zip(self.size, other.size, strict=True))  # type: ignore[return-value]

    def slice_axis(self, plane: str) -> int:
        """Index axis (0, 1, 2) closest to the normal of ``plane`` (axial, coronal, sagittal).

        Each plane gets an axis of its own: axes and normals are paired so that the sum of the cosines
        is largest. Raises RequestError for another name.
        """
        if plane not in PLANE_NORMALS:
            raise RequestError(f"unknown plane {plane!r}: choose one of {', '.join(PLANES)}")
        cosines = np.abs(np.reshape(self.direction, (3, 3)))  # [world axis, index axis]
        pairing = max(
            itertools.permutations(range(3)),
            key=lambda p: sum(cosines[world, p[world]] for world in range(3)),
        )
        return pairing[PLANE_NORMALS[plane]]

    def distance_to(self, other: Grid) -> float:
        """Largest distance in mm between the same outer corners of two grids."""
        return float(np.linalg.norm(self.corners() - other.corners(), axis=1).max())


def checked_factors(factors: Sequence[float]) -> Triple:
    """``factors`` as three floats; RequestError where one is below 1, above 16 or no number."""
    for factor in factors:
        if not (math.isfinite(factor) and 1.0 <= factor <= LARGEST_FACTOR):
            raise RequestError(
                f"the factor {factor:g} is not between 1 and {LARGEST_FACTOR:g}: give how many times finer "
                "(1 leaves an axis as it is)"
            )
    i, j, k = (float(f) for f in factors)
    return i, j, k


def factors_named(text: str) -> list[float]:
    """The factors of ``text``, one or three ("2", "1,1,3"); RequestError for any other."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise RequestError(f"cannot read the factors {text!r}: write one number or three, such as 2 or 1,1,3")
    return numbers


def unlike(first: Sequence[float], second: Sequence[float]) -> float:
    """How much the factors of two scans differ, whichever axes they belong to."""
    return float(np.abs(np.log(sorted(first)) - np.log(sorted(second))).sum())


def axes_by_factor(factors: Sequence[float]) -> list[int]:
    """The axes in the order of their factors, the largest last, as networks on the scan's own grid see them."""
    return sorted(range(3), key=lambda axis: (factors[axis], axis))
