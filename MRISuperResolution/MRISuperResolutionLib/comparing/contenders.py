"""The names that can be compared: methods, shipped weights, and families of weights that share the cases."""

from __future__ import annotations

import re

from ..errors import RequestError
from ..methods import METHODS
from ..methods.base import Method
from ..models import find_model
from ..request import Plan, plan
from ..volume import Volume
from ..weights import Card, baselines, catalogue
from .case import Case
from .told import check_telling, split

SUFFIX = re.compile(r"(-(t1w|t2w|flair|pdw))*(-x\d+)?$")
"""What a family's name lacks: contrasts and a factor."""

DEPTH = re.compile(r"^recnn(2d|\d+)-(?=multimodal)")
"""And what the multimodal networks are made of, of which there is one family for slices and volumes."""


def listed() -> list[str]:
    """All names: the methods, then the families of weights, those of the baselines first."""
    return [*METHODS, *dict.fromkeys(family(card.name) for card in [*baselines(), *catalogue()])]


def family(name: str) -> str:
    return DEPTH.sub("", SUFFIX.sub("", name))


def check(names: list[str]) -> None:
    """Raise RequestError for a name that stands for nothing."""
    known = listed()
    for given in names:
        name, telling = split(given)
        check_telling(telling, METHODS.get(name))
        if name not in known:
            try:
                find_model(name)
            except RequestError:
                raise RequestError(f"unknown method {name!r}: choose from {', '.join(known)}, or weights") from None


def contender(name: str, case: Case, low: Volume, references: int) -> tuple[Card | Method, int] | None:
    """The model that ``name`` stands for in this case, and how many references it is given; None where there is none.

    What stands behind its + makes no difference (see ``told``). Of a family, the weights that were made for the
    case's contrast and factors; of several, the first of those for slices where slices are degraded, for volumes
    elsewhere.
    """
    name, _ = split(name)
    if name in listed() and name not in METHODS:
        models: list[Card | Method] = [c for c in [*baselines(), *catalogue()] if family(c.name) == name]
        models = [m for m in models if isinstance(m, Card) and case.truth.contrast in m.contrasts]
        models.sort(key=lambda model: (model.dimensions == 2) != (case.plane is not None))
    else:
        models = [find_model(name)]
    for model in models:
        given = min(model.references, references)
        if planned(model, case, low, given):
            return model, given
    return None


def planned(model: Card | Method, case: Case, low: Volume, references: int) -> Plan | None:
    """The plan for bringing ``low`` back to the grid of the truth; None where the model was not made for it."""
    if model.dimensions == 2 and case.plane is None:
        return None
    try:
        return plan(
            low.grid,
            model,
            spacing=case.truth.volume.grid.spacing,
            plane=case.plane if model.dimensions == 2 else None,
            references=references,
        )
    except RequestError:
        return None
