"""How many operations per second this machine's convolutions reach at most: the floor that all else is held to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..networks.base import channels_last, convolution

CHANNELS = 64
"""Of both papers' networks."""

SPACE: dict[int, tuple[int, ...]] = {2: (4, 96, 96), 3: (1, 8, 64, 96)}
"""Batch and then space of what a convolution gives: large enough that nothing but the convolution counts, small
enough that no memory is fetched or cleared for it."""


def convolution_peak(dimensions: int, device: torch.device, precision: torch.dtype, seconds: float = 1.0) -> float:
    """Operations per second of the quickest of many 3 x 3 (x 3) convolutions of 64 channels; a multiplication and an
    addition are two. Zeros beside the rows alone: libraries leave out those above and below, which counts as work."""
    batch, *space = SPACE[dimensions]
    innermost: Any = torch.channels_last if dimensions == 2 else torch.channels_last_3d
    layer: Any = convolution(dimensions, CHANNELS, CHANNELS).to(device, precision)
    layer.padding = (*[0] * (dimensions - 1), 1)
    layer = layer.to(memory_format=innermost)
    around = [*(n + 2 for n in space[:-1]), space[-1]]
    x = channels_last(torch.rand(batch, CHANNELS, *around, device=device).to(precision))
    operations = 2 * 3**dimensions * CHANNELS**2 * batch * math.prod(space)
    return operations / quickest(lambda: _convolved(layer, x), device, seconds)


def _convolved(layer: nn.Module, x: torch.Tensor) -> None:
    with torch.inference_mode():
        layer(x)


def quickest(work: Callable[[], None], device: torch.device, seconds: float) -> float:
    """Seconds of the quickest of the repetitions of ``work`` that fit into ``seconds``, after one that is not
    counted."""
    work()
    least, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        least = min(least, timed(work, device))
    return least


def timed(work: Callable[[], None], device: torch.device) -> float:
    """Seconds until ``work`` is done on ``device``."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
