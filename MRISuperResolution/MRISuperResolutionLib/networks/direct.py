"""Convolutions by the library that is quickest at them, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

STEP = (1, 1, 1)


def direct(maps: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int]) -> Tensor:
    """What ``functional.conv3d`` makes of ``maps`` (1, channels, planes, height, width) with a ``weight`` (outputs,
    channels, *kernel) and zeros beyond.

    torch leaves pieces of some thousand voxels in single precision to a way of its own, which takes six times as long
    as oneDNN's.
    """
    if maps.device.type == "cpu" and maps.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return torch.mkldnn_convolution(maps, weight, bias, padding, STEP, STEP, 1)
    return functional.conv3d(maps, weight, bias, padding=tuple(padding))
