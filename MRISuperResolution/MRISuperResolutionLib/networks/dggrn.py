"""DGGRN, guided by the gradient of the slice, and ResNet, the same without guidance (Du & He 2019)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..inference.background import ROUNDING
from ..inference.slab_plan import IMAGE_BYTES
from .base import (
    SEEN,
    Link,
    Network,
    changed,
    changed_as_guided,
    convolution,
    in_full_precision,
    initialise,
)
from .fused_upsampling import shares_of
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

    def links(self, channels: slice) -> list[Link]:
        """The same as the first of a chain's, on those ``channels`` of what is seen, the gradient map."""
        first, *rest = (layer for layer in self.layers if isinstance(layer, nn.Conv2d))
        behind = partial(_behind, channels)
        links = [
            Link(first, rectified=True, source=SEEN, channels=channels, others=(SEEN,), combined=behind, joined=1)
        ]
        for number, layer in enumerate(rest):
            seen = layer.in_channels
            links.append(
                Link(layer, rectified=True, others=(number,), combined=partial(_behind, slice(0, seen)), joined=seen)
            )
        return [*links[:-1], replace(links[-1], rectified=False, others=(), combined=torch.sigmoid, joined=0)]


def _behind(channels: slice, found: Tensor, seen: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.cat([seen[:, channels], found], dim=1, out=out)


class Block(nn.Module):
    """x + conv(ReLU(conv(x))) * guidance (Du & He, Fig. 2b)."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first, self.second = convolution(2, filters, filters), convolution(2, filters, filters)

    def forward(self, x: Tensor, guidance: Tensor | None) -> Tensor:
        change: Tensor = self.second(torch.relu(self.first(x)))
        return changed(change, x) if guidance is None else changed_as_guided(change, x, guidance)


class ResNet(Network):
    """The SR subnet: 3 x 3 head, residual blocks, sub-pixel convolution, 3 x 3 convolution to one channel.

    Input: LR slices (batch, 1, height, width), normalised; output (batch, 1, height * factor, width *
    factor) on the grid that holds ``factor`` x ``factor`` cells in each LR cell. Alone it is the baseline
    of Du & He, section 5.1; DGGRN hands it the guidance. With ``gradient_input`` the head sees the slice and
    its gradient (Du & He, Eq. 5).
    """

    dimensions = 2
    # it gives the intensities themselves, noise included
    close = ROUNDING

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
        self.image_bytes = IMAGE_BYTES * factor**2 + 8 * (factor + 2) ** 2
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
        """What is seen of LR slices, and guidance maps (batch, filters, height, width; None: all ones) -> HR
        slices."""
        x = self.head(y)
        for block in self.blocks:
            x = block(x, guidance)
        return self.finer(self.expand(x))

    def finer(self, cells: Tensor) -> Tensor:
        """LR maps (batch, filters * factor**2, height, width) -> HR slices."""
        return in_full_precision(self.tail, functional.pixel_shuffle(cells, self.factor))

    def forward(self, y: Tensor) -> Tensor:
        return self.reconstruct(self.seen(y), None)

    def chain(self, corner: Tensor | None = None) -> list[Link]:
        return self._links([], None)

    def completed(self, x: Tensor, found: Tensor) -> Tensor:
        fine = found.shape[3] * self.factor, found.shape[4] * self.factor
        shares = found[0].transpose(0, 1).flatten(2)
        total = functional.fold(shares, fine, self.factor + 2, padding=1, stride=self.factor)
        return (total if self.tail.bias is None else total + self.tail.bias).transpose(0, 1)[None]

    def _links(self, ahead: list[Link], image: slice | None) -> list[Link]:
        """A chain that begins with the links ``ahead``, the last of which gives the guidance; the head takes the
        channels ``image`` of what is seen."""
        guidance = tuple(range(len(ahead)))[-1:]
        features = len(ahead)
        links = [*ahead, Link(self.head, rectified=False, source=SEEN, channels=image)]
        for block in self.blocks:
            assert isinstance(block, Block)
            combined = changed_as_guided if guidance else changed
            links.append(Link(block.first, rectified=True, source=features))
            links.append(Link(block.second, rectified=False, others=(features, *guidance), combined=combined))
            features = len(links) - 1
        return [*links, Link(shares_of(self.expand, self.tail, self.factor), rectified=False, exact=True)]


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

    @property
    def seen_radius(self) -> int:
        return 1

    def seen(self, x: Tensor) -> Tensor:
        return torch.cat([x, gradient_map(x)], dim=1)

    def forward(self, y: Tensor) -> Tensor:
        return self.reconstruct(y, self.guidance(y))

    def chain(self, corner: Tensor | None = None) -> list[Link]:
        return self._links(self.gradient_model.links(slice(1, 2)), slice(0, 1))
