"""A volume that is listed as truth and not yet read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import RequestError
from ..grid import Triple

SPLITS = ("train", "validate")

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Entry:
    """Where a volume lies and what is known of it.

    session  one visit of the subject to the scanner; only volumes of one visit show the same head
    split    train or validate; None where nothing is said
    planes   the planes in which it is true; None where nothing is said: its spacing then tells
    kspace   share of k-space along i, j, k that holds signal
    """

    path: Path
    subject: str
    contrast: str
    session: str = ""
    split: str | None = None
    planes: tuple[str, ...] | None = None
    kspace: Triple = (1.0, 1.0, 1.0)
    licence: str = NOT_STATED
    source: str = NOT_STATED


def check_split(entries: Iterable[Entry], where: str) -> None:
    """Raise RequestError for a subject that trains and validates; ``where`` is what lists the entries."""
    trains, validates = ({e.subject for e in entries if e.split == split} for split in SPLITS)
    if both := trains & validates:
        raise RequestError(f"subject(s) {', '.join(sorted(both))} stand in both splits of {where}: split by subject")
