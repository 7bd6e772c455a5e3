"""Being asked to end before the work is done: by a signal, or by the end of the pipe on standard input."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path

from ..errors import Cancelled

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, a request to end, and the terminal's end."""

GRACE_S = 1.5
"""Time that the work has to end by itself once standard input has ended."""

MESSAGE = "cancelled: no file was left half-written"

half_written: set[Path] = set()
"""The temporary files that must not stay behind; kept by ``files.writing``."""

_once = threading.Lock()
"""Held from the first request to end on: a second one must not break into the clean-up after the first."""


def listen(follow_stdin: bool) -> None:
    """Ctrl-C and SIGTERM end the work with its clean-up, and so does the end of a pipe on standard input."""
    for number in SIGNALS:
        # nohup asks for SIGHUP to be ignored; a shell asks it for Ctrl-C of its background jobs, but `kill -INT`
        # is meant
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _cancel)
    if follow_stdin and sys.stdin is not None and _is_pipe(sys.stdin.fileno()):
        threading.Thread(target=_end_with_stdin, daemon=True).start()


def too_late() -> None:
    """The result is there: from now on, a request to end does not make the work one that was cancelled."""
    _once.acquire(blocking=False)


def _cancel(number: int, frame: object) -> None:
    if _once.acquire(blocking=False):
        raise Cancelled(MESSAGE, 128 + number)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _end_with_stdin() -> None:
    """Cancel the work at the end of standard input; end the process where the work does not end."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    _thread.interrupt_main(signal.SIGTERM)
    # inside one long call into a library, the main thread cannot see this
    time.sleep(GRACE_S)
    try:
        for path in list(half_written):
            path.unlink(missing_ok=True)
        # not by print, whose lock the main thread may hold
        os.write(2, f"error: {MESSAGE}\n".encode())
    finally:
        os._exit(128 + signal.SIGTERM)
