"""How large the errors are that a network expects of itself, against those that it makes on subjects it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage, stats

from ..evaluation.figures import empty_figure
from ..image.tissue import noise_of, tissue
from ..models.card import error_scale
from .losses.reconstruction import STAYS_BELOW, beyond_noise

SAMPLES = 100_000
"""Voxels of each volume that are looked at."""

Kind = tuple[tuple[float, ...], bool]
"""Of scans: their factors, sorted, and whether the network was told how they were made."""

FEW = 3
"""Subjects of a contrast that it takes to know its errors: where fewer validate, those that the network learned from
are asked, too."""


@dataclass(frozen=True)
class Expectation:
    """Of one volume, at the sampled voxels of tissue.

    learned    whether the network learned from it
    made       absolute errors
    local      root of the mean squared error among each voxel and its 26 neighbours: how wrong the result is there,
               where a single error is a draw of chance
    expected   errors that the network expected
    steepness  of the spline's image
    noise      standard deviation of the truth's own (see ``noise``)
    """

    named: dict[str, Any]
    learned: bool
    made: np.ndarray
    local: np.ndarray
    expected: np.ndarray
    steepness: np.ndarray
    noise: float

    @property
    def needed(self) -> np.ndarray:
        """The errors that should have been expected: those beyond the truth's noise."""
        return beyond_noise(self.made, self.noise)


def expectation(
    named: dict[str, Any],
    learned: bool,
    truth: np.ndarray,
    result: np.ndarray,
    expected: np.ndarray,
    spline: np.ndarray,
) -> Expectation:
    """Of volumes [i, j, k] in normalised units, ``named`` by what stands with the figures."""
    rng = np.random.default_rng(0)
    voxels = np.flatnonzero(tissue(truth))
    voxels = rng.choice(voxels, min(SAMPLES, len(voxels)), replace=False)
    steepness = ndimage.gaussian_gradient_magnitude(spline, 1.0)
    errors = np.abs(result - truth)
    local = np.sqrt(ndimage.uniform_filter(errors**2, 3).clip(min=0))
    made, near, told, steep = (array.ravel()[voxels] for array in (errors, local, expected, steepness))
    return Expectation(named, learned, made, near, told, steep, noise_of(truth))


def calibration(expectations: Sequence[Expectation]) -> dict[str, Any]:
    """What stands on a card as its trust (see ``weights.Card``).

    The scale brings the expected errors to where ``STAYS_BELOW`` of those made, beyond the truths' noise, lie below
    them, each volume of a kind (factors, told or not, contrast or all) counting alike. The coverage of a subject is
    found with the scale of all others of its kind and contrast (see ``_known``). That of noise too is of the errors
    as they are.
    """
    unseen = [one for one in expectations if not one.learned]
    kinds = dict.fromkeys(_kind(one) for one in unseen)
    contrasts = dict.fromkeys((_kind(one), one.named["contrast"]) for one in unseen)
    return {
        "share": STAYS_BELOW,
        "kinds": [
            *(_scaled(kind, [one for one in unseen if _kind(one) == kind]) for kind in kinds),
            *(
                _scaled(kind, _known(expectations, kind, contrast)) | {"contrast": contrast}
                for kind, contrast in contrasts
            ),
        ],
        "figures": [_figure(one, expectations) for one in unseen],
    }


def _scaled(kind: Kind, alike: Sequence[Expectation]) -> dict[str, Any]:
    factors, told = kind
    return {"factors": list(factors), "told": told, "scale": round(_scale(alike), 4)}


def _figure(one: Expectation, expectations: Sequence[Expectation]) -> dict[str, Any]:
    others = [other for other in expectations if other.named["subject"] != one.named["subject"]]
    contrast = one.named["contrast"]
    scale = _scale(_known(others, _kind(one), contrast) or [one])
    all_scale = _scale(_known(expectations, _kind(one), contrast))
    return {
        **one.named,
        "coverage": round(float(np.mean(one.needed <= one.expected * scale)), 4),
        "coverage_of_noise_too": round(float(np.mean(one.made <= one.expected * all_scale)), 4),
        "noise": round(one.noise, 4),
        "rank_correlation": _rank(one.expected, one.local),
        "rank_correlation_of_gradient": _rank(one.steepness, one.local),
        "rank_correlation_of_voxels": _rank(one.expected, one.made),
        "rank_correlation_of_voxels_of_gradient": _rank(one.steepness, one.made),
    }


def _known(expectations: Sequence[Expectation], kind: Kind, contrast: str) -> list[Expectation]:
    """What is known of a kind: of volumes of the contrast that the network never saw; where these are of few
    subjects, of those that it learned from, too; where there are none, of all others that it never saw."""
    alike = [one for one in expectations if _kind(one) == kind]
    mine = [one for one in alike if one.named["contrast"] == contrast]
    unseen = [one for one in mine if not one.learned]
    if len({one.named["subject"] for one in unseen}) >= FEW:
        return unseen
    return mine or [one for one in alike if not one.learned]


def _kind(one: Expectation) -> Kind:
    """Factors, whichever axes they belong to, and whether it was told how the scan was made."""
    return tuple(sorted(one.named["factors"])), one.named["told"]


def _scale(expectations: Sequence[Expectation]) -> float:
    ratios = [e.needed / e.expected for e in expectations]
    weights = np.concatenate([np.full(len(r), 1 / len(r)) for r in ratios])
    pooled = np.concatenate(ratios)
    order = np.argsort(pooled)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(pooled[order][np.searchsorted(reached, STAYS_BELOW)])


def _rank(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation."""
    return round(float(stats.spearmanr(first, second).statistic), 3)


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
