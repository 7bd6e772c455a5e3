"""DGGRN, guided by the gradient of the slice, and ResNet, the same without guidance (Du & He 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Network, convolution, in_full_precision, initialise
from .sobel import gradient_magnitude


def gradient_map(y: Tensor) -> Tensor:
    """sigmoid(|Sobel(y)|) of slices (batch, 1, height, width), zero-padded: in [0.5, 1) (Du & He, Eq. 6)."""
    # Sobel's kernels in whole numbers, as usual
    return torch.sigmoid(8 * gradient_magnitude(y))


class GradientModel(nn.Module):
    """Densely connected convolutions from the gradient map to guidance maps in [0, 1] (Du & He, Eq. 7).

    Each of the ``layers`` convolutions sees the map and all earlier outputs; ReLU, sigmoid after the last.
    (batch, 1, height, width) -> (batch, filters, height, width).
    """

    def __init__(self, filters: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(convolution(2, 1 + filters * n, filters) for n in range(layers))

    def forward(self, gradient: Tensor) -> Tensor:
        seen = gradient
        for layer in self.layers[:-1]:
            seen = torch.cat([seen, torch.relu(layer(seen))], dim=1)
        return torch.sigmoid(self.layers[-1](seen))


class Block(nn.Module):
    """x + conv(ReLU(conv(x))) * guidance (Du & He, Fig. 2b)."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first, self.second = convolution(2, filters, filters), convolution(2, filters, filters)

    def forward(self, x: Tensor, guidance: Tensor | None) -> Tensor:
        change: Tensor = self.second(torch.relu(self.first(x)))
        return x + (change if guidance is None else change * guidance)


class ResNet(Network):
    """The SR subnet: 3 x 3 head, residual blocks, sub-pixel convolution, 3 x 3 convolution to one channel.

    Input: LR slices (batch, 1, height, width), normalised; output (batch, 1, height * factor, width *
    factor) on the grid that holds ``factor`` x ``factor`` cells in each LR cell. Alone it is the baseline
    of Du & He, section 5.1; DGGRN hands it the guidance. With ``gradient_input`` the head sees the slice and
    its gradient (Du & He, Eq. 5).
    """

    dimensions = 2

    def __init__(self, factor: int = 2, filters: int = 64, blocks: int = 8, gradient_input: bool = False) -> None:
        super().__init__()
        self.factor, self.filters, self.gradient_input = factor, filters, gradient_input
        self.head = convolution(2, len(self.channels), filters)
        self.blocks = nn.ModuleList(Block(filters) for _ in range(blocks))
        self.expand = convolution(2, filters, filters * factor**2)
        self.tail = convolution(2, filters, 1)
        # Sobel, head, two a block, expand, and less than one LR voxel for the tail on the fine grid
        self.receptive_radius = gradient_input + 2 * blocks + 3
        # expanded maps before and after the shuffle
        self.width = 2 * filters * factor**2
        initialise(self, "xavier")

    @property
    def architecture(self) -> dict[str, Any]:
        return {
            "name": type(self).__name__,
            "factor": self.factor,
            "filters": self.filters,
            "blocks": len(self.blocks),
            "gradient_input": self.gradient_input,
        }

    def map_bytes(self, itemsize: int) -> float:
        # the tail works in single precision whatever the rest does
        return super().map_bytes(4)

    def reconstruct(self, y: Tensor, guidance: Tensor | None) -> Tensor:
        """LR slices and guidance maps (batch, filters, height, width; None: all ones) -> HR slices."""
        x = self.head(self.seen(y))
        for block in self.blocks:
            x = block(x, guidance)
        return in_full_precision(self.tail, functional.pixel_shuffle(self.expand(x), self.factor))

    def forward(self, y: Tensor) -> Tensor:
        return self.reconstruct(y, None)


class DGGRN(ResNet):
    """ResNet whose every block is multiplied by the guidance maps of the gradient subnet (Du & He, Fig. 3).

    The paper does not say which layer a guidance map multiplies nor whether blocks share it: here each
    block's second convolution, and the same maps in every block.
    """

    def __init__(self, factor: int = 2, filters: int = 64, blocks: int = 8, gradient_layers: int = 4) -> None:
        super().__init__(factor, filters, blocks)
        self.gradient_model = GradientModel(filters, gradient_layers)
        # the longest way: Sobel, the gradient subnet, then all blocks but the first, expand and tail
        self.receptive_radius = max(self.receptive_radius, 1 + gradient_layers + 2 * (blocks - 1) + 2)
        self.width += filters
        initialise(self.gradient_model, "xavier")

    @property
    def architecture(self) -> dict[str, Any]:
        # it has a better use for the gradient than as an input
        sizes = {key: size for key, size in super().architecture.items() if key != "gradient_input"}
        return {**sizes, "gradient_layers": len(self.gradient_model.layers)}

    def guidance(self, y: Tensor) -> Tensor:
        """Guidance maps (batch, filters, height, width) in [0, 1] of LR slices (batch, 1, height, width)."""
        maps: Tensor = self.gradient_model(gradient_map(y))
        return maps

    def forward(self, y: Tensor) -> Tensor:
        return self.reconstruct(y, self.guidance(y))
