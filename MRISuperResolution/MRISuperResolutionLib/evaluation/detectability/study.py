"""Every method on volumes with and without planted structures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...dataset.subjects import Truth
from ...errors import RequestError
from ...image.tissue import tissue
from ...image.volume import Volume
from ...runtime.device import Computing
from ..case import Case
from ..entrants import contender
from ..score import brought_back
from .detection import Verdict, invented, judged
from .lesion_insertion import SHAPES, planted, quiet_places, structures

TRUTH = "truth"
"""The method that changes nothing: how well the structures are seen in the volume itself."""


@dataclass(frozen=True)
class Planting:
    """How many structures in each volume, and how bright, as a share of the volume's range; bright ones first, then
    as many dark ones in the same places."""

    count: int = 70
    contrast: float = 0.15


@dataclass(frozen=True)
class Harvest:
    """What a method made of a case: verdicts on the structures; blobs nobody planted, and cm3 that were searched."""

    subject: str
    label: str
    method: str
    verdicts: list[Verdict]
    invented: int
    searched_cm3: float


def harvests(
    cases: Sequence[Case], methods: Sequence[str], planting: Planting, computing: Computing
) -> Iterator[Harvest]:
    """The harvest of every method on every case, and that of the truth; nothing where it was not made for the case.

    Raises RequestError for a volume without tissue.
    """
    for case in cases:
        array = case.truth.volume.array
        among = tissue(case.truth.volume.array)
        if not among.any():
            raise RequestError(f"{case.truth.subject} {case.truth.contrast} holds no tissue: leave it out")
        found = structures(quiet_places(array, among, planting.count), SHAPES, np.random.default_rng(0))
        signs = (planting.contrast, -planting.contrast)
        sown = [array, *(planted(array, found, contrast) for contrast in signs)]
        for method in (TRUTH, *methods):
            images = [_seen(method, replace(case, truth=_with(case, image)), computing) for image in sown]
            if any(image is None for image in images):
                yield Harvest(case.truth.subject, case.label, method, [], 0, 0.0)
                continue
            without, *with_them = (_cut(image, array.shape) for image in images if image is not None)
            verdicts = [
                verdict
                for contrast, image in zip(signs, with_them, strict=True)
                for verdict in judged(found, contrast, image, without)
            ]
            searched = float(among.sum()) * math.prod(case.truth.volume.grid.spacing) / 1000
            count = invented(without, array, among, planting.contrast)
            yield Harvest(case.truth.subject, case.label, method, verdicts, count, searched)


def _with(case: Case, array: np.ndarray) -> Truth:
    return replace(case.truth, volume=Volume(array, case.truth.volume.grid))


def _seen(method: str, case: Case, computing: Computing) -> np.ndarray | None:
    """The case's truth as it comes back; None where the method was not made for it."""
    if method == TRUTH:
        return case.truth.volume.array
    _, low = case.pair()
    model = contender(method, case, low, 0)
    return brought_back(method, model, case, low, computing).array if model else None


def _cut(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The image, with the truth's last voxels where the factors left some over."""
    return np.pad(image, [(0, n - m) for n, m in zip(size, image.shape, strict=True)], mode="edge")
