"""Sobel's gradient of slices and volumes: where the edges are, for networks and losses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

SMOOTH, DIFFERENCE = (0.25, 0.5, 0.25), (-0.5, 0.0, 0.5)
"""Sobel's kernel across an edge and along it, scaled so that a ramp's gradient is its slope."""


def gradient_magnitude(images: Tensor, padding: int = 1) -> Tensor:
    """|Sobel(images)| in intensity per voxel, of slices or volumes (batch, 1, *space).

    With ``padding`` 1 the size stays and zeros stand around the images; with 0 the outer voxels are lost.
    """
    axes = images.dim() - 2
    convolve = functional.conv3d if axes == 3 else functional.conv2d
    gradient = convolve(images, _kernels(axes).to(images), padding=padding)
    squares = gradient.square().sum(dim=1, keepdim=True)
    # not torch's norm, which takes a hundred times as long over so few channels; the root of zero has no derivative
    return squares.clamp_min(torch.finfo(squares.dtype).tiny).sqrt()


def _kernels(axes: int) -> Tensor:
    """(axes, 1, 3, ...): one kernel for the difference along each axis."""
    lines = [[DIFFERENCE if along == axis else SMOOTH for along in range(axes)] for axis in range(axes)]
    return torch.stack([_product(line) for line in lines])[:, None]


def _product(lines: Sequence[Sequence[float]]) -> Tensor:
    """Outer product of one line of weights along each axis."""
    return reduce(lambda kernel, line: kernel[..., None] * torch.tensor(line), lines, torch.tensor(1.0))
