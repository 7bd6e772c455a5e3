"""SCSR and MCSR: one slice, and one slice with a reference (after Zeng et al. 2018).

Zeng, Zheng, Cai, Yang, Zhang and Chen, "Simultaneous single- and multi-contrast super-resolution for brain MRI
images based on a convolutional neural network", Computers in Biology and Medicine. Publicly known is the plan: a
single-contrast subnet of plain convolutions and an upsampling layer makes an HR estimate of the LR slice; a
multi-contrast subnet refines it, seeing the HR slice of another contrast. Depth and width are not: ours are
assumptions, and so are ReLU after each layer but the last, and a loss on the last output alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Network, convolution, in_full_precision, initialise


class SCSR(Network):
    """The single-contrast subnet: convolutions on the LR grid, a deconvolution, convolutions on the HR grid.

    Input: LR slices (batch, 1, height, width), normalised; output (batch, 1, height * factor, width * factor)
    on the grid that holds ``factor`` x ``factor`` cells in each LR cell. ``layers`` 3 x 3 convolutions extract
    features; the deconvolution has a kernel of 3 LR cells, so that it treats both sides of a cell alike;
    ``refining_layers`` 3 x 3 convolutions follow, the last of them to one channel. Nothing is added to the
    output. Factor 2, 6 and 3 layers: 407,233 parameters; an HR voxel sees 9 LR voxels to each side.
    """

    dimensions = 2

    def __init__(self, factor: int = 2, filters: int = 64, layers: int = 6, refining_layers: int = 3) -> None:
        super().__init__()
        self.factor, self.filters, self.layers, self.refining_layers = factor, filters, layers, refining_layers
        self.features = _features(1, filters, layers)
        self.expand = nn.ConvTranspose2d(filters, filters, 3 * factor, stride=factor, padding=factor)
        self.refine = nn.Sequential(nn.ReLU(inplace=True), _features(filters, filters, refining_layers - 1))
        self.tail = convolution(2, filters, 1)
        # each layer, one cell for the deconvolution, and the fine voxels of the rest in whole cells
        self.receptive_radius = layers + 1 + -(-refining_layers // factor)
        # a convolution's input and output on the fine grid
        self.width = 2 * filters * factor**2
        initialise(self, "he")

    @property
    def architecture(self) -> dict[str, Any]:
        sizes = ("factor", "filters", "layers", "refining_layers")
        return {"name": type(self).__name__, **{size: getattr(self, size) for size in sizes}}

    def map_bytes(self, itemsize: int) -> float:
        # the tail works in single precision whatever the rest does
        return super().map_bytes(4)

    def forward(self, y: Tensor) -> Tensor:
        return in_full_precision(self.tail, self.refine(self.expand(self.features(y))))


class MCSR(Network):
    """The multi-contrast network: an estimate from the slice alone, then a better one that sees the references.

    Input: (batch, 1 + references, height, width): the slice brought to the target grid by cubic spline, then
    HR slices of other contrasts on that grid; output (batch, 1, height, width). References lie on the
    network's input grid here, so that both subnets work on the target grid. Each has ``layers`` 3 x 3 convolutions
    and adds its output to the image that it begins from, the spline or the estimate. 2 x 6 layers, one
    reference: 298,434 parameters; the receptive field is 4 layers + 1 voxels wide.
    """

    dimensions = 2

    def __init__(self, filters: int = 64, layers: int = 6, references: int = 1) -> None:
        super().__init__()
        self.filters, self.layers, self.references = filters, layers, references
        self.single = _to_one_channel(1, filters, layers)
        self.multi = _to_one_channel(1 + references, filters, layers)
        self.receptive_radius = 2 * layers
        self.width = 2 * filters
        initialise(self, "he")

    @property
    def architecture(self) -> dict[str, Any]:
        sizes = ("filters", "layers", "references")
        return {"name": "MCSR", **{size: getattr(self, size) for size in sizes}}

    def forward(self, x: Tensor) -> Tensor:
        # the sums stay in the input's precision: only what is added may be rounded
        image, references = x[:, :1], x[:, 1:]
        estimate = image + self.single(image).to(x.dtype)
        change: Tensor = self.multi(torch.cat([estimate, references], dim=1))
        return estimate + change.to(x.dtype)


def _features(inputs: int, filters: int, layers: int) -> nn.Sequential:
    """(batch, inputs, *space) -> (batch, filters, *space): 3 x 3 convolutions, ReLU after each."""
    body: list[nn.Module] = []
    for number in range(layers):
        body += [convolution(2, filters if number else inputs, filters), nn.ReLU(inplace=True)]
    return nn.Sequential(*body)


def _to_one_channel(inputs: int, filters: int, layers: int) -> nn.Sequential:
    return nn.Sequential(_features(inputs, filters, layers - 1), convolution(2, filters, 1))


class DeCNN(SCSR):
    """Adds what is missing to the interpolated slice: SCSR's layers, and its result is a residual.

    Input: LR slices (batch, 1, height, width), normalised; output (batch, 1, height * factor, width * factor)
    on the grid that holds ``factor`` x ``factor`` cells in each LR cell, on which the slice is interpolated too.
    With factor 2 and the same sizes it has SCSR's 407,233 parameters and its receptive field.

    Oktay et al., "Multi-input cardiac image super-resolution using convolutional neural networks", extract
    features on the LR grid, upsample them by one deconvolution, refine them, and add linearly interpolated
    intensities. Theirs is 3D and upsamples across slices alone, by 5; here it is 2D and upsamples along both
    axes of the slice, as all networks on the LR grid do. Depth and width are assumptions.
    """

    def forward(self, y: Tensor) -> Tensor:
        between = functional.interpolate(y, scale_factor=self.factor, mode="bilinear", align_corners=False)
        return between + super().forward(y)
