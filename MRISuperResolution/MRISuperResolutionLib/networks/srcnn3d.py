"""SRCNN3D: three 3D convolutions on the target grid (Pham et al. 2017, ISBI, after SRCNN of Dong et al. 2014)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .base import Link, Network, convolution, in_full_precision, initialise


class SRCNN3D(Network):
    """Makes the volume anew from its spline interpolation: convolutions 9-1-5 of 64, 32 and 1 filters.

    Input: (batch, 1, *space), the LR volume brought to the target grid by cubic spline; output of the same shape.
    ReLU after the first two layers; the input is not added to the output. 52,801 parameters; the receptive
    field is 9 + 1 + 5 - 2 = 13 voxels wide. The authors' program does not pad and loses 6 voxels on each side;
    here zeros stand around, as in all networks. "Brain MRI super-resolution using deep 3D convolutional
    networks"; the same parametrisation is named in Pham et al. 2017, section 2.2.
    """

    dimensions = 3
    receptive_radius = 4 + 0 + 2
    kernels = (9, 1, 5)

    def __init__(self, filters: int = 64, hidden_filters: int = 32) -> None:
        super().__init__()
        self.filters, self.hidden_filters = filters, hidden_filters
        first, second, third = self.kernels
        self.body = nn.Sequential(
            convolution(3, 1, filters, first),
            nn.ReLU(inplace=True),
            convolution(3, filters, hidden_filters, second),
            nn.ReLU(inplace=True),
        )
        self.tail = convolution(3, hidden_filters, 1, third)
        # into and out of the second layer
        self.width = filters + hidden_filters
        initialise(self, "normal-0.001")

    @property
    def architecture(self) -> dict[str, Any]:
        return {"name": "SRCNN3D", "filters": self.filters, "hidden_filters": self.hidden_filters}

    def chain(self, corner: Tensor | None = None) -> list[Link]:
        first, second, third = (layer for layer in self.modules() if isinstance(layer, nn.Conv3d))
        return [Link(first, True), Link(second, True), Link(third, False, exact=True)]

    def forward(self, x: Tensor) -> Tensor:
        return in_full_precision(self.tail, self.body(x))
