"""The volumes that a table lists."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import RequestError
from ..image.grid import LARGEST_FACTOR, PLANES, Triple

COLUMNS = ("path", "subject", "contrast", "split", "planes", "kspace", "licence", "source")

NEEDED = ("path", "subject", "contrast")

NO_VALUE = "n/a"
"""What BIDS writes into a cell for which there is no value."""


def read_entries(path: Path, data: Path, columns: Sequence[str] = NEEDED) -> list[Entry]:
    """The entries of a manifest: CSV, or tab-separated values in a file that ends in .tsv.

    Columns: path (relative to ``data``), subject, contrast; and where there is something to say: session,
    split (train or validate), planes ("axial", "axial coronal", ... or "all"; without a value the spacing
    tells), kspace (share of k-space along i, j, k that holds signal, such as "0.8 0.8 1"; the rest is cropped
    away, which makes the voxels larger), licence, source (whom to credit).
    Raises RequestError where one of ``columns`` is missing, and for a cell that makes no sense.
    """
    if not path.is_file():
        raise RequestError(f"there is no manifest {path}: give a CSV file with the columns {', '.join(COLUMNS)}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise RequestError(f"the manifest {path} lacks the column(s) {', '.join(sorted(missing))}: add them")
            entries = [_entry(row, data, f"line {reader.line_num} of {path}") for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"cannot read the manifest {path} ({error}): save it as CSV in UTF-8") from error
    if not entries:
        raise RequestError(f"the manifest {path} lists no volume: give each a line")
    return entries


def _entry(row: dict[str | None, str | list[str] | None], data: Path, line: str) -> Entry:
    if None in row:
        raise RequestError(f"{line} has more cells than there are columns: put those with commas in quotes")
    # a line that ends early has None in its last cells
    cells = {str(column): str(cell or "").strip() for column, cell in row.items()}
    cells = {column: "" if cell == NO_VALUE else cell for column, cell in cells.items()}
    for column in NEEDED:
        if not cells[column]:
            raise RequestError(f"{line} has no {column}: fill it in")
    return Entry(
        path=data / cells["path"],
        subject=cells["subject"],
        contrast=cells["contrast"],
        session=cells.get("session", ""),
        split=_split(cells),
        planes=_planes(cells),
        kspace=_kspace(cells),
        licence=cells.get("licence") or NOT_STATED,
        source=cells.get("source") or NOT_STATED,
    )


def _split(cells: Mapping[str, str]) -> str | None:
    split = cells.get("split")
    if split is not None and split not in SPLITS:
        raise RequestError(f"the split of {cells['path']} is {split!r}: choose {' or '.join(SPLITS)}")
    return split


def _planes(cells: Mapping[str, str]) -> tuple[str, ...] | None:
    text = cells.get("planes")
    if not text:
        return None
    planes = PLANES if text == "all" else tuple(text.split())
    if not set(planes) <= set(PLANES):
        raise RequestError(f"unknown plane(s) {text!r} of {cells['path']}: choose all, {', '.join(PLANES)}")
    return planes


def _kspace(cells: Mapping[str, str]) -> Triple:
    text = cells.get("kspace") or "1 1 1"
    try:
        shares = [float(x) for x in text.split()]
    except ValueError:
        shares = []
    if len(shares) != 3 or not all(1 / LARGEST_FACTOR <= share <= 1 for share in shares):
        raise RequestError(f"the kspace of {cells['path']} is {text!r}: give three shares, such as 0.8 0.8 1")
    i, j, k = shares
    return i, j, k


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
