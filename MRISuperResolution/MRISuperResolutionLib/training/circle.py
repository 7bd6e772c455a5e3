"""How GAN-CIRCLE learns: there and back, with a critic at both ends (Lyu et al., section II.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ..networks import build
from ..networks.base import Network, initialise
from ..networks.discriminators import CIRCLECritic
from .adversarial import Adversarial
from .adversarial_losses import joint_sparsifying_transform, wasserstein
from .protocol import Protocol


class CircleLesson(Adversarial):
    """G, the network, makes HR images y of LR ones x, F the other way; D_Y judges y, D_X judges x.

    The generators lower the adversarial, cycle, identity and joint sparsifying transform losses; x and y are pairs.
    The paper does not give the weights: 1, 0.5, 0.001 and a balance of 0.5 are those of You et al. 2019, as far as
    we know them.
    """

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__(network, protocol, examine)
        self.back = build(network.architecture)
        initialise(self.back, protocol.initialisation)
        self.judge_y, self.judge_x = (CIRCLECritic(protocol.patch, protocol.critic_filters) for _ in range(2))

    @property
    def generators(self) -> nn.Module:
        return nn.ModuleList([self.network, self.back])

    @property
    def critics(self) -> nn.Module:
        return nn.ModuleList([self.judge_y, self.judge_x])

    def critics_loss(self, source: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            made_y, made_x = self.network(source).float(), self.back(target).float()
        weight = self.protocol.penalty_weight
        return wasserstein(self.judge_y, target, made_y, weight) + wasserstein(self.judge_x, source, made_x, weight)

    def generators_loss(self, source: Tensor, target: Tensor) -> Tensor:
        protocol = self.protocol
        made_y, made_x = self.network(source).float(), self.back(target).float()
        adversarial = -self.judge_y(made_y).mean() - self.judge_x(made_x).mean()
        cycle = l1_loss(self.back(made_y), source) + l1_loss(self.network(made_x), target)
        identity = l1_loss(self.network(target), target) + l1_loss(self.back(source), source)
        sparsity = joint_sparsifying_transform(made_y, target, protocol.sparsity_balance)
        return (
            adversarial
            + protocol.cycle_weight * cycle
            + protocol.identity_weight * identity
            + protocol.sparsity_weight * sparsity
        )
