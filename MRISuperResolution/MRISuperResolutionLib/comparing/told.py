"""What a contender is told of the scan that it is given, by what stands behind its name.

NAME             the truth, for methods that undo the acquisition and for networks on the scan's own grid
NAME+consistent  the truth, for networks on the target grid: what they make is changed so that it explains the scan
NAME+untold      nothing: what users get who say nothing of their scanner
NAME+sharp       no blur at all, and the usual noise, whatever the truth is, as users do who say --blur none
NAME+sigma=X     a Gaussian blur of X fine voxels, whatever the truth is, and the usual noise, as users do who say
                 --blur fixed --sigma X
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..errors import RequestError
from ..methods.base import Method
from ..physics.acquisition import Acquisition
from ..restoration import USUAL_NOISE, sharp_scan
from ..weights import Card

CONSISTENT, UNTOLD, SHARP, SIGMA = "consistent", "untold", "sharp", "sigma="

TELLING = re.compile(rf"(.*)\+({CONSISTENT}|{UNTOLD}|{SHARP}|{SIGMA}\d+(?:\.\d+)?)")


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


def told(telling: str, model: Card | Method, truth: Acquisition) -> Acquisition | None:
    """What ``model`` is told where ``truth`` made the scan; as it acts on the target grid."""
    undoes = model.undoes if isinstance(model, Method) else model.restoring
    if telling == UNTOLD or not (undoes or telling):
        return None
    if telling == SHARP:
        return sharp_scan(truth.factors)
    if telling.startswith(SIGMA):
        return Acquisition.gaussian(truth.factors, _sigma(telling)).with_noise(USUAL_NOISE)
    return replace(truth, sampling="cells")


def _sigma(telling: str) -> float:
    return float(telling.removeprefix(SIGMA))
