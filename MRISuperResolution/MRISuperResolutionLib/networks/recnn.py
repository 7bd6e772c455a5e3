"""ReCNN: residual 3D (or 2D) network on the target grid (Pham et al. 2017, sections 2.2, 3 and 5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .base import Link, Network, convolution, initialise


class ReCNN(Network):
    """Adds the missing detail to the spline-interpolated volume (Pham et al., Eqs. 5 and 6).

    Input: (batch, 1 + references, *space): the LR volume brought to the target grid by cubic spline, then
    the references on that grid. ``layers`` convolutions of ``filters`` filters with ReLU after each but the
    last; its output is added to the first channel. 10 layers of 64: 888,769 parameters; 20: 1,995,329.
    The receptive field is 2 layers + 1 voxels wide for 3 x 3 x 3 kernels. With ``gradient_input`` the first
    layer sees the gradient of the first channel too (Du & He, Eq. 5). Without ``residual`` the last layer's output
    is the result (the 10L-CNN of Pham et al., Fig. 4).
    """

    def __init__(
        self,
        layers: int = 10,
        filters: int = 64,
        kernel: int = 3,
        references: int = 0,
        dimensions: int = 3,
        gradient_input: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.layers, self.filters, self.kernel, self.residual = layers, filters, kernel, residual
        self.references, self.dimensions, self.gradient_input = references, dimensions, gradient_input
        self.receptive_radius = gradient_input + layers * (kernel // 2)
        self.width = 2 * filters
        channels = [len(self.channels)] + [filters] * (layers - 1)
        body: list[nn.Module] = []
        for inputs in channels[:-1]:
            body += [convolution(dimensions, inputs, filters, kernel), nn.ReLU(inplace=True)]
        body.append(convolution(dimensions, channels[-1], 1, kernel))
        self.body = nn.Sequential(*body)
        initialise(self, "he")

    @property
    def architecture(self) -> dict[str, Any]:
        return {
            "name": "ReCNN",
            "layers": self.layers,
            "filters": self.filters,
            "kernel": self.kernel,
            "references": self.references,
            "dimensions": self.dimensions,
            "gradient_input": self.gradient_input,
            "residual": self.residual,
        }

    def forward(self, x: Tensor) -> Tensor:
        return self.completed(x, self.body(self.seen(x)))

    def completed(self, x: Tensor, found: Tensor) -> Tensor:
        # the sum stays in the input's precision: only the residual may be rounded
        found = found.to(torch.promote_types(found.dtype, x.dtype))
        return x[:, :1] + found if self.residual else found

    def chain(self, corner: Tensor | None = None) -> list[Link]:
        layers = [layer for layer in self.body if isinstance(layer, nn.Conv2d | nn.Conv3d)]
        return [Link(layer, rectified=layer is not layers[-1]) for layer in layers]
