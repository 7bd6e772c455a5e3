"""Where an input lies outside what a model was trained on, in sentences for its user; needs no torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..image.grid import Grid
from ..models.card import Card
from .request import Plan

if TYPE_CHECKING:
    from ..methods.base import Method
    from ..physics.acquisition import Acquisition

SPACING_SLACK = 1.25
"""How far beyond the trained voxel sizes a result may lie before it is worth a warning."""

TOLD_SLACK = 2.0
"""How many times the widest blur, or the most noise, of its training a network may be told of: beyond, what it
makes is no head."""

CONTRASTS = {
    "FLAIR": r"flair",
    "CT": r"\bct\b|computed tomography",
    "PDw": r"\bpdw?\b|proton",
    "T2w": r"\bt2",
    "T1w": r"\bt1|mp-?rage|spgr|bravo",
}


def contrast_named(text: str) -> str | None:
    """The contrast that a name or a description tells ("T1w", "T2w", "FLAIR", "PDw", "CT"); None in doubt."""
    # \b does not see an underscore as the end of a word
    words = text.lower().replace("_", " ")
    found = [contrast for contrast, pattern in CONTRASTS.items() if re.search(pattern, words)]
    if "FLAIR" in found:
        return "FLAIR"
    return found[0] if len(found) == 1 else None


def warnings(card: Card | Method | None, grid: Grid, plan: Plan, contrast: str | None = None) -> list[str]:
    """Sentences on contrast, spacing and anisotropy for an input on ``grid``; empty where all is as trained."""
    if not isinstance(card, Card):
        return []
    return [*_contrast(card, contrast), *_spacing(card, plan), *_anisotropy(card, grid, plan)]


def _contrast(card: Card, contrast: str | None) -> list[str]:
    learned = " and ".join(card.contrasts)
    if contrast is None:
        return [f"This network learned from {learned} volumes only: check that yours is one."]
    if contrast in card.contrasts:
        return []
    return [f"The input seems to be {contrast}, but this network learned from {learned} volumes only."]


def _spacing(card: Card, plan: Plan) -> list[str]:
    spacing = [d for axis, d in enumerate(plan.target.spacing) if axis != plan.slice_axis]
    lowest, highest = card.spacing_mm
    if lowest / SPACING_SLACK <= min(spacing) and max(spacing) <= highest * SPACING_SLACK:
        return []
    given = " x ".join(f"{d:.3g}" for d in spacing)
    return [
        f"The result will have voxels of {given} mm; this network learned to give {lowest:.3g} to {highest:.3g} mm."
    ]


def _anisotropy(card: Card, grid: Grid, plan: Plan) -> list[str]:
    if plan.slice_axis is not None:
        planes = card.planes
        if plan.plane not in planes:
            return [f"This network learned from {' and '.join(planes)} slices, not from {plan.plane} ones."]
        return []
    anisotropy = max(grid.spacing) / min(grid.spacing)
    highest = card.highest_along_one
    if anisotropy <= highest * SPACING_SLACK:
        return []
    return [
        f"The input's voxels are {anisotropy:.1f} times longer than wide; this network learned from voxels up to "
        f"{highest:g} times."
    ]


def check_told(card: Card, acquisition: Acquisition) -> None:
    """Raise RequestError where the blur or the noise lies far beyond what the network of ``card`` learned from."""
    # scipy takes its time
    from ..physics.encoding import FWHM_PER_SIGMA, like_gaussian

    learned = card.training.get("settings", {})
    if "sigma" not in learned:
        return
    widest = TOLD_SLACK * max(
        learned["sigma"] * (1 + learned["sigma_spread"]), max(acquisition.factors) / FWHM_PER_SIGMA
    )
    blurs = [
        like_gaussian(axis, f) * f for axis, f in zip(acquisition.axes, acquisition.factors, strict=True) if f > 1
    ]
    if max(blurs, default=0.0) > widest:
        raise RequestError(
            f"the model {card.name} can be told of a blur of up to {widest:.2g} fine voxels at these factors, not of "
            f"{max(blurs):.3g}: leave out the blur, or take ibp, lrtv or nmu"
        )
    noisiest = TOLD_SLACK * learned["noise"]
    if acquisition.noise_level > noisiest > 0:
        raise RequestError(
            f"the model {card.name} can be told of noise of up to {noisiest:g} of the range, not of "
            f"{acquisition.noise_level:g}: tell less, or leave out the blur"
        )
