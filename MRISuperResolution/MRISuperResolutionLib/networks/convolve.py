"""Convolutions by the library that is quickest at them, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

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


def in_one_channel(maps: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int]) -> Tensor:
    """What ``functional.conv3d`` makes of ``maps`` (1, channels, planes, height, width), channels innermost in
    memory, with a ``weight`` (1, channels, *kernel) and zeros beyond; in single precision.

    What each voxel of the kernel makes of the maps is one product of matrices; these are moved and added.
    """
    _, channels, *size = maps.shape
    kernel = weight.shape[2:]
    products = weight[0].flatten(1).T @ maps.permute(0, 2, 3, 4, 1).reshape(-1, channels).T
    beyond = [n for margin in reversed(padding) for n in (margin, margin)]
    around = functional.pad(products.view(-1, *size), beyond)
    planes, rows, columns = (n - edge + 1 for n, edge in zip(around.shape[1:], kernel, strict=True))
    total = torch.zeros(1, 1, planes, rows, columns, device=maps.device)
    for moved, (plane, row, column) in zip(around, product(*map(range, kernel)), strict=True):
        total += moved[plane : plane + planes, row : row + rows, column : column + columns]
    return total if bias is None else total + bias
