"""Cutting a grid into tiles that overlap by what a network can see."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Axes = tuple[slice, ...]

MOST_CUTS = 64
"""Pieces along an axis that are considered where they overlap."""

ENOUGH = 2**14
"""Voxels of a tile from which on larger ones are no quicker, but leave the caches."""


@dataclass(frozen=True)
class Tile:
    """``core``: what this tile adds to the result; ``padded``: what the network must see for it.

    Both are slices of the input grid, ``padded`` reaching ``radius`` further where the volume goes on;
    ``inner`` is the core within the padded piece.
    """

    core: Axes
    padded: Axes
    inner: Axes

    @property
    def voxels(self) -> int:
        """Input voxels that the network computes on."""
        return int(np.prod([s.stop - s.start for s in self.padded]))


def choose_tile(size: Sequence[int], radius: Sequence[int], most_voxels: int) -> tuple[int, ...] | None:
    """Core size that computes the least in all while no padded tile exceeds ``most_voxels``.

    Of those that compute as little it is the largest of at most ``ENOUGH`` voxels, else the smallest. ``size`` and
    ``radius`` in input voxels along each axis. None where even the smallest tile is too large.
    """
    edges, padded, work = [], [], []
    for n, r in zip(size, radius, strict=True):
        counts = np.arange(1, (min(n, MOST_CUTS) if r else n) + 1)
        edge = -(-n // counts)
        edges.append(edge)
        padded.append(np.minimum(edge + 2 * r, n))
        work.append(-(-n // edge) * padded[-1] if r else np.full(n, n))
    largest = _outer(padded)
    total = np.where(largest <= most_voxels, _outer(work), np.inf)
    least = total.min()
    if not np.isfinite(least):
        return None
    # how far from enough: too many count for more than too few
    preferred = np.where(largest <= ENOUGH, 1 / largest, largest)
    best = np.unravel_index(np.argmin(np.where(total == least, preferred, np.inf)), total.shape)
    return tuple(int(edge[b]) for edge, b in zip(edges, best, strict=True))


def _outer(factors: Sequence[np.ndarray]) -> np.ndarray:
    product = np.ones(())
    for factor in factors:
        product = np.multiply.outer(product, factor.astype(float))
    return product


def tiles(size: Sequence[int], radius: Sequence[int], core: Sequence[int]) -> Iterator[Tile]:
    """Tiles with cores of at most ``core`` voxels that cover a grid of ``size`` once, margins cut at its border."""
    starts = [range(0, n, c) for n, c in zip(size, core, strict=True)]
    for start in itertools.product(*starts):
        stop = [min(a + c, n) for a, c, n in zip(start, core, size, strict=True)]
        low = [max(0, a - r) for a, r in zip(start, radius, strict=True)]
        high = [min(n, b + r) for b, r, n in zip(stop, radius, size, strict=True)]
        yield Tile(
            core=tuple(map(slice, start, stop)),
            padded=tuple(map(slice, low, high)),
            inner=tuple(slice(a - p, b - p) for a, b, p in zip(start, stop, low, strict=True)),
        )


def scaled(axes: Sequence[slice], factors: Sequence[int]) -> Axes:
    """Slices of a grid as those of one that is ``factors`` times as fine along its axes."""
    return tuple(slice(s.start * f, s.stop * f) for s, f in zip(axes, factors, strict=True))
