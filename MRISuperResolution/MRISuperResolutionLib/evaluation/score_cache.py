"""Scores on disk, one small file each, so that a comparison that was interrupted does no work twice."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..io.atomic import write_whole
from ..models.card import Card, baselines, catalogue
from ..runtime.device import Computing
from .case import Case
from .entrants import family, split
from .score import Score

FORMAT = 6
"""Of a score: to be raised when it says more or something else."""


class Store:
    """The scores in ``folder`` that were made with the same computing, on the same voxels, by the same methods."""

    def __init__(self, folder: Path, computing: Computing, everywhere: bool) -> None:
        self.folder, self.settings = folder, [__version__, FORMAT, asdict(computing), everywhere]

    def find(self, method: str, case: Case) -> Score | None:
        """The score of ``method`` on ``case``; None where it is not there, or not whole."""
        try:
            with np.load(self._path(method, case), allow_pickle=False) as file:
                return Score(**json.loads(str(file["facts"])), picture=file["picture"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            return None

    def keep(self, score: Score, case: Case) -> None:
        """Write the score; RequestError where the system refuses."""
        content = io.BytesIO()
        facts = np.array(json.dumps(score.facts()))
        np.savez_compressed(content, facts=facts, picture=score.picture)
        write_whole(self._path(score.method, case), content.getvalue())

    def _path(self, method: str, case: Case) -> Path:
        made: list[Any] = [*self.settings, method, _weights(method), case.key, case.truth.subject]
        return self.folder / f"{hashlib.blake2b(json.dumps(made).encode(), digest_size=16).hexdigest()}.npz"


def _weights(method: str) -> list[str]:
    """What tells the weights that ``method`` may stand for from others of that name."""
    method, _ = split(method)
    if method.endswith(".safetensors"):
        return [hashlib.sha256(Path(method).read_bytes()).hexdigest()]
    cards: list[Card] = [c for c in [*baselines(), *catalogue()] if method in (c.name, family(c.name))]
    return [card.sha256 for card in cards]
