"""A study: its variants trained one after the other on the same data, judged on the same volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..dataset.subjects import Truth
from ..errors import RequestError
from ..image.grid import Triple
from ..training.config.presets import preset
from ..training.config.train_config import Protocol, highest, parse_factors
from ..training.curves import Curve, read_curves
from ..training.run import train
from ..training.validate import Examiner
from .studies import Study, Variant, find_variant


@dataclass(frozen=True)
class Finding:
    """What came of one value: gains over spline in dB (see ``Examiner``) at the end, and how they grew."""

    value: str
    parameters: int
    gains: Mapping[str, float]
    seconds_step: float | None
    curve: Curve


def investigate(
    study: Study, values: Sequence[str], truths: Sequence[Truth], folder: Path, given: Mapping[str, Any]
) -> Iterator[Finding]:
    """Train each of the ``values`` in its own folder below ``folder``, and judge it on the validation volumes.

    ``given``  settings (see ``Protocol``) in place of the study's budget; what is varied comes before them
    A study that was interrupted goes on where it was. Raises RequestError, before anything is trained, for a value
    or a setting that makes no sense and where nothing can be judged; and what ``train`` raises.
    """
    if not any(truth.split == "validate" for truth in truths):
        raise RequestError("there is nothing to judge by: name subjects that validate (--validate)")
    variants = [find_variant(study, value) for value in values]
    protocols = [protocol_of(study, variant, given) for variant in variants]
    chosen = [_first(truths, variant.subjects) for variant in variants]
    for value, variant, protocol, seen in zip(values, variants, protocols, chosen, strict=True):
        trained = list(dict.fromkeys(highest(choice) for choice in protocol.factors))
        run = folder / _folder_name(value)
        network = train(protocol, seen, run, trained, start=variant.start, progress=False)
        if network is None:
            # another process judges
            continue
        judged: list[Triple] = [highest(parse_factors(text)) for text in study.factors] or trained
        validating = [truth for truth in truths if truth.split == "validate"]
        curves = read_curves(run)
        yield Finding(
            value,
            sum(parameter.numel() for parameter in network.parameters()),
            Examiner(validating, network, protocol, judged)(network),
            float(1 / np.median(curves["steps/s"][1])) if "steps/s" in curves else None,
            curves["gain"],
        )


def protocol_of(study: Study, variant: Variant, given: Mapping[str, Any]) -> Protocol:
    """The study's budget, what is ``given`` in its place, and what the variant varies."""
    settings = {**study.budget, **given, **variant.settings}
    sizes = [s["architecture"] for s in (given, variant.settings) if "architecture" in s]
    if sizes:
        # what is varied is one size of several
        settings["architecture"] = {name: size for given_sizes in sizes for name, size in given_sizes.items()}
    return preset(variant.protocol, **settings)


def _first(truths: Sequence[Truth], subjects: int | None) -> list[Truth]:
    """The truths without those of training subjects beyond the first ``subjects``, in the order of their names."""
    there = sorted({truth.subject for truth in truths if truth.split == "train"})
    if subjects is None:
        return list(truths)
    if not 1 <= subjects <= len(there):
        raise RequestError(f"there are {len(there)} subjects to train on: ask for as many or fewer, not {subjects}")
    return [truth for truth in truths if truth.split != "train" or truth.subject in there[:subjects]]


def _folder_name(value: str) -> str:
    return "".join(c if c.isalnum() or c in "-.," else "_" for c in value)
