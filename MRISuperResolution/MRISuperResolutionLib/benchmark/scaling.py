"""How a ReCNN's cost grows: with the voxels of the result, its layers, the memory that it may take, the threads."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import RequestError
from ..evaluation.figures import empty_figure
from ..inference.layer_graph import stream_numbers
from ..inference.slab_plan import choose_slabs
from ..models.card import Card
from ..networks import build
from ..runtime.device import choose_precision
from ..runtime.memory import GIB
from .isolated_run import CPU, Case, Cost, cost_alone

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


TIME, MEMORY = "tab:blue", "tab:orange"


def picture(title: str, points: Sequence[Point]) -> bytes:
    """A PNG; RequestError without matplotlib."""
    figure = empty_figure(11, 8)
    figure.suptitle(title)
    fitted = slopes(points)
    for axes, cause in zip(figure.subplots(2, 2).flat, CAUSES, strict=True):
        own = [p for p in points if p.cause == cause]
        _curve(axes, "seconds", TIME, cause, [(p.large, p.seconds) for p in own], fitted[cause]["seconds"])
        _curve(axes.twinx(), "GiB", MEMORY, cause, [(p.large, p.gib) for p in own if p.gib], fitted[cause]["gib"])
        _label(axes, cause, [p.large for p in own])
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _curve(
    axes: Axes, unit: str, colour: str, cause: str, pairs: Sequence[tuple[float, float]], slope: float | None
) -> None:
    """What was measured, and the power of the cause that was fitted to it."""
    axes.set_yscale("log")
    axes.tick_params(axis="y", which="both", labelcolor=colour)
    axes.set_ylabel(unit if slope is None else f"{unit}, as {cause} to the power {slope:.2f}", color=colour)
    if pairs:
        x, y = np.array(pairs).T
        axes.plot(x, y, "o", color=colour)
        if slope is not None:
            # a fitted line passes through the middle
            axes.plot(x, np.exp(np.log(y).mean() + slope * (np.log(x) - np.log(x).mean())), "--", color=colour)


def _label(axes: Axes, cause: str, large: Sequence[float]) -> None:
    """A tick at each point; cubes by their edges."""
    cubes = cause == "voxels"
    axes.set_xlabel(cause)
    axes.set_xscale("log")
    texts = [f"{round(x ** (1 / 3))}³" if cubes else f"{x:.3g}" for x in large]
    axes.set_xticks(large, texts, rotation=90 if cubes else 0)
    axes.set_xticks([], minor=True)
    axes.grid(color="0.9")
