"""The command line in a child process of Slicer's own Python: started, listened to, ended."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt

from MRISuperResolutionLib.errors import OutOfMemory, RequestError

from .later import later

MODULE_FOLDER = Path(__file__).resolve().parents[1]

GRACE_MILLISECONDS = 2000
"""How long a cancelled child may take to end by itself."""

MOST_TEXT = 100_000
"""Characters of a child's standard error that are kept."""


@dataclass(frozen=True)
class Outcome:
    """How a child ended. ``done``: what it said when it was done, or None; ``errors``: its standard error."""

    code: int
    crashed: bool
    done: dict[str, Any] | None
    errors: str

    def sentence(self) -> str | None:
        """What went wrong, in one sentence for the user; None if nothing did."""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        told = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), None)
        if self.code in (RequestError.exit_code, OutOfMemory.exit_code) and told and not self.crashed:
            return told[0].upper() + told[1:] + ("" if told.endswith((".", "?")) else ".")
        if not self.crashed and "Traceback (most recent call last)" in self.errors:
            return f"The computation failed ({lines[-1]}): the error log holds the details; please report it."
        if self.code or self.crashed:
            # whether a launcher hands on how its child was killed depends on the platform
            return (
                "The computation was ended from outside, perhaps for want of memory: set a memory limit under "
                "Advanced, or apply again."
            )
        if self.done is None:
            return "The computation ended without a result: the error log holds what it said; please report it."
        return None


def python_of_slicer() -> str:
    """PythonSlicer, which Slicer puts on the path; in a build without it, the Python that is embedded here.

    Raises RequestError where there is neither.
    """
    program = shutil.which("PythonSlicer")
    if program is None and Path(sys.executable or "").name.startswith("python"):
        logging.warning("PythonSlicer is not on the path: using %s", sys.executable)
        program = sys.executable
    if program is None:
        raise RequestError("Slicer's Python (PythonSlicer) is not on the path: install Slicer again.")
    return program


class Child:
    """One run of ``mrisr`` with ``arguments`` and ``folder`` as its working directory.

    on_event  is called with each JSON object that the child prints
    on_end    is called with the Outcome, once, however the child ended
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        on_event: Callable[[dict[str, Any]], None],
        on_end: Callable[[Outcome], None],
    ) -> None:
        self.arguments, self.folder = list(arguments), folder
        self.on_event, self.on_end = on_event, on_end
        self.process = qt.QProcess()
        self.pid: int | None = None
        self.done: dict[str, Any] | None = None
        self._output, self._errors = b"", b""
        self._lines: list[bytes] = []
        self._ended = False

    def start(self) -> None:
        """Start the child; RequestError where this Slicer has no Python to start."""
        program = python_of_slicer()
        environment = qt.QProcessEnvironment.systemEnvironment()
        paths = [str(MODULE_FOLDER), environment.value("PYTHONPATH")]
        environment.insert("PYTHONPATH", os.pathsep.join(path for path in paths if path))
        self.process.setProcessEnvironment(environment)
        self.process.setWorkingDirectory(str(self.folder))
        # PythonQt and PySide6 hand these signals' arguments over differently: the process itself is asked
        for signal_, slot in self._connections():
            signal_.connect(slot)
        self.process.start(program, ["-m", "MRISuperResolutionLib", *self.arguments])

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        process = self.process
        return [
            (process.readyReadStandardOutput, self._read_output),
            (process.readyReadStandardError, self._read_errors),
            (process.finished, self._on_finished),
            (process.errorOccurred, self._on_error),
        ]

    def cancel(self) -> None:
        """Ask the child to end: it does when its standard input closes; kill it where it does not."""
        self.process.closeWriteChannel()
        later(self.kill, GRACE_MILLISECONDS)

    def kill(self) -> None:
        """End the child at once. PythonSlicer is a launcher: the Python that it started is killed by number."""
        if self._ended:
            return
        if self.pid is not None:
            try:
                os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            except OSError:
                logging.debug("the child %d had already ended", self.pid)
        self.process.kill()

    def end_now(self) -> None:
        """Cancel and wait, for an application that is about to quit."""
        if self._ended:
            return
        self.process.closeWriteChannel()
        if not self.process.waitForFinished(GRACE_MILLISECONDS // 2):
            self.kill()
            self.process.waitForFinished(GRACE_MILLISECONDS // 2)

    def _read_output(self, *arguments: Any) -> None:
        self._output += self.process.readAllStandardOutput().data()
        *lines, self._output = self._output.split(b"\n")
        self._lines += lines
        # a callback may turn the event loop, so that the lines after this one are taken in here
        while self._lines:
            self._take(self._lines.pop(0).decode("utf-8", "replace").strip())

    def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if line:
                logging.info("MRISuperResolution: %s", line)
            return
        if event.get("event") == "started":
            self.pid = event.get("pid")
        elif event.get("event") == "done":
            self.done = event
        self.on_event(event)

    def _read_errors(self, *arguments: Any) -> None:
        self._errors = (self._errors + self.process.readAllStandardError().data())[-MOST_TEXT:]

    def _on_error(self, *arguments: Any) -> None:
        # other errors are followed by the signal ``finished``
        if self.process.error() == qt.QProcess.FailedToStart:
            reason = self.process.errorString()
            message = f"error: Slicer's Python cannot be started ({reason}): install Slicer again"
            self._end(Outcome(RequestError.exit_code, False, None, message))

    def _on_finished(self, *arguments: Any) -> None:
        self._read_output()
        self._read_errors()
        crashed = self.process.exitStatus() == qt.QProcess.CrashExit
        self._end(Outcome(self.process.exitCode(), crashed, self.done, self._errors.decode("utf-8", "replace")))

    def _end(self, outcome: Outcome) -> None:
        if self._ended:
            return
        self._ended = True
        # PythonQt's connections keep what they call for ever, even when the process has been deleted
        for signal_, slot in self._connections():
            signal_.disconnect(slot)
        self.process.deleteLater()
        if outcome.errors.strip():
            logging.info("MRISuperResolution, standard error:\n%s", outcome.errors.strip())
        self.on_end(outcome)
