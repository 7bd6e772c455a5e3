"""The critics of the two adversarial networks: what they give is high for true patches, low for made ones.

Both take patches (batch, 1, side, side) of normalised intensities and give one number for each, (batch, 1); the
last layer is linear, as a Wasserstein critic's must be. ``filters`` are those of the first layer, and 16 times as
many units make the hidden fully connected layer (64 and 1024 in the papers).
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from .base import initialise

SLOPE = 0.2
"""Of the leaky ReLU below zero: not given in the papers."""


class CPCECritic(nn.Module):
    """Six 3 x 3 convolutions of 64, 64, 128, 128, 256 and 256 filters, every second one of stride 2, then two fully
    connected layers; leaky ReLU between all of them (Lyu et al., section II.2)."""

    def __init__(self, side: int, filters: int = 64) -> None:
        super().__init__()
        channels = [1, *(filters * share for share in (1, 1, 2, 2, 4, 4))]
        body: list[nn.Module] = []
        for number in range(6):
            body += [nn.Conv2d(channels[number], channels[number + 1], 3, stride=1 + number % 2, padding=1), _leaky()]
        for _ in range(3):
            side = -(-side // 2)
        self.body = nn.Sequential(*body, *_fully_connected(channels[-1] * side**2, 16 * filters))
        initialise(self, "he")

    def forward(self, patches: Tensor) -> Tensor:
        result: Tensor = self.body(patches)
        return result


class CIRCLECritic(nn.Module):
    """Four stages of convolution, bias, instance norm and leaky ReLU, then two fully connected layers (Lyu et al.,
    Fig. 3). Kernels of 4 x 4, stride 2 and 64 to 512 filters are an assumption. ``side``: 32 at least."""

    def __init__(self, side: int, filters: int = 64) -> None:
        super().__init__()
        channels = [1, *(filters * share for share in (1, 2, 4, 8))]
        body: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(channels):
            body += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.InstanceNorm2d(outputs, affine=True)]
            body.append(_leaky())
        self.body = nn.Sequential(*body, *_fully_connected(channels[-1] * (side // 2**4) ** 2, 16 * filters))
        initialise(self, "he")

    def forward(self, patches: Tensor) -> Tensor:
        result: Tensor = self.body(patches)
        return result


def _leaky() -> nn.Module:
    return nn.LeakyReLU(SLOPE)


def _fully_connected(inputs: int, units: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(inputs, units), _leaky(), nn.Linear(units, 1)]
