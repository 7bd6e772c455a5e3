"""From a trained network to a weight file with its card, figures included."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..dataset.manifest import NOT_STATED
from ..dataset.subjects import Truth
from ..evaluation.figures import Row, compare
from ..image.grid import Triple
from ..models.card import Card, save_network
from ..networks.base import Network
from .calibration import FEW, Expectation, calibration, draw_trust
from .config.train_config import Protocol
from .data.simulation import kept_kspace
from .weights_report import trials

OPEN_LICENCE = "CC BY 4.0"
NONCOMMERCIAL_LICENCE = "CC BY-NC 4.0"

VOLUMES_SHOWN = 3
"""In the picture."""


def export(
    network: Network,
    name: str,
    summary: str,
    protocol: Protocol,
    truths: Sequence[Truth],
    factors: Sequence[Triple],
    commands: list[dict[str, Any]],
    folder: Path,
    start: Mapping[str, str] | None = None,
    pictures: Path | None = None,
) -> Card:
    """Write the weights and their card to ``folder``.

    The figures are those of the shipped road on every validation volume (see ``trial.trials``). The folder
    ``pictures`` gets ``validation.png``, which shows the first of the volumes, and ``trust.png`` of a network that
    tells which errors to expect. ``start`` is what is noted of the weights that the training began from (see
    ``run.noted_start``). The licence is the strictest of them and of the volumes'.
    """
    card = _card(network, name, summary, protocol, [t for t in truths if t.split == "train"], commands, start)
    figures: list[dict[str, Any]] = []
    expectations: list[Expectation] = []
    rows: dict[tuple[str, str], Row] = {}
    with tempfile.TemporaryDirectory() as trial_folder:
        saved = save_network(network, card, Path(trial_folder))
        for trial in trials(saved, [t for t in truths if t.split == "validate"], protocol, factors):
            figures.append(trial.figure())
            if found := trial.expectation():
                expectations.append(found)
            if len(rows) < VOLUMES_SHOWN:
                rows.setdefault((trial.truth.subject, trial.truth.contrast), trial.row())
        if expectations:
            for trial in trials(saved, _of_few(truths), protocol, factors):
                expectations += [found] if (found := trial.expectation()) else []
    trust = calibration(expectations) if expectations else card.trust
    if pictures and rows:
        compare(list(rows.values()), pictures / "validation.png")
    if pictures and expectations:
        draw_trust(expectations, trust, pictures / "trust.png")
    return save_network(network, replace(card, figures=figures, trust=trust), folder)


def _of_few(truths: Sequence[Truth]) -> list[Truth]:
    """The training volumes of contrasts of which too few subjects validate to know what errors to expect."""
    validating = {(truth.contrast, truth.subject) for truth in truths if truth.split == "validate"}
    counts = Counter(contrast for contrast, _ in validating)
    return [truth for truth in truths if truth.split == "train" and 0 < counts[truth.contrast] <= FEW]


def _card(
    network: Network,
    name: str,
    summary: str,
    protocol: Protocol,
    truths: Sequence[Truth],
    commands: list[dict[str, Any]],
    start: Mapping[str, str] | None,
) -> Card:
    flat = network.dimensions == 2
    used = [t for t in truths if flat or t.in_3d or len(t.planes) == 1]
    edges = [d for t in used for d in _true_spacing(t, flat)]
    # the architecture stands on the card itself; where somebody keeps a file is nobody else's concern
    settings = json.loads(json.dumps({k: v for k, v in asdict(protocol).items() if k not in ("architecture", "vgg")}))
    return Card(
        name=name,
        summary=summary,
        architecture=network.architecture,
        contrasts=sorted({t.contrast for t in used}),
        factors={"in_plane": network.factor}
        if network.factor > 1 and not network.restoring
        else _factors(protocol, network.dimensions),
        dimensions=network.dimensions,
        references=network.references,
        planes=sorted({p for t in used for p in t.planes}) if flat else [],
        spacing_mm=[round(min(edges), 2), round(max(edges), 2)],
        acquisition={
            "blur": "fixed",
            "sigma": protocol.sigma,
            "radius": protocol.radius,
            "kspace": list(kept_kspace(protocol, network.dimensions)),
            "noise": "none",
        },
        training={
            "data": [
                {
                    "subject": t.subject,
                    "contrast": t.contrast,
                    "planes": list(t.planes),
                    "licence": t.licence,
                    "source": t.source,
                }
                for t in used
            ],
            "settings": settings,
            "commands": commands,
            **({"start": dict(start)} if start else {}),
        },
        figures=[],
        # as the network tells, until it is known how far that is from the truth
        trust={"kinds": []} if network.outputs > 1 else {},
        licence=_strictest([t.licence for t in used] + ([start["licence"]] if start else [])),
    )


def _true_spacing(truth: Truth, flat: bool) -> Sequence[float]:
    """mm between the voxels along the axes in which a network is shown that it is true."""
    spacing = truth.volume.grid.spacing
    return spacing if truth.in_3d and not flat else sorted(spacing)[:2]


def _strictest(licences: Sequence[str]) -> str:
    """The licence of weights that were made of what has ``licences``."""
    if any("NC" in licence for licence in licences):
        return NONCOMMERCIAL_LICENCE
    return NOT_STATED if NOT_STATED in licences else OPEN_LICENCE


def _factors(protocol: Protocol, dimensions: int) -> dict[str, float]:
    """The range of those that were mixed in training; along one axis alone, as of thick slices, there may be more."""
    # what a 2D network leaves alone across its slices is no factor of its own
    choices = [choice[:dimensions] for choice in protocol.factors]
    ends = [sorted(highest for _, highest in choice) for choice in choices]
    along_one, along_others = max(choice[-1] for choice in ends), max(choice[-2] for choice in ends)
    return {
        "lowest": min(lowest for choice in choices for lowest, _ in choice),
        "highest": along_others,
        **({"highest_along_one": along_one} if along_one > along_others else {}),
    }
