"""Lesions and vessels of known size and contrast, put into the quiet places of a volume."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

APART = 14
"""Voxels between two structures, and from one to the face of the volume: none changes what is seen of another."""

REACH = 9
"""Voxels around the middle of a structure that are painted and judged."""

FINE = 5
"""Points along each edge of a voxel that decide how much of it a structure fills."""

QUIET = 5
"""Voxels along a cube in which the intensities should differ little where a structure is put."""

TUBE_LENGTH = 12.0
"""Voxels."""


@dataclass(frozen=True)
class Shape:
    """A ball or a straight tube of ``width`` voxels across."""

    kind: str
    width: float

    @property
    def name(self) -> str:
        return f"{self.kind} of {self.width:g}"


SHAPES = tuple(Shape("ball", w) for w in (1, 2, 3, 4, 6)) + tuple(Shape("tube", w) for w in (1, 2))
"""In voxels of the truth: at a factor of 2 the smallest are half as wide as the scan's voxel."""


@dataclass(frozen=True)
class Structure:
    """A shape at a voxel; ``filled``: the share of each voxel that it fills, a cube of 2 REACH + 1 around it."""

    shape: Shape
    voxel: tuple[int, int, int]
    filled: np.ndarray

    @property
    def where(self) -> tuple[slice, slice, slice]:
        i, j, k = (slice(x - REACH, x + REACH + 1) for x in self.voxel)
        return i, j, k


def quiet_places(array: np.ndarray, tissue: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """Up to ``count`` voxels, ``APART``, around which intensities [i, j, k] differ least, all in ``tissue``."""
    mean = ndimage.uniform_filter(array, QUIET, mode="nearest")
    unrest = ndimage.uniform_filter(array**2, QUIET, mode="nearest") - mean**2
    allowed = ndimage.binary_erosion(tissue, iterations=QUIET)
    inner = np.zeros(array.shape, bool)
    inner[(slice(APART, -APART),) * 3] = True
    unrest = np.where(allowed & inner, unrest, np.inf)
    places: list[tuple[int, int, int]] = []
    while len(places) < count:
        i, j, k = (int(x) for x in np.unravel_index(np.argmin(unrest), unrest.shape))
        if not math.isfinite(unrest[i, j, k]):
            break
        places.append((i, j, k))
        unrest[tuple(slice(max(0, x - APART), x + APART + 1) for x in (i, j, k))] = np.inf
    return places


def structures(
    places: Sequence[tuple[int, int, int]], shapes: Sequence[Shape], rng: np.random.Generator
) -> list[Structure]:
    """A structure in each place, the shapes in turn, each a random part of a voxel off its middle."""
    return [Structure(s, place, _filled(s, rng)) for s, place in zip(itertools.cycle(shapes), places, strict=False)]


def planted(array: np.ndarray, found: Sequence[Structure], contrast: float) -> np.ndarray:
    """A copy of ``array`` with the structures brighter by ``contrast`` (darker, if it is negative)."""
    result = array.copy()
    for structure in found:
        result[structure.where] += np.float32(contrast) * structure.filled
    return result


def _filled(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """float32 cube: the share of each voxel within the shape."""
    side = 2 * REACH + 1
    points = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    offset, direction = rng.uniform(-0.5, 0.5, 3), rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    away = np.stack(np.meshgrid(*(points - x for x in offset), indexing="ij"), axis=-1).astype(np.float32)
    distance = np.linalg.norm(away, axis=-1)
    if shape.kind == "tube":
        along = away @ direction.astype(np.float32)
        distance = np.where(np.abs(along) < TUBE_LENGTH / 2, np.sqrt(np.maximum(0, distance**2 - along**2)), np.inf)
    inside = (distance < shape.width / 2).astype(np.float32)
    return inside.reshape(side, FINE, side, FINE, side, FINE).mean(axis=(1, 3, 5), dtype=np.float32)
