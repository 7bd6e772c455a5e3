"""The names that can be compared: methods, shipped weights, and families of weights that share the cases."""

from __future__ import annotations

import re
from dataclasses import replace

from ..errors import RequestError
from ..image.volume import Volume
from ..inference.scan_restoration import USUAL_NOISE, sharp_scan
from ..methods import METHODS
from ..methods.base import Method
from ..models.card import Card, baselines, catalogue
from ..models.registry import find_model
from ..physics.acquisition import Acquisition
from ..pipeline.request import Plan, plan
from ..pipeline.scan_acquisition import AUTO
from .case import Case

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


CONSISTENT, UNTOLD, SHARP, SIGMA, ESTIMATED = "consistent", "untold", "sharp", "sigma=", "auto"

TELLING = re.compile(rf"(.*)\+({CONSISTENT}|{UNTOLD}|{SHARP}|{ESTIMATED}|{SIGMA}\d+(?:\.\d+)?)")


def split(name: str) -> tuple[str, str]:
    """The name of a method or of weights, and what stands behind its +."""
    found = TELLING.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def check_telling(telling: str, method: Method | None) -> None:
    """Raise RequestError for what cannot be told to a ``method``, or to a network (None)."""
    if telling == CONSISTENT and method:
        raise RequestError(f"+{CONSISTENT} is for networks")
    if telling not in ("", CONSISTENT, UNTOLD) and method and not method.undoes:
        raise RequestError(f"{method.name} undoes no blur: leave out +{telling}")
    if telling.startswith(SIGMA):
        Acquisition.gaussian((1, 1, 1), _sigma(telling))


def told(telling: str, model: Card | Method, truth: Acquisition) -> Acquisition | str | None:
    """What ``model`` is told where ``truth`` made the scan; as it acts on the target grid."""
    undoes = model.undoes if isinstance(model, Method) else model.restoring
    if telling == ESTIMATED:
        return AUTO
    if telling == UNTOLD or not (undoes or telling):
        return None
    if telling == SHARP:
        return sharp_scan(truth.factors)
    if telling.startswith(SIGMA):
        return Acquisition.gaussian(truth.factors, _sigma(telling)).with_noise(USUAL_NOISE)
    return replace(truth, sampling="cells")


def _sigma(telling: str) -> float:
    return float(telling.removeprefix(SIGMA))
