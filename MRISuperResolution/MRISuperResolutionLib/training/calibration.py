"""How large the errors are that a network expects of itself, against those that it makes on subjects it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage, stats

from ..tissue import tissue
from .losses import STAYS_BELOW

SAMPLES = 100_000
"""Voxels of each volume that are looked at."""


@dataclass(frozen=True)
class Expectation:
    """Of one volume, at the sampled voxels of tissue: errors that were made and expected, and how steep the spline's
    image is there."""

    named: dict[str, Any]
    made: np.ndarray
    expected: np.ndarray
    steepness: np.ndarray


def expectation(
    named: dict[str, Any], truth: np.ndarray, result: np.ndarray, expected: np.ndarray, spline: np.ndarray
) -> Expectation:
    """Of volumes [i, j, k] in normalised units, ``named`` by what stands with the figures."""
    rng = np.random.default_rng(0)
    voxels = np.flatnonzero(tissue(truth))
    voxels = rng.choice(voxels, min(SAMPLES, len(voxels)), replace=False)
    steepness = ndimage.gaussian_gradient_magnitude(spline, 1.0)
    made, told, steep = (array.ravel()[voxels] for array in (np.abs(result - truth), expected, steepness))
    return Expectation(named, made, told, steep)


def calibration(expectations: Sequence[Expectation]) -> dict[str, Any]:
    """What stands on a card as its trust (see ``weights.Card``).

    The factor brings the expected errors to where ``STAYS_BELOW`` of those made lie below them, each volume counting
    alike. The coverage of a subject is found with the factor of all others; where there are none, with its own.
    """
    return {
        "share": STAYS_BELOW,
        "factor": round(_factor(expectations), 4),
        "figures": [
            {
                **one.named,
                "coverage": round(_coverage(one, [e for e in expectations if _other(e, one)] or [one]), 4),
                "rank_correlation": _rank(one.expected, one.made),
                "rank_correlation_of_gradient": _rank(one.steepness, one.made),
            }
            for one in expectations
        ],
    }


def _other(one: Expectation, other: Expectation) -> bool:
    return one.named["subject"] != other.named["subject"]


def _factor(expectations: Sequence[Expectation]) -> float:
    ratios = [e.made / e.expected for e in expectations]
    weights = np.concatenate([np.full(len(r), 1 / len(r)) for r in ratios])
    pooled = np.concatenate(ratios)
    order = np.argsort(pooled)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(pooled[order][np.searchsorted(reached, STAYS_BELOW)])


def _coverage(one: Expectation, others: Sequence[Expectation]) -> float:
    return float(np.mean(one.made <= one.expected * _factor(others)))


def _rank(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation."""
    return round(float(stats.spearmanr(first, second).statistic), 3)
