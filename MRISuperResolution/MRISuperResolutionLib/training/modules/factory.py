"""Which lesson a protocol asks for, and on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dataset.subjects import Truth
from ...errors import RequestError
from ...networks.base import Network
from ..config.train_config import Protocol
from ..data.patch_dataset import PatchStream
from ..data.scan_dataset import ScanStream
from .base import Examined, Lesson
from .gan import CircleLesson, CPCELesson
from .restoration import DoubtLesson, ScanLesson

LESSONS: dict[str, type[Examined]] = {"cpce": CPCELesson, "circle": CircleLesson}
"""Of the adversarial losses, by their name; all others have one in common."""


def make_lesson(network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> Examined:
    """The lesson that teaches ``network`` by the protocol's loss."""
    if network.restoring:
        return (DoubtLesson if protocol.loss == "doubt" else ScanLesson)(network, protocol, examine)
    return LESSONS.get(protocol.loss, Lesson)(network, protocol, examine)


def make_stream(truths: Sequence[Truth], network: Network, protocol: Protocol) -> PatchStream | ScanStream:
    """The batches that ``network`` learns from; RequestError for settings that it can make nothing of."""
    if protocol.truncated_share and not protocol.untold_share:
        raise RequestError("truncated_share is a share of the blocks of untold_share: give that, too")
    if not network.restoring and (protocol.untold_share or protocol.told_spread):
        raise RequestError(
            "untold_share and told_spread are of what a network on the scan's grid is told: leave them out for others"
        )
    return (ScanStream if network.restoring else PatchStream)(truths, network, protocol)
