"""How much larger errors are than a network on the scan's grid expects: found on subjects that it never saw, for each
kind of scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .grid import unlike


def error_scale(trust: dict[str, Any], factors: Sequence[float], told: bool, contrast: str | None = None) -> float:
    """What the expected errors of a scan by ``factors``, ``told`` of how it was made or not, are multiplied by: as on
    the card's ``trust`` for the kind that is most alike, of the ``contrast`` if that is known here and there, else of
    all; 1 where it knows none."""
    kinds = [kind for kind in trust["kinds"] if kind["told"] == told]
    kinds = [kind for kind in kinds if kind.get("contrast") == contrast] or [k for k in kinds if "contrast" not in k]
    return min(kinds, key=lambda kind: unlike(kind["factors"], factors))["scale"] if kinds else 1.0
