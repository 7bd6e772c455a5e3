"""From a trained network to a weight file with its card, figures included."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..acquisition import Acquisition
from ..grid import PLANES, Triple
from ..metrics import evaluate
from ..networks.base import Network
from ..progress import Silent
from ..upscaling import upscale
from ..volume import Volume
from ..weights import SPLINE, Card, save_network
from .protocol import Protocol
from .truth import Truth

OPEN_LICENCE = "CC BY 4.0"
NONCOMMERCIAL_LICENCE = "CC BY-NC 4.0"


def export(
    network: Network,
    name: str,
    summary: str,
    protocol: Protocol,
    truths: Sequence[Truth],
    factors: Sequence[Triple],
    commands: list[dict[str, Any]],
    folder: Path,
) -> Card:
    """Write the weights and their card to ``folder``.

    The figures are those of the shipped road (``upscale``) on every validation volume: 3D networks at
    ``factors``, 2D networks at their own, slice by slice in the first plane in which the volume is true.
    One non-commercial training volume makes the weights non-commercial.
    """
    card = _card(network, name, summary, protocol, [t for t in truths if t.split == "train"], commands)
    with tempfile.TemporaryDirectory() as trial:
        saved = save_network(network, card, Path(trial))
        figures = [
            figure
            for truth in truths
            if truth.split == "validate"
            for figure in _figures(saved, truth, protocol, factors)
        ]
    return save_network(network, replace(card, figures=figures), folder)


def _card(
    network: Network,
    name: str,
    summary: str,
    protocol: Protocol,
    truths: Sequence[Truth],
    commands: list[dict[str, Any]],
) -> Card:
    flat = network.dimensions == 2
    used = [t for t in truths if flat or set(t.planes) == set(PLANES)]
    edges = [d for t in used for d in (sorted(t.volume.grid.spacing)[:2] if flat else t.volume.grid.spacing)]
    bounds = [b for choice in protocol.factors for b in choice]
    settings = json.loads(json.dumps(asdict(protocol)))
    del settings["architecture"]
    noncommercial = any("NC" in t.licence for t in used)
    return Card(
        name=name,
        summary=summary,
        architecture=network.architecture,
        contrasts=sorted({t.contrast for t in used}),
        factors={"in_plane": network.factor}
        if flat
        else {"lowest": min(b[0] for b in bounds), "highest": max(b[1] for b in bounds)},
        dimensions=network.dimensions,
        references=network.references,
        planes=sorted({p for t in used for p in t.planes}) if flat else [],
        spacing_mm=[round(min(edges), 2), round(max(edges), 2)],
        acquisition={"blur": "fixed", "sigma": protocol.sigma, "radius": protocol.radius, "noise": "none"},
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
        },
        figures=[],
        licence=NONCOMMERCIAL_LICENCE if noncommercial else OPEN_LICENCE,
    )


def _figures(card: Card, truth: Truth, protocol: Protocol, factors: Sequence[Triple]) -> list[dict[str, Any]]:
    if card.dimensions == 2:
        plane = truth.planes[0]
        axis = truth.volume.grid.slice_axis(plane)
        factor = card.factors["in_plane"]
        cases: list[tuple[str | None, Triple]] = [
            (plane, tuple(1.0 if a == axis else factor for a in range(3)))  # type: ignore[list-item]
        ]
    else:
        cases = [(None, f) for f in factors] if set(truth.planes) == set(PLANES) else []
    return [_figure(card, truth, protocol, plane, case) for plane, case in cases]


def _figure(card: Card, truth: Truth, protocol: Protocol, plane: str | None, factors: Triple) -> dict[str, Any]:
    acquisition = Acquisition(factors, sigma=protocol.sigma, radius=protocol.radius)
    high = divisible(truth.volume, factors)
    low = Volume(acquisition.apply(high.array), acquisition.grid(high.grid))
    found = evaluate(upscale(low, str(card.path), scale=factors, plane=plane, progress=Silent()), high)
    spline = evaluate(upscale(low, SPLINE, scale=factors), high)
    return {
        "subject": truth.subject,
        "contrast": truth.contrast,
        "plane": plane,
        "factors": list(factors),
        "psnr_db": round(found["psnr_db"], 3),
        "ssim": round(found["ssim"], 5),
        "spline_psnr_db": round(spline["psnr_db"], 3),
        "spline_ssim": round(spline["ssim"], 5),
    }


def divisible(volume: Volume, factors: Triple) -> Volume:
    """The volume without its last voxels along axes whose size is no multiple of the factor."""
    size = [n if f != int(f) else n - n % int(f) for n, f in zip(volume.grid.size, factors, strict=True)]
    array = np.ascontiguousarray(volume.array[tuple(slice(n) for n in size)])
    return Volume(array, replace(volume.grid, size=tuple(size)), name=volume.name)  # type: ignore[arg-type]
