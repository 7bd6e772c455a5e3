"""Which of the shipped weights serve a volume best, and why; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..image.grid import Grid, unlike
from ..models.card import SPLINE, Card
from .input_checks import warnings
from .request import Plan, plan

if TYPE_CHECKING:
    from ..methods.base import Method

AUTO = "auto"
"""What stands for the choice among the names of models."""


@dataclass(frozen=True)
class Choice:
    """The weights, or the interpolation that none was measured to be better than, and the sentence that says why."""

    card: Card | Method
    why: str


def choose(
    cards: Sequence[Card],
    grid: Grid,
    contrast: str | None = None,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: int = 0,
    acquisition: str | None = None,
) -> Choice:
    """The best of ``cards`` for a volume on ``grid`` and what is asked of it (see ``request.plan``).

    contrast     of the volume; None where it is not known: then only weights that learned from several will do
    acquisition  of ``physics.presets.PRESETS``, as the scan was acquired; None where it is not known

    Those that were made for the factors, take the references and learned from the contrast come into question; of
    these the ones with the fewest warnings, then those that learned from scans of many kinds of blur (what the others
    gain depends on the scan's being the one that they learned from), then those with the most gain over the spline on
    volumes of the contrast that they never saw, at the factors most like those asked for, under the acquisition
    if they were measured under it. Where that is less than sinc or spline reach, these are chosen. Without a plane
    all of the volume is made finer. Raises RequestError where none will do.
    """
    able = [(card, found) for card in cards if (found := _planned(card, grid, scale, spacing, plane, references))]
    fit = [(card, found) for card, found in able if _knows(card, contrast)]
    if not able:
        # what nothing can do
        plan(grid, None, scale, spacing)
    if not fit:
        raise RequestError(_none_fits(cards, bool(able), contrast))
    card, planned = max(
        fit,
        key=lambda pair: (
            -len(warnings(pair[0], grid, pair[1], contrast)),
            pair[0].restoring,
            gain(pair[0], contrast, pair[1].factors, acquisition),
            -pair[0].cost.get("operations", 0.0) / pair[0].cells.voxels,
        ),
    )
    known = measured(card, contrast, planned.factors, acquisition)
    if known and known.gain < max(0.0, known.sinc):
        # the methods need scipy, which takes its time
        from ..methods import METHODS

        name = "sinc" if known.sinc > 0 else SPLINE
        why = f"{name}: no network was measured to be better on such scans ({card.name}: {known.gain:+.1f} dB)"
        return Choice(METHODS[name], why)
    return Choice(card, _why(card, contrast, planned.factors, acquisition))


@dataclass(frozen=True)
class Measured:
    """Mean gains in dB over the spline of a network and of sinc, on ``count`` scans that it never saw."""

    gain: float
    sinc: float
    count: int


def measured(card: Card, contrast: str | None, factors: Sequence[float], acquisition: str | None) -> Measured | None:
    """What the card tells of scans under ``acquisition``, of the ``contrast`` (all, where there are none of it), at
    the factors that are most like ``factors``; None where nothing was measured under it."""
    figures = [figure for figure in card.measured if figure["acquisition"] == acquisition]
    figures = [figure for figure in figures if figure["contrast"] == contrast] or figures
    if not figures:
        return None
    nearest = min(unlike(figure["factors"], factors) for figure in figures)
    figures = [figure for figure in figures if unlike(figure["factors"], factors) == nearest]
    gains, sinc = (
        [figure[key] - figure["spline_psnr_db"] for figure in figures] for key in ("psnr_db", "sinc_psnr_db")
    )
    return Measured(sum(gains) / len(gains), sum(sinc) / len(sinc), len(figures))


def harm(card: Card, contrast: str | None, factors: Sequence[float], acquisition: str | None) -> str | None:
    """A warning where the network of the card was measured to be worse than spline or sinc on such scans."""
    found = measured(card, contrast, factors, acquisition)
    if found is None or found.gain >= max(0.0, found.sinc):
        return None
    than = "the spline" if found.gain < 0 else "sinc"
    return (
        f"{card.name} gave {found.gain:+.1f} dB over the spline on such scans (sinc "
        f"{found.sinc:+.1f}), less than {than}: take auto, or look at the result beside the input"
    )


def gain(card: Card, contrast: str | None, factors: Sequence[float], acquisition: str | None = None) -> float:
    """Mean gain in dB over the spline, under the ``acquisition`` if it was measured; else on the card's volumes of
    ``contrast`` (all, where there are none of it), at those of its factors that are most like ``factors``, blind."""
    if found := measured(card, contrast, factors, acquisition):
        return found.gain
    # cards of an earlier time tell of such networks what they gain that are told
    figures = [figure for figure in card.figures if not figure.get("told", card.restoring)]
    figures = [figure for figure in figures if figure["contrast"] == contrast] or figures
    nearest = min((unlike(figure["factors"], factors) for figure in figures), default=0.0)
    figures = [figure for figure in figures if unlike(figure["factors"], factors) == nearest]
    gains = [figure["psnr_db"] - figure["spline_psnr_db"] for figure in figures]
    return sum(gains) / len(gains) if gains else 0.0


def _planned(
    card: Card,
    grid: Grid,
    scale: Sequence[float] | None,
    spacing: Sequence[float] | None,
    plane: str | None,
    references: int,
) -> Plan | None:
    # slices only where they are asked for
    if (card.dimensions == 2) != (plane is not None):
        return None
    try:
        return plan(grid, card, scale, spacing, plane, references)
    except RequestError:
        return None


def _knows(card: Card, contrast: str | None) -> bool:
    return len(card.contrasts) > 1 if contrast is None else contrast in card.contrasts


def _none_fits(cards: Sequence[Card], able: bool, contrast: str | None) -> str:
    if not able:
        return (
            f"none of the {len(cards)} weights was made for this request: ask for other factors, references or a "
            "plane, or take the spline (--model spline)"
        )
    if contrast is None:
        return "the contrast is not known, and no weights for this request learned from several: say it (--contrast)"
    known = ", ".join(sorted({name for card in cards for name in card.contrasts}))
    return f"no weights for this request learned from {contrast} volumes, only from {known}: take the spline"


def _why(card: Card, contrast: str | None, factors: Sequence[float], acquisition: str | None) -> str:
    learned = f"it learned from {', '.join(card.contrasts)} volumes"
    parts = [f"{learned} of many kinds of blur" if card.restoring else learned]
    own = card.factors.get("in_plane")
    parts.append(f"makes slices {own:g} times finer" if own else f"takes factors {card.range_text}")
    if card.figures or card.measured:
        gained = gain(card, contrast, factors, acquisition)
        parts.append(f"gains {gained:.1f} dB over the spline on unseen scans of this kind")
    return f"{card.name}: {', '.join(parts)}"
