"""The models that the panel offers: weights of one network that differ in their factor alone are one entry."""

from __future__ import annotations

from dataclasses import dataclass

from MRISuperResolutionLib.weights import SPLINE, Card, catalogue


@dataclass(frozen=True)
class Model:
    """An entry: its plain name, one line on what it is good for, and its cards (none: spline) by factor."""

    title: str
    summary: str
    cards: tuple[Card, ...] = ()

    @property
    def names(self) -> list[str]:
        """What the command line calls it, one name a factor."""
        return [card.name for card in self.cards] or [SPLINE]

    @property
    def dimensions(self) -> int:
        return self.cards[0].dimensions if self.cards else 3

    @property
    def references(self) -> int:
        return self.cards[0].references if self.cards else 0

    def card(self, name: str) -> Card | None:
        """The card called ``name``; None for spline."""
        return next((card for card in self.cards if card.name == name), None)


def offered() -> list[Model]:
    """All entries: the networks that are shipped, then the spline."""
    families: dict[tuple, list[Card]] = {}
    for card in catalogue():
        families.setdefault(_family(card), []).append(card)
    models = [
        Model(_title(cards[0]), "; ".join(card.summary for card in cards), tuple(cards))
        for cards in map(_by_factor, families.values())
    ]
    yardstick = Model("Cubic spline (no network)", "smooth interpolation of any volume, the yardstick")
    return [*models, yardstick]


def _family(card: Card) -> tuple:
    if card.dimensions == 3:
        return (card.name,)
    return card.architecture["name"], *card.contrasts, *card.planes


def _by_factor(cards: list[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: card.factors.get("in_plane", 0.0))


def _title(card: Card) -> str:
    name = card.architecture["name"]
    if "layers" in card.architecture:
        name += f"-{card.architecture['layers']}"
    how = "slice by slice" if card.dimensions == 2 else "whole volume"
    return f"{name}, {' and '.join(card.contrasts)}, {how}" + (", with a reference" if card.references else "")
