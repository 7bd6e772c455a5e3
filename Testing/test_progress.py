"""What a program that reads along is told, and when."""

import json
import os

import pytest

from MRISuperResolutionLib import __version__
from MRISuperResolutionLib.runtime.progress import PREPARED, JsonLines


@pytest.fixture
def told(capsys):
    """``told()``: the events since it was last called."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_first_line_says_whom_to_stop(told):
    JsonLines()
    assert told() == [{"event": "started", "pid": os.getpid(), "version": __version__}]


def test_progress_does_not_fall_when_work_is_done_again(told):
    lines = JsonLines()
    for fraction in (0.2, 0.6, 0.1, 0.7):
        lines.report(fraction, "computing")
    assert [event["fraction"] for event in told()[1:]] == [0.2, 0.6, 0.6, 0.7]


def test_the_time_left_is_that_of_the_network(told, monkeypatch):
    clock = 0.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    lines = JsonLines()
    # reading and aligning take 60 s, the network 100 s
    steps = [(0.0, 0.0), (60.0, PREPARED), (61.0, 0.059), (70.0, PREPARED + 0.095), (110.0, PREPARED + 0.475)]
    for clock, fraction in steps:  # noqa: B007  the clock reads it
        lines.report(fraction, "computing")
    left = [event["eta_s"] for event in told()[1:]]
    assert left[:3] == [None, None, None]
    assert left[3:] == pytest.approx([90, 50], abs=0.2)
