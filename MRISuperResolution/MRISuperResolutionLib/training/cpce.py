"""How GAN-CPCE learns: from a Wasserstein critic and from what VGG-19 sees (Lyu et al., section II.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import RequestError
from ..networks.base import Network
from ..networks.discriminators import CPCECritic
from .adversarial import Adversarial
from .adversarial_losses import wasserstein
from .perceptual import Perceptual
from .protocol import Protocol


class CPCELesson(Adversarial):
    """L = L_a + ``perceptual_weight`` L_p. The paper does not give the weight: 0.1 is that of the network for CT
    that it follows, as far as we know it."""

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__(network, protocol, examine)
        if protocol.vgg is None:
            raise RequestError("the loss cpce needs the weights of VGG-19: give their file as vgg")
        self.perceptual = Perceptual(protocol.vgg)
        self.critic = CPCECritic(protocol.patch * network.factor, protocol.critic_filters)

    @property
    def generators(self) -> nn.Module:
        return self.network

    @property
    def critics(self) -> nn.Module:
        return self.critic

    def critics_loss(self, source: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            made = self.network(source).float()
        return wasserstein(self.critic, target, made, self.protocol.penalty_weight)

    def generators_loss(self, source: Tensor, target: Tensor) -> Tensor:
        made = self.network(source).float()
        alike = self.perceptual(made, target)
        return -self.critic(made).mean() + self.protocol.perceptual_weight * alike
