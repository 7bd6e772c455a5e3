"""The picture of how a network's cost grows: a panel for each cause, time and memory, and the powers they follow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..figures import empty_figure
from .growth import CAUSES, Point, slopes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
