"""NullSpaceNet: works on the scan's own grid, is told what is known of the scan, and gives the detail that it lacks.

Our own network: what DGGRN (Du & He 2019) is in 2D, brought to 3D, as they suggest in their conclusion; one set of
weights for all factors and blurs, as Pham et al. 2017 (section 4) ask of one network for several factors. What it
gives is brought to the target grid by ``restoration`` and, where it is known how the scan was made, made to explain
it: there it learns the null space of the acquisition alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import SEEN, Link, Network, changed, changed_as_guided, convolution, initialise
from .sobel import gradient_magnitude
from .spec import WIDTHS, cells_of

USUAL_DETAIL = 0.02
"""The size of the detail, as a share of the range: what the last layer gives is multiplied by it."""

CONTRAST_WIDTHS = {3: 0.03, 7: 0.09}
"""Edges in voxels of the cubes whose mean a voxel is compared with, and the usual size of the difference."""

PLAIN_SHARE = 0.1
"""What intensities and conditions, which are far larger than the detail, are multiplied by, so that the first layers
do not learn of them alone."""

REFERENCE_CONTRAST = 0.09
"""The usual size of the differences between a reference's cells within a voxel of the scan."""

USUAL_LOG_ERROR = -4.0
"""Where the expectation of errors begins: at about two hundredths of the range."""


class GuidedBlock(nn.Module):
    """x + conv(ReLU(conv(x))) * guidance * (1 + a gain for each filter, linear in the conditions)."""

    def __init__(self, filters: int, conditions: int = WIDTHS) -> None:
        super().__init__()
        self.first, self.second = convolution(3, filters, filters), convolution(3, filters, filters)
        self.gain = nn.Linear(conditions, filters)

    def forward(self, x: Tensor, conditions: Tensor, guidance: Tensor | None) -> Tensor:
        change: Tensor = self.second(torch.relu(self.first(x)))
        change = change * self.strength(conditions)
        return x + (change if guidance is None else change * guidance)

    def strength(self, conditions: Tensor) -> Tensor:
        """What the change is multiplied by, (batch, filters, 1, 1, 1), of the conditions (batch, conditions)."""
        strength: Tensor = 1 + self.gain(conditions)
        return strength[:, :, None, None, None]


class Doubt(nn.Module):
    """Two convolutions from the features to the logarithm of the error to expect, for each cell of the detail."""

    def __init__(self, filters: int, cells: int) -> None:
        super().__init__()
        self.first, self.second = convolution(3, filters, filters), convolution(3, filters, cells)

    def forward(self, features: Tensor) -> Tensor:
        return log_error(self.second(torch.relu(self.first(features))))


def log_error(found: Tensor) -> Tensor:
    """Any number to the logarithm of an error between the square of the usual one and the whole range."""
    return USUAL_LOG_ERROR * (1 - torch.tanh(found))


class NullSpaceNet(Network):
    """3 x 3 x 3 head, residual blocks guided by the gradient of the scan, sub-pixel convolution.

    Input: (batch, 1 + conditions + 27 references, *space) on the scan's grid, the axis with the largest factor last:
    the scan, the conditions as constant images, then each reference as the 27 values in each voxel. Output: (batch,
    1, *space * 3), the detail that the cubic spline of the scan lacks, on a grid three times as fine along each axis.

    For ``thick_slices``, which are made finer along the last axis alone, 2 x 2 x 1 voxels of the scan are one of the
    network's: 4 + conditions + 12 references channels in, and detail that is three times as fine as the scan along
    that axis out.

    With ``response`` its conditions tell of each axis' frequencies, not of the width of a blur alone.

    With ``doubt`` a second output, of the same size, tells which error to expect: its logarithm, learned after
    all the rest from what the rest has found (see ``training.scan_lesson``).

    The guidance is that of Du & He (Eqs. 6 and 7) with plain layers in place of dense ones; without
    ``guidance_layers`` there is none.
    """

    dimensions = 3
    restoring = True

    def __init__(
        self,
        filters: int = 48,
        blocks: int = 7,
        guidance_layers: int = 2,
        references: int = 0,
        doubt: bool = False,
        thick_slices: bool = False,
        response: bool = False,
    ) -> None:
        super().__init__()
        self.filters, self.references = filters, references
        self.options = {name: True for name, on in (("thick_slices", thick_slices), ("response", response)) if on}
        self.cells = cells_of(self.options)
        self.head = convolution(3, len(self.channels), filters)
        steep = self.cells.voxels
        self.guide = nn.ModuleList(convolution(3, filters if n else steep, filters) for n in range(guidance_layers))
        self.blocks = nn.ModuleList(GuidedBlock(filters, self.cells.conditions) for _ in range(blocks))
        self.expand = convolution(3, filters, self.cells.count)
        self.doubt = Doubt(filters, self.cells.count) if doubt else None
        # the contrasts and the head, or Sobel and the guidance of all blocks but half of the first
        ahead = max(self.seen_radius + 1, 1 + guidance_layers - 2)
        self.receptive_radius = ahead + 2 * blocks + 1 + doubt
        self.width = 5 * filters
        initialise(self, "he")

    @property
    def outputs(self) -> int:
        return 1 if self.doubt is None else 2

    @property
    def factors(self) -> list[int]:
        return list(self.cells.factors)

    @property
    def inputs(self) -> int:
        return self.cells.voxels + self.cells.conditions + self.cells.count * self.references

    @property
    def channels(self) -> list[str]:
        conditions = [f"condition {number}" for number in range(1, 1 + self.cells.conditions)]
        cells = [
            f"reference {number} cell {cell}"
            for number in range(1, 1 + self.references)
            for cell in range(1, 1 + self.cells.count)
        ]
        contrasts = [name for width in CONTRAST_WIDTHS for name in self._each(f"contrast {width}")]
        return [*self._each("image"), *conditions, *cells, *self._each("gradient"), *contrasts]

    def _each(self, name: str) -> list[str]:
        """Of what there is one of for each voxel of the scan, or more of them."""
        more = range(2, 1 + self.cells.voxels)
        return [name, *(f"{name} of voxel {number}" for number in more)]

    def expect_no_errors(self) -> None:
        self.doubt = None

    def settle(self) -> None:
        # no detail at all, blocks that pass on what they get, and conditions that change nothing
        blocks = [module for module in self.modules() if isinstance(module, GuidedBlock)]
        doubts = [] if self.doubt is None else [self.doubt.second]
        for layer in (self.expand, *doubts, *(part for block in blocks for part in (block.second, block.gain))):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    @property
    def architecture(self) -> dict[str, Any]:
        return {
            "name": "NullSpaceNet",
            "filters": self.filters,
            "blocks": len(self.blocks),
            "guidance_layers": len(self.guide),
            "references": self.references,
            "doubt": self.doubt is not None,
            **self.options,
        }

    @property
    def seen_radius(self) -> int:
        return max(CONTRAST_WIDTHS) // 2

    def seen(self, x: Tensor) -> Tensor:
        together = self.cells.together
        scan = shuffled(x[:, : self.cells.voxels], together)
        images = [8 * gradient_magnitude(scan), *local_contrasts(scan)]
        first = self.cells.voxels + self.cells.conditions
        references = [
            reference_detail(cells) for cells in x[:, first:].split(self.cells.count, dim=1) if self.references
        ]
        plain = [PLAIN_SHARE * x[:, :first], *references]
        return torch.cat([*plain, *(gathered(image, together) for image in images)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        conditions, seen = self.told(x), self.seen(x)
        guidance = self.guidance(seen[:, self.gradient])
        first = features = self.head(seen)
        for block in self.blocks:
            features = block(features, conditions, guidance)
        features = features + first
        detail = USUAL_DETAIL * shuffled(self.expand(features), self.factors)
        if self.doubt is None:
            return detail
        return torch.cat([detail, shuffled(self.doubt(features.detach()), self.factors)], dim=1)

    @property
    def image_bytes(self) -> int:  # type: ignore[override]
        # of the output as found, scaled, in its cells and put together
        return 4 * (self.inputs + 2 * len(self.channels) + 4 * self.outputs * self.cells.count)

    @property
    def gradient(self) -> slice:
        """Which of the channels that are seen is the gradient."""
        number = self.channels.index("gradient")
        return slice(number, number + self.cells.voxels)

    def chain(self, corner: Tensor | None = None) -> list[Link]:
        conditions = (
            next(self.parameters()).new_zeros(1, self.cells.conditions) if corner is None else self.told(corner)
        )
        links: list[Link] = []
        for layer in self.guide:
            assert isinstance(layer, nn.Conv3d)
            links.append(Link(layer, rectified=True))
        if links:
            links[0] = replace(links[0], source=SEEN, channels=self.gradient)
            links[-1] = replace(links[-1], rectified=False, combined=guiding)
        guidance = tuple(range(len(links)))[-1:]
        first = features = len(links)
        links.append(Link(self.head, rectified=False, source=SEEN))
        for number, block in enumerate(self.blocks, 1):
            assert isinstance(block, GuidedBlock)
            others = (features, *guidance, *([first] if number == len(self.blocks) else []))
            links.append(Link(block.first, rectified=True, source=features))
            features = len(links)
            strength = block.strength(conditions).flatten()
            combined = changed_as_guided if guidance else changed
            links.append(Link(block.second, rectified=False, strength=strength, others=others, combined=combined))
        detail = len(links)
        links.append(Link(self.expand, rectified=False, source=features))
        if self.doubt is not None:
            links.append(Link(self.doubt.first, rectified=True, source=features))
            links.append(
                Link(self.doubt.second, rectified=False, others=(detail,), combined=_behind, joined=self.cells.count)
            )
        return links

    def completed(self, x: Tensor, found: Tensor) -> Tensor:
        detail, *doubt = found.float().split(self.cells.count, dim=1)
        outputs = [USUAL_DETAIL * detail, *(log_error(part) for part in doubt)]
        return torch.cat([shuffled(part, self.factors) for part in outputs], dim=1)

    def told(self, x: Tensor) -> Tensor:
        """The conditions (batch, conditions) of the network's input, which are the same everywhere."""
        first = self.cells.voxels
        return x[:, first : first + self.cells.conditions, 0, 0, 0]

    def guidance(self, gradient: Tensor) -> Tensor | None:
        """Maps (batch, filters, *space) in [0, 2] of 8 |Sobel| (batch, voxels, *space); None without layers."""
        if not self.guide:
            return None
        maps = gradient
        for layer in self.guide[:-1]:
            maps = torch.relu(layer(maps))
        return guiding(self.guide[-1](maps))


def guiding(found: Tensor, out: Tensor | None = None) -> Tensor:
    """Any number to [0, 2]: 1 where the layers say nothing, so that blocks begin at their full strength."""
    return 2 * torch.sigmoid(found) if out is None else torch.sigmoid(found, out=out).mul_(2)


def _behind(second: Tensor, first: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.cat([first, second], dim=1, out=out)


def reference_detail(cells: Tensor) -> Tensor:
    """The cells of a reference (batch, cells, *space) as what they differ by from their mean, which is what tells of
    detail, and a small share of the mean."""
    mean = cells.mean(dim=1, keepdim=True)
    return (cells - mean) / REFERENCE_CONTRAST + PLAIN_SHARE * mean


def local_contrasts(scan: Tensor) -> list[Tensor]:
    """What each voxel of (batch, 1, *space) differs by from the mean of those around, one for each width."""
    return [(scan - local_mean(scan, width)) / size for width, size in CONTRAST_WIDTHS.items()]


def local_mean(images: Tensor, width: int) -> Tensor:
    """Mean over the cube of ``width`` voxels around each of (batch, 1, *space), of those of them that there are."""
    around = (width // 2, width // 2)
    for axis in (2, 3, 4):
        # along the last axis, since pooling refuses images that are smaller than the kernel
        line = functional.pad(images.movedim(axis, -1), around)
        there = functional.pad(images.new_ones(images.shape[axis]), around)
        images = (line.unfold(-1, width, 1).sum(-1) / there.unfold(-1, width, 1).sum(-1)).movedim(-1, axis)
    return images


def shuffled(channels: Tensor, edges: Sequence[int]) -> Tensor:
    """(batch, all of a box of these ``edges``, *space) -> (batch, 1, *space * edges): sub-pixel convolution in 3D."""
    if channels.shape[1] == 1:
        return channels
    batch, _, *space = channels.shape
    cells = channels.view(batch, *edges, *space).permute(0, 4, 1, 5, 2, 6, 3)
    return cells.reshape(batch, 1, *(n * edge for n, edge in zip(space, edges, strict=True)))


def gathered(image: Tensor, edges: Sequence[int]) -> Tensor:
    """The way back: (batch, 1, *space * edges) -> (batch, all of a box, *space)."""
    batch, _, *fine = image.shape
    parts = [part for n, edge in zip(fine, edges, strict=True) for part in (n // edge, edge)]
    return image.view(batch, *parts).permute(0, 2, 4, 6, 1, 3, 5).reshape(batch, -1, *parts[::2])
