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
    """All entries: networks of the whole volume, then of slices, then with a reference, and the spline last."""
    families: dict[tuple, list[Card]] = {}
    for card in sorted(catalogue(), key=lambda card: (card.references, -card.dimensions)):
        families.setdefault(_family(card), []).append(card)
    yardstick = Model("Cubic spline (no network)", "smooth interpolation of any volume, the yardstick")
    return [*(_entry(cards) for cards in families.values()), yardstick]


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
    return f"{name}, {' and '.join(card.contrasts)}, {how}" + (", with a reference" if card.references else "")
