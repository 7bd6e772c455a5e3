"""Which lesson a protocol asks for."""

from __future__ import annotations

from collections.abc import Callable

from ..networks.base import Network
from .circle import CircleLesson
from .cpce import CPCELesson
from .lesson import Examined, Lesson
from .protocol import Protocol

LESSONS: dict[str, type[Examined]] = {"cpce": CPCELesson, "circle": CircleLesson}
"""Of the adversarial losses, by their name; all others have one in common."""


def make_lesson(network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> Examined:
    """The lesson that teaches ``network`` by the protocol's loss."""
    return LESSONS.get(protocol.loss, Lesson)(network, protocol, examine)
