"""How large the errors are that a network expects of itself, against those that it makes on subjects it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage, stats

from ..noise import noise_of
from ..tissue import tissue
from .losses import STAYS_BELOW
from .noise import beyond_noise

SAMPLES = 100_000
"""Voxels of each volume that are looked at."""


@dataclass(frozen=True)
class Expectation:
    """Of one volume, at the sampled voxels of tissue.

    made       absolute errors
    local      root of the mean squared error among each voxel and its 26 neighbours: how wrong the result is there,
               where a single error is a draw of chance
    expected   errors that the network expected
    steepness  of the spline's image
    noise      standard deviation of the truth's own (see ``noise``)
    """

    named: dict[str, Any]
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
    named: dict[str, Any], truth: np.ndarray, result: np.ndarray, expected: np.ndarray, spline: np.ndarray
) -> Expectation:
    """Of volumes [i, j, k] in normalised units, ``named`` by what stands with the figures."""
    rng = np.random.default_rng(0)
    voxels = np.flatnonzero(tissue(truth))
    voxels = rng.choice(voxels, min(SAMPLES, len(voxels)), replace=False)
    steepness = ndimage.gaussian_gradient_magnitude(spline, 1.0)
    errors = np.abs(result - truth)
    local = np.sqrt(ndimage.uniform_filter(errors**2, 3).clip(min=0))
    made, near, told, steep = (array.ravel()[voxels] for array in (errors, local, expected, steepness))
    return Expectation(named, made, near, told, steep, noise_of(truth))


def calibration(expectations: Sequence[Expectation]) -> dict[str, Any]:
    """What stands on a card as its trust (see ``weights.Card``).

    The scale brings the expected errors to where ``STAYS_BELOW`` of those made, beyond the truths' noise, lie below
    them, each volume of a kind (factors, told or not) counting alike. The coverage of a subject is found with the
    scale of all others of its kind; where there are none, with its own. That of noise too, with the scale of all, is
    of the errors as they are.
    """
    kinds: dict[tuple[Any, ...], list[Expectation]] = {}
    for one in expectations:
        kinds.setdefault(_kind(one), []).append(one)
    return {
        "share": STAYS_BELOW,
        "kinds": [
            {"factors": list(factors), "told": told, "scale": round(_scale(alike), 4)}
            for (factors, told), alike in kinds.items()
        ],
        "figures": [
            {
                **one.named,
                "coverage": round(_coverage(one, [e for e in kinds[_kind(one)] if _other(e, one)] or [one]), 4),
                "coverage_of_noise_too": round(
                    float(np.mean(one.made <= one.expected * _scale(kinds[_kind(one)]))), 4
                ),
                "noise": round(one.noise, 4),
                "rank_correlation": _rank(one.expected, one.local),
                "rank_correlation_of_gradient": _rank(one.steepness, one.local),
                "rank_correlation_of_voxels": _rank(one.expected, one.made),
                "rank_correlation_of_voxels_of_gradient": _rank(one.steepness, one.made),
            }
            for one in expectations
        ],
    }


def _kind(one: Expectation) -> tuple[Any, ...]:
    """Factors, whichever axes they belong to, and whether it was told how the scan was made."""
    return tuple(sorted(one.named["factors"])), one.named["told"]


def _other(one: Expectation, other: Expectation) -> bool:
    return one.named["subject"] != other.named["subject"]


def _scale(expectations: Sequence[Expectation]) -> float:
    ratios = [e.needed / e.expected for e in expectations]
    weights = np.concatenate([np.full(len(r), 1 / len(r)) for r in ratios])
    pooled = np.concatenate(ratios)
    order = np.argsort(pooled)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(pooled[order][np.searchsorted(reached, STAYS_BELOW)])


def _coverage(one: Expectation, others: Sequence[Expectation]) -> float:
    return float(np.mean(one.needed <= one.expected * _scale(others)))


def _rank(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation."""
    return round(float(stats.spearmanr(first, second).statistic), 3)
