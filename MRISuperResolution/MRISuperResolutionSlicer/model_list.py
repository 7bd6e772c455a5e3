"""The models that the panel offers: weights of one network that differ in their factor alone are one entry."""

from __future__ import annotations

from dataclasses import dataclass

from MRISuperResolutionLib.models.card import SPLINE, Card, catalogue
from MRISuperResolutionLib.pipeline.model_selection import AUTO

AUTOMATIC = "Automatic: the network that suits the input"

IN_PLANE = (2, 3, 4)
"""Factors that are offered for a 2D network which takes any."""


@dataclass(frozen=True)
class Model:
    """An entry: its plain name, one line on what it is good for, and its cards (none: spline) by factor. An
    ``automatic`` one stands for whichever of its cards suits the input."""

    title: str
    summary: str
    cards: tuple[Card, ...] = ()
    automatic: bool = False

    @property
    def names(self) -> list[str]:
        """What the command line calls it, one name a factor."""
        return [AUTO] if self.automatic else [card.name for card in self.cards] or [SPLINE]

    @property
    def dimensions(self) -> int:
        return self.cards[0].dimensions if self.cards else 3

    @property
    def references(self) -> int:
        return max((card.references for card in self.cards), default=0)

    @property
    def needs_reference(self) -> bool:
        return self.references > 0 and not self.automatic and not self.cards[0].references_optional

    @property
    def in_plane(self) -> list[tuple[float, str]]:
        """The factors in the plane that a 2D model offers, each with the name of the weights for it."""
        choices = []
        for card in self.cards:
            fixed = card.factors.get("in_plane")
            whole = [fixed] if fixed else [f for f in IN_PLANE if f <= card.factors["highest"]]
            choices += [(float(factor), card.name) for factor in whole]
        return choices

    def card(self, name: str) -> Card | None:
        """The card called ``name``; None for spline."""
        return next((card for card in self.cards if card.name == name), None)


def offered() -> list[Model]:
    """All entries: the automatic one, networks of the whole volume, then of slices, then with a reference, and the
    spline last."""
    families: dict[tuple, list[Card]] = {}
    for card in sorted(catalogue(), key=lambda card: (card.references, -card.dimensions)):
        families.setdefault(_family(card), []).append(card)
    yardstick = Model("Cubic spline (no network)", "smooth interpolation of any volume, the yardstick")
    whole = tuple(card for cards in families.values() for card in cards if card.dimensions == 3)
    automatic = [Model(AUTOMATIC, "any volume: the network that suits it", whole, automatic=True)] if whole else []
    return [*automatic, *(_entry(cards) for cards in families.values()), yardstick]


def _entry(cards: list[Card]) -> Model:
    cards.sort(key=lambda card: card.factors.get("in_plane", 0.0))
    return Model(_title(cards[0]), "; ".join(card.summary for card in cards), tuple(cards))


def _family(card: Card) -> tuple:
    if card.dimensions == 3:
        return (card.name,)
    return card.architecture["name"], *card.contrasts, *card.planes


def _title(card: Card) -> str:
    name = card.architecture["name"]
    if "layers" in card.architecture:
        name += f"-{card.architecture['layers']}"
    how = "slice by slice" if card.dimensions == 2 else "whole volume"
    if card.cells.thick:
        how = "thick slices"
    return f"{name}, {' and '.join(card.contrasts)}, {how}" + (", with a reference" if card.references else "")
