"""From wherever the data lies to the truths of a training run: found, chosen, split by subject, read, paired."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..image.grid import Grid
from ..image.volume import Volume
from ..pipeline.registration import on_grid
from .bids import find_entries
from .cache import cached
from .manifest import Entry, check_split, read_entries
from .subjects import Truth, each, read_truths

TABLES = (".csv", ".tsv")

SAME_GRID_MM = 1e-3

SEED = "MRISuperResolution"
"""Of the random split."""

NAMES_SHOWN = 8


def gather(
    data: str,
    manifest: Path | None = None,
    contrasts: Sequence[str] = (),
    validate: Sequence[str] = (),
    register: bool = False,
    cache: Path | None = None,
) -> list[Truth]:
    """The volumes to train on and to validate on.

    data       a folder, a pattern, a BIDS tree (see ``tree.find_entries``) or a manifest whose paths start from
               its own folder
    manifest   (see ``manifest.read_entries``) with ``data`` as the folder that its paths start from
    contrasts  those alone are kept; none: all
    validate   the subjects that validate, or a share of them such as "0.2", where no manifest says the split.
               The share is drawn by the subjects' names: a subject stays where it is when others join.
    register   give scans on another grid than that of their subject's others to them as companions too, after
               a rigid alignment, if they are true in 3D; else only those on the same grid, within 1e-3 mm, are
    cache      folder in which the volumes are kept as they come out; they are then mapped into memory when they
               are used, not held in it

    A companion is another contrast of the same subject and session. Raises RequestError for data that is not
    there, for a contrast or a subject that it does not hold, for a subject in both splits, and once for all
    bad volumes.
    """
    entries = _listed(data, manifest)
    check_split(entries, str(manifest or data))
    entries = _split(_of_contrasts(entries, contrasts), validate)
    truths = read_truths(entries, cache)
    sessions = [(entry.subject, entry.session) for entry in entries]

    def accompanied(number: int) -> Truth:
        same_head = [t for t, session in zip(truths, sessions, strict=True) if session == sessions[number]]
        return replace(truths[number], companions=_companions(truths[number], same_head, register, cache))

    return each(accompanied, range(len(truths)))


def _listed(data: str, manifest: Path | None) -> list[Entry]:
    path = Path(data)
    if manifest is not None:
        return read_entries(manifest, path)
    if path.is_file() and path.suffix.lower() in TABLES:
        return read_entries(path, path.parent)
    return find_entries(data)


def _of_contrasts(entries: list[Entry], contrasts: Sequence[str]) -> list[Entry]:
    there = {entry.contrast for entry in entries}
    if missing := set(contrasts) - there:
        raise RequestError(f"no volume is {' or '.join(sorted(missing))}: choose from {', '.join(sorted(there))}")
    return [entry for entry in entries if not contrasts or entry.contrast in contrasts]


def _split(entries: list[Entry], validate: Sequence[str]) -> list[Entry]:
    """The entries with ``validate`` as their split, if it says anything."""
    if not validate:
        return entries
    if any(entry.split for entry in entries):
        raise RequestError("the manifest says which subjects validate: leave out its column split or --validate")
    subjects = {entry.subject for entry in entries}
    share = _share(validate)
    validating = _named(validate, subjects) if share is None else {s for s in subjects if _lot(s) < share}
    if not validating or validating == subjects:
        which = "none" if not validating else "all"
        raise RequestError(
            f"{which} of the {len(subjects)} subject(s) would validate ({_text(subjects)}): name some of them"
        )
    return [replace(e, split="validate" if e.subject in validating else "train") for e in entries]


def _share(validate: Sequence[str]) -> float | None:
    """The share of subjects that ``validate`` asks for; None where it names subjects."""
    try:
        (share,) = map(float, validate)
    except ValueError:
        return None
    return share if 0 < share < 1 else None


def _named(validate: Sequence[str], subjects: set[str]) -> set[str]:
    """The subjects named, as they are or without BIDS's "sub-"."""
    full = {name if name in subjects else f"sub-{name}": name for name in validate}
    if unknown := [name for subject, name in full.items() if subject not in subjects]:
        raise RequestError(f"there is no subject {_text(unknown)} to validate on: choose from {_text(subjects)}")
    return set(full)


def _text(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")


def _lot(subject: str) -> float:
    """A number in [0, 1) that depends on the subject's name alone."""
    digest = hashlib.blake2b(f"{SEED} {subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _companions(
    truth: Truth, same_head: Sequence[Truth], register: bool, cache: Path | None
) -> dict[str, np.ndarray]:
    """Contrast -> voxels on the grid of ``truth``, of the other contrasts."""
    chosen: dict[str, np.ndarray] = {}
    others = [t for t in same_head if t.contrast != truth.contrast]
    # the first of each contrast, one that needs no alignment before all others
    for other in sorted(others, key=lambda t: not _same_grid(t.volume.grid, truth.volume.grid)):
        if other.contrast in chosen:
            continue
        if _same_grid(other.volume.grid, truth.volume.grid):
            chosen[other.contrast] = other.volume.array
        elif register and other.in_3d:
            chosen[other.contrast] = _registered(other.volume, truth.volume, cache)
    return chosen


def _same_grid(one: Grid, other: Grid) -> bool:
    return one.size == other.size and one.distance_to(other) <= SAME_GRID_MM


def _registered(moving: Volume, fixed: Volume, cache: Path | None) -> np.ndarray:
    """``moving`` aligned to ``fixed``, normalised, on its grid."""

    def make() -> Volume:
        return Volume(np.ascontiguousarray(on_grid(moving, fixed.grid, moving_to=fixed)), fixed.grid)

    return cached(cache, [moving, fixed], "registered", make).array
