"""Which lesson a protocol asks for, and on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..networks.base import Network
from .circle import CircleLesson
from .cpce import CPCELesson
from .lesson import Examined, Lesson
from .patches import PatchStream
from .protocol import Protocol
from .scan_lesson import DoubtLesson, ScanLesson
from .scans import ScanStream
from .truth import Truth

LESSONS: dict[str, type[Examined]] = {"cpce": CPCELesson, "circle": CircleLesson}
"""Of the adversarial losses, by their name; all others have one in common."""


def make_lesson(network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> Examined:
    """The lesson that teaches ``network`` by the protocol's loss."""
    if network.restoring:
        return (DoubtLesson if protocol.loss == "doubt" else ScanLesson)(network, protocol, examine)
    return LESSONS.get(protocol.loss, Lesson)(network, protocol, examine)


def make_stream(truths: Sequence[Truth], network: Network, protocol: Protocol) -> PatchStream | ScanStream:
    """The batches that ``network`` learns from."""
    return (ScanStream if network.restoring else PatchStream)(truths, network, protocol)
