"""The high-resolution volumes that serve as truth, listed in a manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..files import read_volume
from ..grid import PLANES
from ..intensity import Normalisation
from ..operators import apply_along_axes, band_limit_matrix
from ..volume import Volume, check_image

SPLITS = ("train", "validate")

COLUMNS = ("path", "subject", "contrast", "split", "planes", "kspace", "licence", "source")


@dataclass(frozen=True)
class Truth:
    """One volume of one subject: voxels in normalised units [i, j, k], and what it may be used for.

    planes   the planes in which it is true; all three mean in 3D too
    """

    subject: str
    contrast: str
    split: str
    planes: tuple[str, ...]
    licence: str
    source: str
    volume: Volume


def read_manifest(path: Path, data: Path) -> list[Truth]:
    """Read every volume that a manifest lists.

    The manifest is CSV with the columns path (relative to ``data``), subject, contrast, split (train or
    validate), planes ("axial", "axial coronal", ... or "all"), kspace (share of k-space along i, j, k that
    holds signal, such as "0.8 0.8 1"; the rest is cropped away, which makes the voxels larger), licence,
    source (whom to credit).
    Raises RequestError for a missing column or file, a bad volume, or a subject in both splits.
    """
    if not path.is_file():
        raise RequestError(f"there is no manifest {path}: give a CSV file with the columns {', '.join(COLUMNS)}")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise RequestError(f"the manifest {path} lacks the column(s) {', '.join(sorted(missing))}")
        truths = [_read_row(row, data) for row in reader]
    both = _subjects(truths, "train") & _subjects(truths, "validate")
    if both:
        raise RequestError(f"subject(s) {', '.join(sorted(both))} stand in both splits of {path}: split by subject")
    return truths


def _subjects(truths: Iterable[Truth], split: str) -> set[str]:
    return {truth.subject for truth in truths if truth.split == split}


def _read_row(row: dict[str, str], data: Path) -> Truth:
    if row["split"] not in SPLITS:
        raise RequestError(f"the split of {row['path']} is {row['split']!r}: choose {' or '.join(SPLITS)}")
    planes = PLANES if row["planes"] == "all" else tuple(row["planes"].split())
    if not planes or not set(planes) <= set(PLANES):
        raise RequestError(f"unknown plane(s) {row['planes']!r} of {row['path']}: choose all, {', '.join(PLANES)}")
    try:
        kept = [float(x) for x in row["kspace"].split()]
    except ValueError:
        kept = []
    if len(kept) != 3 or not all(0 < share <= 1 for share in kept):
        raise RequestError(f"the kspace of {row['path']} is {row['kspace']!r}: give three shares, such as 0.8 0.8 1")
    volume = read_volume(data / row["path"])
    check_image(volume)
    return Truth(
        subject=row["subject"],
        contrast=row["contrast"],
        split=row["split"],
        planes=planes,
        licence=row["licence"],
        source=row["source"],
        volume=normalised(kspace_cropped(volume, kept)),
    )


def kspace_cropped(volume: Volume, kept: list[float]) -> Volume:
    """The volume without the outer, empty part of its k-space: the same box in larger voxels, float32."""
    grid = volume.grid.coarsened([1 / share for share in kept])
    matrices = [
        None if n == m else band_limit_matrix(n, m, share)
        for n, m, share in zip(volume.grid.size, grid.size, kept, strict=True)
    ]
    return Volume(np.ascontiguousarray(apply_along_axes(matrices, volume.array.astype(np.float32))), grid)


def normalised(volume: Volume) -> Volume:
    return Volume(Normalisation.of(volume.array).apply(volume.array), volume.grid)
