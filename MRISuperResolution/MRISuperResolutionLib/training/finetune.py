"""Going on from weights that there are with a site's own scans, and what the site has of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..dataset.subjects import Truth
from ..errors import RequestError
from ..image.grid import Triple
from ..io.atomic import write_whole
from ..models.card import Card, find_card
from .config.train_config import FactorRange, Protocol, adapted
from .weights_report import trials

RATE_SHARE = 0.1
"""The learning rate is this share of the one that the weights were trained with."""

SHORT_RUN: dict[str, Any] = {
    "steps": 2000,
    "schedule": "cosine",
    "ema": 0.999,
    "seed": 0,
    "validate_every": 200,
    "patience": None,
    # the best on the validation subjects would look better there than elsewhere
    "keep": "last",
    "save_every": 200,
    "log_every": 10,
    "workers": 0,
    "devices": 1,
    "nodes": 1,
}
"""What fine-tuning does not take from the card."""

FIGURES = [f"{weights}_{figure}" for weights in ("spline", "start", "tuned") for figure in ("psnr_db", "ssim")]

COLUMNS = ["subject", "contrast", "plane", "factors", "references", "told", *FIGURES]


def finetuning(start: str | None, **overrides: Any) -> Protocol:
    """The protocol that goes on from the weights ``start``: their network, acquisition and patches, a short run at
    a small learning rate, and each override in its place (see ``protocol.adapted``).

    Raises RequestError without such weights, and for overrides that leave what they were made for.
    """
    if start is None:
        raise RequestError(
            "fine-tuning goes on from weights: give --start, the name of a model or a .safetensors file"
        )
    card = find_card(start)
    base = _protocol_of(card)
    given = {name: value for name, value in overrides.items() if value is not None}
    protocol = adapted(base, **{"learning_rate": base.learning_rate * RATE_SHARE, **given})
    if protocol.architecture != base.architecture:
        raise RequestError("fine-tuning keeps the network of the weights: leave out the architecture")
    if not all(_made_for(card, choice) for choice in protocol.factors):
        made_for = card.range_text if "lowest" in card.factors else f"{card.factors['in_plane']:g}"
        raise RequestError(
            f"the weights {start} were made for factors {made_for}: fine-tune them within, or train a network that "
            "starts from them"
        )
    return protocol


def _made_for(card: Card, choice: FactorRange) -> bool:
    """Whether the network takes both ends of the choice's ranges."""
    ends = list(zip(*choice[: card.dimensions], strict=True))
    if "in_plane" in card.factors:
        return {factor for end in ends for factor in end} == {card.factors["in_plane"]}
    slack = [1.0] * card.dimensions
    return all(card.takes(end, slack) for end in ends)


def _protocol_of(card: Card) -> Protocol:
    """What the card says of the training, for a short run."""
    known = {entry.name for entry in fields(Protocol)}
    made_for: dict[str, Any] = {
        name: value for name, value in card.acquisition.items() if name in ("sigma", "radius")
    }
    if "lowest" in card.factors:
        any_factor = [card.factors["lowest"], card.factors["highest"]]
        made_for["factors"] = [[any_factor, any_factor, [1, 1] if card.dimensions == 2 else any_factor]]
    noted = {name: value for name, value in card.training.get("settings", {}).items() if name in known}
    return Protocol(**{**made_for, **noted, **SHORT_RUN, "architecture": card.architecture})


def before_and_after(
    start: Card, tuned: Card, truths: Sequence[Truth], protocol: Protocol, factors: Sequence[Triple]
) -> list[dict[str, Any]]:
    """PSNR in dB and SSIM of spline, ``start`` and ``tuned`` (which has its figures) on the validation volumes.

    A row of ``COLUMNS`` for each case, and their mean, apart where the network was told of the scan and where not;
    none where there are no validation volumes.
    """
    before = [
        trial.figure() for trial in trials(start, [t for t in truths if t.split == "validate"], protocol, factors)
    ]
    # one of the two may have learned to go without references, too
    both = {figure["references"] for figure in before} & {figure["references"] for figure in tuned.figures}
    pairs = zip(
        (figure for figure in before if figure["references"] in both),
        (figure for figure in tuned.figures if figure["references"] in both),
        strict=True,
    )
    rows = [_row(old, new) for old, new in pairs]
    kinds = dict.fromkeys(row["told"] for row in rows)
    return rows + [_mean([row for row in rows if row["told"] == told]) for told in kinds]


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    means = {name: np.mean([row[name] for row in rows]) for name in FIGURES}
    return {"subject": "mean", "told": rows[0]["told"], **means}


def _row(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: new[name] for name in ("subject", "contrast", "plane", "references", "told")},
        "factors": "x".join(f"{f:g}" for f in new["factors"]),
        **{name: new[name] for name in ("spline_psnr_db", "spline_ssim")},
        **{f"start_{name}": old[name] for name in ("psnr_db", "ssim")},
        **{f"tuned_{name}": new[name] for name in ("psnr_db", "ssim")},
    }


def write_table(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    """Write ``before_after.csv`` and ``before_after.md`` to ``folder``; returns the text of the latter."""
    cells = [[_text(row.get(name), name) for name in COLUMNS] for row in rows]
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *cells])
    write_whole(folder / "before_after.csv", table.getvalue())
    titles = [name.replace("_psnr_db", ", PSNR dB").replace("_ssim", ", SSIM") for name in COLUMNS]
    lines = [titles, ["---"] * len(COLUMNS), *cells]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    write_whole(folder / "before_after.md", text)
    return text


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if name.endswith("psnr_db") else f"{value:.4f}" if name.endswith("ssim") else str(value)
