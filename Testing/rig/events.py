"""The event loop, and what went wrong in it."""

import sys
import time

from PySide6 import QtCore, QtWidgets

BEAT_MS = 10


def process_events():
    """What is due now, deletions that were put off included."""
    QtWidgets.QApplication.processEvents()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
    QtWidgets.QApplication.processEvents()


def spin(condition, timeout=10.0):
    """Turn the event loop until ``condition()`` is true; return the longest time in seconds that it stood still.

    Raises TimeoutError when the condition stays false for ``timeout`` seconds.
    """
    loop, beat = QtCore.QEventLoop(), QtCore.QTimer()
    start = last = time.perf_counter()
    longest, outcome = 0.0, []

    def on_beat():
        nonlocal last, longest
        now = time.perf_counter()
        longest = max(longest, now - last - BEAT_MS / 1000)
        try:
            if condition():
                outcome.append(None)
            elif now - start > timeout:
                outcome.append(TimeoutError(f"nothing happened in {timeout} s"))
        except Exception as error:
            # raised in a slot it would get lost
            outcome.append(error)
        if outcome:
            loop.quit()
        # what the condition itself takes is not the module's fault
        last = time.perf_counter()

    beat.timeout.connect(on_beat)
    beat.start(BEAT_MS)
    loop.exec_()
    beat.stop()
    if outcome[0] is not None:
        raise outcome[0]
    return longest


class Uncaught:
    """Collects exceptions out of slots and observers, which Qt and VTK report to sys.excepthook and then forget."""

    def __init__(self):
        self.errors = []
        self._before = None

    def __enter__(self):
        self._before, sys.excepthook = sys.excepthook, self._collect
        return self

    def __exit__(self, *_):
        sys.excepthook = self._before

    def _collect(self, kind, error, traceback):
        self.errors.append(error)
        self._before(kind, error, traceback)
