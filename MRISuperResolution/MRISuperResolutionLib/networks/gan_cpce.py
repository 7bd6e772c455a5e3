"""The generator of GAN-CPCE: a conveying-path-based convolutional encoder-decoder (after Shan et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .base import Network, convolution, in_full_precision, initialise

DEPTH = 4
"""Convolutions, and as many deconvolutions."""


class CPCE(Network):
    """Sharpens slices of which the outer k-space is missing: four convolutions, then four deconvolutions.

    Input and output: slices (batch, 1, height, width), normalised, on one grid. All kernels are 3 x 3, of
    stride 1, with ``filters`` filters but for the last one's single one (Lyu et al., "Super-resolution MRI
    through deep learning", section II.2 and Fig. 1). Conveying paths hand the outputs of the third, second and
    first convolution to the first, second and third deconvolution: they are concatenated to its output and
    brought back to ``filters`` channels by a 1 x 1 convolution. 62,337 parameters; the receptive field is
    2 x 8 + 1 = 17 voxels wide.

    Shan et al., "3-D convolutional encoder-decoder network for low-dose CT via transfer learning from a 2-D
    trained network", do not pad; here zeros stand around. ReLU follows each layer but the last: normalised
    intensities may be a little below zero.
    """

    dimensions = 2
    receptive_radius = 2 * DEPTH

    def __init__(self, filters: int = 32) -> None:
        super().__init__()
        self.filters = filters
        self.encoder = nn.ModuleList(convolution(2, filters if n else 1, filters) for n in range(DEPTH))
        self.decoder = nn.ModuleList(_deconvolution(filters, filters) for _ in range(DEPTH - 1))
        self.merge = nn.ModuleList(convolution(2, 2 * filters, filters, kernel=1) for _ in range(DEPTH - 1))
        self.tail = _deconvolution(filters, 1)
        # in the first merging: what is conveyed, a deconvolution's output, both, and the merged
        self.width = (DEPTH - 1 + 1 + 2 + 1) * filters
        initialise(self, "he")

    @property
    def architecture(self) -> dict[str, Any]:
        return {"name": "CPCE", "filters": self.filters}

    def forward(self, x: Tensor) -> Tensor:
        conveyed: list[Tensor] = []
        for layer in self.encoder:
            x = torch.relu(layer(x))
            conveyed.append(x)
        # the last one is what the decoder begins with
        conveyed.pop()
        for layer, merge in zip(self.decoder, self.merge, strict=True):
            x = torch.relu(merge(torch.cat([torch.relu(layer(x)), conveyed.pop()], dim=1)))
        return in_full_precision(self.tail, x)


def _deconvolution(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """3 x 3, of stride 1: the size stays."""
    return nn.ConvTranspose2d(inputs, outputs, 3, padding=1)
