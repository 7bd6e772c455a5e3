"""The generators of GAN-CIRCLE: feature blocks, then two parallel branches (after You et al. 2019)."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Network, convolution, in_full_precision, initialise

SLOPE = 0.2
"""Of the leaky ReLU below zero."""

DROPPED = 0.2
"""Share of a block's values that are dropped while training."""

FALL = 1.5
"""How the filters become fewer from block to block: fast at first, slowly in the end."""

WIDE, NARROW, JOINED = 24, 8, 32
"""Filters of the two branches and of the layer that integrates them."""


class CIRCLE(Network):
    """Adds what is missing to a slice: ``layers`` feature blocks, reconstruction in two branches.

    Input and output: slices (batch, 1, height, width), normalised, on one grid. A block is a 3 x 3 convolution,
    leaky ReLU and dropout; the outputs of all blocks are concatenated. One branch is a 1 x 1 convolution, the
    other a 1 x 1 and a 3 x 3 one ("network in network"); they are concatenated, integrated by a 3 x 3
    convolution, and a last one gives the residual, which is added to the input (Lyu et al., "Super-resolution
    MRI through deep learning", section II.2). 12 blocks of 64 to 16 filters: 160,057 parameters; the receptive
    field is 2 x 15 + 1 = 31 voxels wide.

    The paper gives the number of blocks, the kernel and the plan. The fall of the filters (64, 54, 48, 43, 39, 35,
    31, 28, 25, 22, 18, 16) and the branches' are those of You et al., "CT super-resolution GAN constrained by the
    identical, residual, and cycle learning ensemble", as far as we know them; slope and dropout are assumptions.
    Their upsampling layer is left out, for the matrix stays.
    """

    dimensions = 2

    def __init__(self, layers: int = 12, filters: int = 64, last_filters: int = 16) -> None:
        super().__init__()
        self.filters, self.last_filters = filters, last_filters
        sizes = falling(filters, last_filters, layers)
        self.blocks = nn.ModuleList(convolution(2, a, b) for a, b in itertools.pairwise([1, *sizes]))
        self.wide = convolution(2, sum(sizes), WIDE, kernel=1)
        self.narrow = convolution(2, sum(sizes), NARROW, kernel=1)
        self.narrow_again = convolution(2, NARROW, NARROW)
        self.join = convolution(2, WIDE + NARROW, JOINED)
        self.tail = convolution(2, JOINED, 1)
        # one voxel a block, then the narrow branch, the integration, the tail
        self.receptive_radius = layers + 3
        # the blocks' outputs, and all of them again as one
        self.width = 2 * sum(sizes)
        initialise(self, "he")

    @property
    def architecture(self) -> dict[str, Any]:
        return {
            "name": "CIRCLE",
            "layers": len(self.blocks),
            "filters": self.filters,
            "last_filters": self.last_filters,
        }

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        for block in self.blocks:
            seen = outputs[-1] if outputs else x
            outputs.append(functional.dropout(_leaky(block(seen)), DROPPED, self.training))
        features = torch.cat(outputs, dim=1)
        branches = [_leaky(self.wide(features)), _leaky(self.narrow_again(_leaky(self.narrow(features))))]
        joined = _leaky(self.join(torch.cat(branches, dim=1)))
        return x + in_full_precision(self.tail, joined)


def falling(first: int, last: int, count: int) -> list[int]:
    """Filters of ``count`` layers, fewer from each to the next (as in DCSCN, Yamanaka et al. 2017)."""
    if count == 1:
        return [first]
    return [int(last + (first - last) * (1 - (n / (count - 1)) ** (1 / FALL))) for n in range(count)]


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)
