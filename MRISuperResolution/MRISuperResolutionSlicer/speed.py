"""How fast this machine was at the last run, kept in the application's settings for the time told beforehand."""

from __future__ import annotations

import functools

import qt

from MRISuperResolutionLib.pipeline.cost_estimate import Forecast, processor_rate

GROUP = "MRISuperResolution/OperationsPerSecond/"

LEAST_SECONDS = 2.0
"""A shorter computation says little about the machine."""


def rate(device: str) -> float:
    """Operations per second that a choice of ``device`` gave last time, or a guess for the CPU."""
    measured = qt.QSettings().value(GROUP + device)
    return float(measured) if measured else _guess()


def where(device: str) -> str:
    """What ``rate`` speaks of, for the user."""
    if qt.QSettings().value(GROUP + device):
        return "this machine"
    return "this machine's CPU" if device in ("auto", "cpu") else "this machine's CPU, less on a GPU"


def remember(device: str, forecast: Forecast, seconds: float) -> None:
    """Keep what a run that took ``seconds`` tells of the choice of ``device``."""
    computing = seconds - forecast.seconds(float("inf"))
    if forecast.operations and computing > LEAST_SECONDS:
        qt.QSettings().setValue(GROUP + device, forecast.operations / computing)


@functools.cache
def _guess() -> float:
    return processor_rate()
