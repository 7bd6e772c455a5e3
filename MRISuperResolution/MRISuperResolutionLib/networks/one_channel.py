"""Convolutions that give one channel: libraries, whose vectors are made for many, take several times as long."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional


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
