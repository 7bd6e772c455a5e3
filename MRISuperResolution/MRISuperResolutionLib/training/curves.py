"""The curves of a run: what its log says of every start, as one, and their picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.figures import empty_figure

LOG = "log"
"""Folder of the log in a run's folder: ``version_N/metrics.csv`` for the Nth start."""

SMOOTHED_SHARE = 0.02
"""Share of the run that the running mean of the loss is taken over."""

Curve = tuple[np.ndarray, np.ndarray]
"""Steps, and the value at each."""


def read_curves(folder: Path) -> dict[str, Curve]:
    """Curves by name, such as "loss" and "gain 2x2x2", of the run in ``folder``.

    Where a start took up the run at an earlier step than the one before had reached, its values count.
    """
    values: dict[int, dict[str, float]] = {}
    for path in sorted((folder / LOG).glob("*/metrics.csv"), key=lambda p: int(p.parent.name.split("_")[-1])):
        with path.open(newline="", encoding="utf-8") as file:
            # a kill may have cut the last line
            rows = list(csv.DictReader(line for line in file if line.endswith("\n")))
        first = min((int(row["step"]) for row in rows), default=0)
        values = {step: named for step, named in values.items() if step < first}
        for row in rows:
            figures = {name: float(text) for name, text in row.items() if text and name not in ("step", "epoch")}
            values.setdefault(int(row["step"]), {}).update(figures)
    names = sorted({name for named in values.values() for name in named})
    return {
        name: _curve({step: values[step][name] for step in sorted(values) if name in values[step]}) for name in names
    }


def _curve(points: dict[int, float]) -> Curve:
    # the log counts from 0, and what it says holds after the step
    return np.array(list(points)) + 1, np.array(list(points.values()))


def draw_curves(folder: Path, path: Path) -> None:
    """Write a PNG of the run in ``folder``: loss with its running mean, learning rate, gain over spline.

    Raises RequestError without matplotlib.
    """
    curves = read_curves(folder)
    figure = empty_figure(9, 9)
    loss, rate, gain = figure.subplots(3, sharex=True, height_ratios=(2, 1, 2))
    if "loss" in curves:
        steps, losses = curves["loss"]
        loss.plot(steps, losses, color="0.8", linewidth=1, label="loss")
        loss.plot(steps, running_mean(losses), label="its running mean")
        # an adversarial loss may be below zero
        loss.set_yscale("log" if (losses > 0).all() else "linear")
    for name in (name for name in curves if name.startswith("lr-")):
        rate.plot(*curves[name], label=name.split("/")[-1])
    gain.axhline(0, color="0.6")
    for name in (name for name in curves if name.startswith("gain")):
        mean = name == "gain"
        gain.plot(*curves[name], marker=".", **{"color": "black", "label": "mean"} if mean else {"label": name[5:]})
    rate.set_ylim(bottom=0)
    for axes, title in ((loss, "loss"), (rate, "learning rate"), (gain, "gain over spline, dB")):
        _finish(axes, title)
    gain.set_xlabel("step")
    figure.savefig(path, dpi=100)


def running_mean(values: np.ndarray) -> np.ndarray:
    """The mean of each value and its neighbours, fewer of them near both ends."""
    reach = int(np.ceil(len(values) * SMOOTHED_SHARE / 2))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    numbers = np.arange(len(values))
    start, stop = np.maximum(numbers - reach, 0), np.minimum(numbers + reach + 1, len(values))
    mean: np.ndarray = (sums[stop] - sums[start]) / (stop - start)
    return mean


def _finish(axes: Any, title: str) -> None:
    axes.set_ylabel(title)
    axes.grid(color="0.9")
    if axes.has_data():
        axes.legend()
