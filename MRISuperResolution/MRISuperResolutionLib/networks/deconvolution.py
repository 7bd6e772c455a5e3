"""De-CNN: a residual network that upsamples by deconvolution (after Oktay et al. 2016, MICCAI)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .scsr import SCSR


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
