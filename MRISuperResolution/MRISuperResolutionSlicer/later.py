"""Something to do when the event loop turns next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


def later(callback: Callable[[], None], milliseconds: int = 0) -> None:
    """Call ``callback`` from the event loop.

    Slicer's own qt.QTimer.singleShot keeps its timer and the callback until Slicer ends.
    """
    timer = qt.QTimer()
    timer.setSingleShot(True)

    def fire(*_: Any) -> None:
        timer.timeout.disconnect(fire)
        timer.deleteLater()
        callback()

    timer.timeout.connect(fire)
    timer.start(milliseconds)
