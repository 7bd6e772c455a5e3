"""A picture of how far the errors that a network expects can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..figures import empty_figure
from ..trust import error_scale
from .calibration import Expectation

GROUPS = 12
"""Into which the voxels of a volume are put, from the least expected error to the largest."""

GOAL = 0.02
"""How far the share of errors below the expected one may be from what was promised."""


def draw_trust(expectations: Sequence[Expectation], trust: dict[str, Any], path: Path) -> None:
    """Write a PNG: coverage of each volume, errors made against expected ones, and how well these rank.

    ``trust`` is what ``calibration.calibration`` made of the expectations. Raises RequestError without matplotlib.
    """
    figure = empty_figure(16, 6)
    from matplotlib.ticker import LogLocator, NullLocator

    coverage, reliability, ranks = figure.subplots(1, 3)
    titles = [_title(case) for case in trust["figures"]]
    places = np.arange(len(titles))[::-1]
    share = trust["share"]
    coverage.axvspan(share - GOAL, share + GOAL, color="0.9")
    coverage.axvline(share, color="0.6")
    coverage.plot([case["coverage"] for case in trust["figures"]], places, "o")
    coverage.set_title(f"Errors below the expected one: {share:.0%} promised")
    coverage.set_xlabel("share of the voxels, the truth's noise allowed for")
    coverage.set_yticks(places, titles)
    for one, title in zip((one for one in expectations if not one.learned), titles, strict=True):
        scale = error_scale(trust, one.named["factors"], one.named["told"], one.named["contrast"])
        reliability.loglog(*_groups(one, scale, share), marker=".", label=title)
    ends = reliability.get_xlim()
    reliability.plot(ends, ends, color="0.6", zorder=0)
    for axis in (reliability.xaxis, reliability.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:.2g}")
        axis.set_minor_locator(NullLocator())
    reliability.set_xlabel("expected error, as a share of the range")
    reliability.set_title(f"What {share:.0%} of the errors stay below")
    for name, label in (("rank_correlation", "expected error"), ("rank_correlation_of_gradient", "gradient")):
        ranks.plot([case[name] for case in trust["figures"]], places, "o", label=label)
    ranks.axvline(0.5, color="0.6")
    ranks.set_yticks(places, [""] * len(places))
    ranks.set_title("Rank correlation with the errors made")
    ranks.set_xlabel("Spearman's, errors among 27 voxels")
    ranks.legend()
    for axes in (coverage, reliability, ranks):
        axes.grid(color="0.9")
    figure.savefig(path, dpi=100)


def _groups(one: Expectation, scale: float, share: float) -> tuple[list[float], list[float]]:
    """Of groups of voxels with errors expected alike: the mean expected error, and what ``share`` of the errors made,
    beyond the truth's noise, stay below; groups in which noise explains that many are left out."""
    groups = np.array_split(np.argsort(one.expected), GROUPS)
    pairs = [(scale * float(one.expected[g].mean()), float(np.quantile(one.needed[g], share))) for g in groups]
    shown = [(expected, made) for expected, made in pairs if made > 0]
    return [expected for expected, _ in shown], [made for _, made in shown]


def _title(case: dict[str, Any]) -> str:
    known = "" if case["told"] else ", told nothing"
    return f"{case['subject']} {case['contrast']} {'x'.join(f'{f:g}' for f in case['factors'])}{known}"
