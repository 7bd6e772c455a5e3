"""Telling whoever waits how far the work is, in the form they asked for."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Protocol

from .._version import __version__

PREPARED = 0.05
"""The fraction at which a network starts. How long this takes does not tell how long the network will."""


class Progress(Protocol):
    """What the work reports to. ``report`` may raise ``Cancelled``, which ends the work."""

    def report(self, fraction: float, step: str) -> None:
        """``fraction`` (0 to 1) of the whole is done, ``step`` is under way."""

    def say(self, message: str) -> None:
        """Something the user should know, such as a choice that was made for them."""

    def done(self, facts: dict[str, Any]) -> None:
        """The work has ended well."""

    def close(self) -> None:
        """Nothing more will be told, however the work ended."""


class Silent:
    """Says nothing but what the user should know, on stderr."""

    def report(self, fraction: float, step: str) -> None:
        pass

    def say(self, message: str) -> None:
        print(message, file=sys.stderr)

    def done(self, facts: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass


class Quiet(Silent):
    """Says nothing: which device computes each of many volumes is no news."""

    def say(self, message: str) -> None:
        pass


class Bar(Silent):
    """A bar with the step and the time left, on stderr."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self.bar = tqdm(
            total=1.0,
            bar_format="{desc:<28}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left",
            leave=False,
        )

    def report(self, fraction: float, step: str) -> None:
        self.bar.set_description_str(step, refresh=False)
        self.bar.update(max(0.0, fraction - self.bar.n))

    def say(self, message: str) -> None:
        self.bar.write(message, file=sys.stderr)

    def close(self) -> None:
        self.bar.close()


class JsonLines(Silent):
    """One JSON object a line on stdout, for a program that reads along."""

    def __init__(self) -> None:
        self.prepared = time.monotonic()
        self.fraction = 0.0
        # who started us through a launcher knows only the launcher's process
        self._print({"event": "started", "pid": os.getpid(), "version": __version__})

    def report(self, fraction: float, step: str) -> None:
        # work that is done again in smaller pieces does not take back what was told
        self.fraction = fraction = max(self.fraction, fraction)
        now, computed = time.monotonic(), fraction - PREPARED
        if computed <= 0:
            self.prepared = now
        # the first steps of a network are no measure of the others
        eta = round((now - self.prepared) * (1 - fraction) / computed, 1) if computed > 0.01 else None
        self._print({"event": "progress", "fraction": round(fraction, 4), "step": step, "eta_s": eta})

    def say(self, message: str) -> None:
        self._print({"event": "message", "text": message})

    def done(self, facts: dict[str, Any]) -> None:
        self._print({"event": "done", **facts})

    def _print(self, event: dict[str, Any]) -> None:
        print(json.dumps(event), flush=True)


def make_progress(kind: str) -> Progress:
    """The progress called "bar", "json" or "none"; "auto" is a bar where stderr is a terminal, else none."""
    if kind == "auto":
        kind = "bar" if sys.stderr is not None and sys.stderr.isatty() else "none"
    return {"bar": Bar, "json": JsonLines, "none": Silent}[kind]()


class Stage:
    """The part of a whole progress, from ``start`` to ``stop``, that one step takes."""

    def __init__(self, progress: Progress, start: float, stop: float, step: str) -> None:
        self.progress, self.start, self.stop, self.step = progress, start, stop, step

    def report(self, fraction: float) -> None:
        self.progress.report(self.start + (self.stop - self.start) * fraction, self.step)
