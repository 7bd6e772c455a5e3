"""Pictures that show a result beside the truth, the input and spline interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIFFERENCE_SHARE = 0.15
"""Share of the intensity range at which the colours of a difference map end."""

UNEXPLAINED_SHARE = 0.03
"""The same for what is not explained of the input."""


@dataclass(frozen=True)
class Row:
    """One case of a figure: volumes [i, j, k] on the grid of the truth (``source``: LR voxels repeated), the
    slice to show (index axis and number) and the edge lengths of a voxel in mm; ``unexplained``: what a scan of the
    result lacks of the input, as the source, or None where it is not shown."""

    title: str
    truth: np.ndarray
    source: np.ndarray
    spline: np.ndarray
    result: np.ndarray
    axis: int
    number: int
    spacing: Sequence[float]
    unexplained: np.ndarray | None = None


def compare(rows: Sequence[Row], path: Path) -> None:
    """Write a PNG: truth, input, spline, result, the differences of the last two from the truth, and what is not
    explained where that is known, a row each.

    Raises RequestError without matplotlib.
    """
    columns = 7 if any(row.unexplained is not None for row in rows) else 6
    figure = empty_figure(2.5 * columns, 3.1 * len(rows), facecolor="black")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        low, high = (float(x) for x in np.percentile(row.truth, (0.5, 99.8)))
        pictures = {name: _picture(row, name) for name in ("truth", "source", "spline", "result")}
        titles = ["truth", f"input, {row.title}", "spline", "result"]
        for axis, picture, title in zip(line, pictures.values(), titles, strict=False):
            show(axis, picture, title, _aspect(row), cmap="gray", vmin=low, vmax=high)
        differences = {f"{name} - truth": pictures[name] - pictures["truth"] for name in ("spline", "result")}
        shares = dict.fromkeys(differences, DIFFERENCE_SHARE)
        if row.unexplained is not None:
            differences["input - scan of result"] = _picture(row, "unexplained")
            shares["input - scan of result"] = UNEXPLAINED_SHARE
        for axis in line[4:]:
            axis.set_axis_off()
        for axis, (name, difference) in zip(line[4:], differences.items(), strict=False):
            reach = shares[name] * (high - low)
            title = f"{name}, ±{shares[name]:.0%}"
            show(axis, difference, title, _aspect(row), cmap="RdBu_r", vmin=-reach, vmax=reach)
    figure.savefig(path, dpi=100)


def _picture(row: Row, name: str) -> np.ndarray:
    return upright(np.take(getattr(row, name), row.number, axis=row.axis))


def _aspect(row: Row) -> float:
    across, up = (row.spacing[a] for a in range(3) if a != row.axis)
    return up / across


def empty_figure(width: float, height: float, **look: Any) -> Figure:
    """A figure of ``width`` x ``height`` inches; RequestError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise RequestError("figures need matplotlib: pip install 'MRISuperResolution[evaluate]'") from missing
    return Figure(figsize=(width, height), layout="constrained", **look)


def upright(slice_: np.ndarray) -> np.ndarray:
    """A slice [a, b] as rows from top to bottom: its later index axis points up."""
    return slice_.T[::-1].astype(float)


def show(axes: Axes, picture: np.ndarray, title: str, aspect: float, **colours: Any) -> None:
    """Draw an upright slice, its pixels ``aspect`` times as high as wide."""
    axes.imshow(picture, aspect=aspect, interpolation="nearest", **colours)
    axes.set_title(title, color="white", fontsize=10)
    axes.set_axis_off()


def repeated(low: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """LR voxels [i, j, k] shown on the finer grid of ``size`` over the same box: each where its cell is."""
    for axis, n in enumerate(size):
        cells = (np.arange(n) + 0.5) * low.shape[axis] / n
        low = np.take(low, cells.astype(int), axis=axis)
    return low
