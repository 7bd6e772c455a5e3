"""The volumes that lie in a folder, match a pattern or make up a BIDS tree; their names tell what they are."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import RequestError
from ..io.sitk import suffix
from ..pipeline.input_checks import CONTRASTS, contrast_named
from .manifest import NOT_STATED, Entry

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")

DESCRIPTION = "dataset_description.json"

ANATOMY = ("sub-*/anat", "sub-*/ses-*/anat")
"""Where a BIDS tree keeps anatomical scans."""

BIDS_CONTRASTS = ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "inplaneT1", "inplaneT2", "UNIT1", "angio")
"""The BIDS suffixes of images; maps, masks and raw parts of images have others."""

BIDS_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")

SESSION = re.compile(r"[-_]((?:ses|session|study|visit)(?:-[a-z0-9]+|_?[0-9]+))", re.IGNORECASE)

DETAIL = re.compile(r"[-_](?:ses|session|study|visit|run|acq|rec|scan|echo)(?:-[a-z0-9]+|_?[0-9]+)", re.IGNORECASE)
"""The first word of a name that no longer tells the subject."""

NO_SCAN = re.compile(r"(?<![a-z])(?:(?:brain)?mask|seg|segmentation|labels?)(?![a-z])", re.IGNORECASE)


def find_entries(data: str) -> list[Entry]:
    """The volumes in ``data``, in the order of their paths: a BIDS tree, another folder with all that is below
    it, a pattern (``**`` stands for any folders), or one file.

    A BIDS tree's scans are those in its ``anat`` folders. Elsewhere a file's name begins with the subject and
    names the contrast: ``sub-01_ses-2_T1w.nii.gz``, ``IXI002-Guys-T2.nii.gz``. Raises RequestError where
    there is no volume, and for names that do not tell.
    """
    folder = Path(data)
    if folder.is_dir() and _is_bids(folder):
        entries = _bids(folder)
    else:
        entries = _named(_files_in(folder) if folder.is_dir() else map(Path, glob.glob(data, recursive=True)))  # noqa: PTH207
    if not entries:
        raise RequestError(
            f"there are no volumes in {data}: give a folder, a pattern in quotes, a BIDS tree or a manifest"
        )
    return entries


def _is_bids(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file() or any(any(folder.glob(pattern)) for pattern in ANATOMY)


def _bids(folder: Path) -> list[Entry]:
    licence, source = _credits(folder / DESCRIPTION)
    scans = (file for pattern in ANATOMY for file in folder.glob(f"{pattern}/sub-*.nii*"))
    return [
        Entry(
            path=path,
            subject=path.relative_to(folder).parts[0],
            contrast=contrast,
            session=path.parent.parent.name if path.parent.parent.name.startswith("ses-") else "",
            licence=licence,
            source=source,
        )
        for path in sorted(scans)
        if suffix(path) in SUFFIXES and (contrast := _stem(path).split("_")[-1]) in BIDS_CONTRASTS
    ]


def _credits(description: Path) -> tuple[str, str]:
    """Licence of a BIDS tree, and whom to credit."""
    if not description.is_file():
        return NOT_STATED, NOT_STATED
    try:
        said = json.loads(description.read_text(encoding="utf-8"))
        return str(said.get("License") or NOT_STATED), str(said.get("Name") or NOT_STATED)
    except (ValueError, AttributeError) as error:
        raise RequestError(f"{description} is no JSON object ({error}): repair it or give a manifest") from error


def _files_in(folder: Path) -> Iterable[Path]:
    """All files below ``folder`` that are not hidden."""
    return (p for p in folder.rglob("*") if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _named(paths: Iterable[Path]) -> list[Entry]:
    paths = sorted(path for path in paths if suffix(path) in SUFFIXES)
    entries = [_told_by_name(path) for path in paths]
    unclear = [path for path, entry in zip(paths, entries, strict=True) if entry is None]
    if unclear:
        raise RequestError(
            f"cannot tell subject and contrast of {', '.join(map(str, unclear))}: name such files as "
            "SUBJECT_T1w.nii.gz, leave them out by a pattern, or give a manifest"
        )
    return [entry for entry in entries if entry]


def _told_by_name(path: Path) -> Entry | None:
    name = _stem(path)
    contrast = contrast_named(name)
    if contrast is None or NO_SCAN.search(name):
        return None
    leading = name[: _contrast_start(name)]
    bids, session = BIDS_SUBJECT.search(name), SESSION.search(leading)
    subject = bids.group() if bids else DETAIL.split(leading)[0].strip("-_. ")
    return Entry(path, subject, contrast, session=session.group(1) if session else "") if subject else None


def _contrast_start(name: str) -> int:
    """Where the first word stands that names a contrast."""
    # as ``contrast_named`` reads it
    words = name.lower().replace("_", " ")
    return min(found.start() for pattern in CONTRASTS.values() if (found := re.search(pattern, words)))


def _stem(path: Path) -> str:
    return path.name.removesuffix(suffix(path))
