"""All that can be asked for by name: the shipped weights, the baselines, and the methods that need none."""

from __future__ import annotations

from pathlib import Path

from ..errors import RequestError
from ..methods import METHODS
from ..methods.base import Method
from .card import Card, baselines, catalogue, find_card, weights_folder


def find_model(name: str | Path) -> Card | Method:
    """The method or the shipped weights called ``name``, or the card of a ``.safetensors`` file by its path.

    Raises RequestError, listing what there is, for anything else.
    """
    name = str(name)
    if name in METHODS:
        return METHODS[name]
    if not name.endswith(".safetensors"):
        names = [card.name for card in [*catalogue(), *baselines()]]
        if name not in names:
            known = ", ".join([*METHODS, *names])
            raise RequestError(f"unknown model {name!r}: choose one of {known} (weights lie in {weights_folder()})")
    return find_card(name)
