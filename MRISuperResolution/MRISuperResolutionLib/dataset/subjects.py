"""The high-resolution volumes that serve as truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import RequestError
from ..image.grid import PLANES, Grid, Triple
from ..image.intensity import Normalisation
from ..image.linear_operators import apply_along_axes, band_limit_matrix
from ..image.volume import Volume, check_image
from ..io import read_volume
from ..pipeline.request import acquired_plane
from .cache import cached
from .manifest import COLUMNS, SPLITS, Entry, check_split, read_entries

__all__ = ["COLUMNS", "SPLITS", "Truth", "across", "kspace_cropped", "normalised", "read_manifest", "read_truths"]

THICK_SLICES = 1.5
"""A volume whose slices are this many times further apart than its voxels are wide is true in them alone."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Truth:
    """One volume of one subject: voxels in normalised units [i, j, k], and what it may be used for.

    planes      the planes in which it is true; all three mean in 3D too
    companions  contrast -> another scan of the same head: float32 [i, j, k] in normalised units
                of its own, on the grid of ``volume``
    """

    subject: str
    contrast: str
    split: str
    planes: tuple[str, ...]
    licence: str
    source: str
    volume: Volume
    companions: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def in_3d(self) -> bool:
        """Whether it is true along all three axes."""
        return set(self.planes) == set(PLANES)

    def degradable(self, factors: Triple, closest: bool = False) -> Triple | None:
        """Factors along i, j, k by which a 3D network may be shown it: ``factors`` where it is true in 3D.

        Slices of one plane are degraded in it alone: ``factors`` in an order with the 1 across them; None if there
        is none, unless the ``closest`` will do. None of slices of two planes.
        """
        if self.in_3d:
            return factors
        if len(self.planes) > 1 or (min(factors) > 1 and not closest):
            return None
        in_plane = list(factors)
        in_plane.remove(min(factors))
        first, second = in_plane
        return across(self.volume.grid.slice_axis(self.planes[0]), first, second)


def across(axis: int, first: float, second: float) -> Triple:
    """Factors of slices across ``axis``, along their two own axes in their order."""
    factors = [first, second]
    factors.insert(axis, 1.0)
    return factors[0], factors[1], factors[2]


def read_manifest(path: Path, data: Path) -> list[Truth]:
    """Read every volume that a manifest with all of ``COLUMNS`` lists (see ``manifest.read_entries``).

    Raises RequestError for a missing column or file, a bad volume, or a subject in both splits.
    """
    entries = read_entries(path, data, COLUMNS)
    check_split(entries, str(path))
    return read_truths(entries)


def read_truths(entries: Sequence[Entry], cache: Path | None = None) -> list[Truth]:
    """Each entry's volume: read, checked, cropped in k-space and normalised, once for all if there is a ``cache``.

    Entries that belong to no split train. Raises one RequestError that names every bad volume.
    """
    return each(lambda entry: _read(entry, cache), entries)


def each(make: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """``make`` of every item; all that it refuses goes into one RequestError."""
    made: list[R] = []
    refusals: list[str] = []
    for item in items:
        try:
            made.append(make(item))
        except RequestError as error:
            refusals.append(str(error))
    if refusals:
        # the same file may stand in two lines
        refusals = list(dict.fromkeys(refusals))
        count = f"{len(refusals)} volumes cannot be used: " if len(refusals) > 1 else ""
        raise RequestError(count + "; ".join(refusals))
    return made


def _read(entry: Entry, cache: Path | None) -> Truth:
    volume = cached(cache, [entry.path], f"kspace {entry.kspace}", lambda: _decoded(entry))
    return Truth(
        subject=entry.subject,
        contrast=entry.contrast,
        split=entry.split or "train",
        planes=entry.planes or _true_planes(volume.grid),
        licence=entry.licence,
        source=entry.source,
        volume=replace(volume, name=str(entry.path)),
    )


def _decoded(entry: Entry) -> Volume:
    volume = read_volume(entry.path)
    check_image(volume)
    return normalised(kspace_cropped(volume, entry.kspace))


def _true_planes(grid: Grid) -> tuple[str, ...]:
    """The planes in which a volume on ``grid`` is true, by its spacing alone."""
    *_, second, largest = sorted(grid.spacing)
    return (acquired_plane(grid),) if largest > THICK_SLICES * second else PLANES


def kspace_cropped(volume: Volume, kept: Sequence[float]) -> Volume:
    """The volume without the outer, empty part of its k-space: the same box in larger voxels, float32."""
    grid = volume.grid.coarsened([1 / share for share in kept])
    matrices = [
        None if n == m else band_limit_matrix(n, m, share)
        for n, m, share in zip(volume.grid.size, grid.size, kept, strict=True)
    ]
    return Volume(np.ascontiguousarray(apply_along_axes(matrices, volume.array.astype(np.float32))), grid)


def normalised(volume: Volume) -> Volume:
    return Volume(Normalisation.of(volume.array).apply(volume.array), volume.grid)
