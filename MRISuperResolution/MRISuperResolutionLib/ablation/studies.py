"""The studies of the papers by name: what is varied, and from what; needs neither numpy nor torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import RequestError

RECNN_BUDGET: dict[str, Any] = {"steps": 300, "batch": 8, "patches_per_block": 4, "validate_every": 50}
"""2,400 patches where the paper draws 640,000: a laptop's evening for a study, not a published figure."""

DGGRN_BUDGET: dict[str, Any] = {
    "steps": 600,
    "batch": 16,
    "patch": 24,
    "patches_per_block": 4,
    "validate_every": 100,
    # the paper's rate is for a hundred times as many steps
    "learning_rate": 5e-4,
    "schedule": "cosine",
    "gradient_clip": 0.5,
}

SCRATCH = "none"
"""The value of ``transfer`` that begins with random weights."""


@dataclass(frozen=True)
class Variant:
    """One training of a study: the preset, settings in place of its own, weights to begin with, and how many of the
    training subjects it sees (None: all)."""

    protocol: str
    settings: dict[str, Any] = field(default_factory=dict)
    start: str | None = None
    subjects: int | None = None


@dataclass(frozen=True)
class Study:
    """What is varied, and where the paper shows it.

    values    to try, unless others are asked for
    variant   from a value to its training
    factors   that all are judged at, as texts; none: those that the network is made for
    """

    about: str
    values: tuple[str, ...]
    variant: Callable[[str], Variant]
    budget: dict[str, Any]
    factors: tuple[str, ...] = ()


def _recnn(setting: str, read: Callable[[str], Any] = str) -> Callable[[str], Variant]:
    return lambda value: Variant("recnn", {setting: read(value)})


def _size(parameter: str, preset: str = "recnn", read: Callable[[str], Any] = int) -> Callable[[str], Variant]:
    """The variant of which one size of the network is the value."""
    return lambda value: Variant(preset, {"architecture": {parameter: read(value)}})


def _yes(value: str) -> bool:
    return {"yes": True, "no": False}[value]


STUDIES = {
    "optimisers": Study(
        "Pham et al., Fig. 2", ("sgd", "nesterov", "rmsprop", "adam"), _recnn("optimiser"), RECNN_BUDGET
    ),
    "initialisations": Study(
        "Pham et al., Fig. 3",
        ("normal-0.001", "normal-0.01", "xavier", "he"),
        _recnn("initialisation"),
        RECNN_BUDGET,
    ),
    "residual": Study(
        "what the network gives is added to the spline; Pham et al., Fig. 4",
        ("no", "yes"),
        _size("residual", read=_yes),
        RECNN_BUDGET,
    ),
    "depth": Study("layers; Pham et al., Fig. 5", ("3", "5", "7", "10", "20"), _size("layers"), RECNN_BUDGET),
    "filter-size": Study("Pham et al., Fig. 6", ("3", "5"), _size("kernel"), RECNN_BUDGET),
    "filters": Study("Pham et al., Fig. 6", ("16", "32", "64"), _size("filters"), RECNN_BUDGET),
    "patch-size": Study("Pham et al., Fig. 7", ("11", "15", "21", "25", "31"), _recnn("patch", int), RECNN_BUDGET),
    "subjects": Study(
        "the first so many; Pham et al., Fig. 8",
        ("1", "2", "3"),
        lambda value: Variant("recnn", subjects=int(value)),
        RECNN_BUDGET,
    ),
    "scales": Study(
        "factors to train on, + between those that are mixed; Pham et al., Table 1",
        ("2,2,2", "3,3,3", "2,2,2+3,3,3", "2-3,2-3,2-3"),
        lambda value: Variant("recnn", {"factors": value.split("+")}),
        RECNN_BUDGET,
        ("2,2,2", "2,2,3", "2,2.5,2", "2,3,3", "2.5,2.5,2.5", "3,3,3"),
    ),
    "multimodal": Study("references; Pham et al., Fig. 10", ("0", "1"), _size("references"), RECNN_BUDGET),
    "transfer": Study(
        f"weights to begin with, {SCRATCH}: random ones; Pham et al., section 6, who leave fine-tuning open",
        (SCRATCH, "recnn10-t1w"),
        lambda value: Variant("recnn", start=None if value == SCRATCH else value),
        RECNN_BUDGET,
    ),
    "losses": Study(
        "gradient: with that of Sobel's gradient (Du & He, Eq. 4)",
        ("mse", "l1", "gradient", "relative"),
        _recnn("loss"),
        RECNN_BUDGET,
    ),
    "guidance": Study(
        "by the gradient or not, and a plainer network; Du & He, section 5.1",
        ("scsr", "resnet", "dggrn"),
        lambda value: Variant(value),
        DGGRN_BUDGET,
    ),
    "blocks": Study("Du & He, section 5.3", ("2", "4", "8", "12"), _size("blocks", "dggrn"), DGGRN_BUDGET),
    "dggrn-filters": Study("Du & He, section 5.3", ("32", "64", "128"), _size("filters", "dggrn"), DGGRN_BUDGET),
}


def find_study(name: str) -> Study:
    """RequestError for an unknown name."""
    if name not in STUDIES:
        raise RequestError(f"unknown study {name!r}: choose one of {', '.join(STUDIES)}")
    return STUDIES[name]


def find_variant(study: Study, value: str) -> Variant:
    """RequestError for a value that the study cannot read."""
    try:
        return study.variant(value)
    except (ValueError, KeyError):
        raise RequestError(f"cannot read the value {value!r}: write such as {', '.join(study.values)}") from None
