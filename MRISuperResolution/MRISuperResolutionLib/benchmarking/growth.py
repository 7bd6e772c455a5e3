"""How a ReCNN's cost grows: with the voxels of the result, its layers, the memory that it may take, the threads."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..chains import stream_numbers
from ..device import choose_precision
from ..errors import RequestError
from ..memory import GIB
from ..networks import build
from ..slabs import choose_slabs
from ..weights import Card
from .alone import CPU, Case, Cost, cost_alone

EDGES = (32, 48, 64, 96, 128, 160, 192, 224, 256, 288, 320)
"""Voxels along the cubes, as far as is asked for."""

LAYERS = (2, 5, 10, 20)

SHARES = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32)
"""Of the memory that the quickest way takes; what is too little for any way is left out."""

CAUSES = ("voxels", "layers", "GiB allowed", "threads")
"""What the cost grows with, or falls."""


@dataclass(frozen=True)
class Point:
    """What a run took whose ``cause`` was so ``large``; see ``alone.Cost``."""

    cause: str
    large: float
    seconds: float
    gib: float | None


def growth(card: Card, edge: int, repeat: int) -> Iterator[Point]:
    """Of the network of ``card``: up to a cube of ``edge`` voxels along each axis; all but the voxels at
    ``middle_edge``. Time and memory are medians and peaks of ``repeat`` runs.

    Raises RequestError for what is no 3D ReCNN, and for a run that fails.
    """
    if card.architecture["name"] != "ReCNN" or card.dimensions != 3:
        raise RequestError(f"the layers of {card.name} cannot be varied: give a 3D ReCNN, such as recnn10-t1w")
    architecture = card.architecture | {"references": 0}
    known: dict[Case, Cost] = {}
    for cause, large, case in _cases(architecture, edge):
        if case not in known:
            known[case] = cost_alone(case, architecture, repeat)
        yield Point(cause, large, known[case].seconds, known[case].gib)


def middle_edge(edge: int) -> int:
    """Voxels along the cube on which all but their number is varied."""
    edges = _edges(edge)
    return edges[len(edges) // 2]


def slopes(points: Sequence[Point]) -> dict[str, dict[str, float | None]]:
    """By cause: the powers of it that the seconds and the GiB grow with, a line fitted to their logarithms; None
    where there are fewer than two points."""
    return {
        cause: {
            "seconds": _slope((p.large, p.seconds) for p in points if p.cause == cause),
            "gib": _slope((p.large, p.gib) for p in points if p.cause == cause),
        }
        for cause in CAUSES
    }


def _slope(pairs: Iterable[tuple[float, float | None]]) -> float | None:
    known = [(x, y) for x, y in pairs if y]
    if len(known) < 2:
        return None
    x, y = np.log(known).T
    return float(np.polyfit(x, y, 1)[0])


def _edges(largest: int) -> list[int]:
    return [*(edge for edge in EDGES if edge < largest), largest]


def _cases(architecture: dict[str, Any], edge: int) -> Iterator[tuple[str, float, Case]]:
    """All of them: the cause, how large it is, the case."""
    threads = torch.get_num_threads()
    usual = Case(architecture["layers"], middle_edge(edge), threads)
    voxels, layers, allowed, cores = CAUSES
    for n in _edges(edge):
        yield voxels, n**3, replace(usual, edge=n)
    for n in LAYERS:
        yield layers, n, replace(usual, layers=n)
    for most, case in _bounded(architecture, usual):
        yield allowed, most / GIB, case
    for n in (*(2**k for k in range(threads.bit_length()) if 2**k < threads), threads):
        yield cores, n, replace(usual, threads=n)


def _bounded(architecture: dict[str, Any], usual: Case) -> Iterator[tuple[int, Case]]:
    """Bytes for the feature maps: as many as the quickest way takes, and shares of them."""
    network = build(architecture)
    numbers = stream_numbers(network, choose_precision("auto", CPU))

    def bytes_in(most: int) -> int:
        slabs = choose_slabs((usual.edge,) * 3, network.receptive_radius, *numbers, most)
        return slabs.bytes if slabs else 0

    quickest = bytes_in(sys.maxsize)
    yield quickest, usual
    for most in (int(share * quickest) for share in SHARES):
        if bytes_in(most):
            yield most, replace(usual, most_bytes=most)
