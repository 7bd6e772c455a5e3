"""Learning against a critic: what GAN-CPCE and GAN-CIRCLE have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.optim.lr_scheduler import LRScheduler

from ...errors import RequestError
from ...networks import build
from ...networks.base import Network, initialise
from ...networks.discriminators import CIRCLECritic, CPCECritic
from ..config.train_config import Protocol
from ..losses.adversarial import joint_sparsifying_transform, wasserstein
from ..losses.perceptual import Perceptual
from .base import Examined


class Adversarial(Examined):
    """Steps of the critics and, after every ``critic_steps`` of these, one of the generators on the same batch.

    A step is a batch, and a step of the critics: the run's length, checkpoints, schedules and logs count these.
    In Lightning's words: manual optimisation. The log repeats the generators' last loss until their next step.
    """

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__(network, protocol, examine)
        self.automatic_optimization = False

    @property
    @abstractmethod
    def generators(self) -> nn.Module:
        """What makes images, the network among it."""

    @property
    @abstractmethod
    def critics(self) -> nn.Module:
        """What judges them."""

    @abstractmethod
    def critics_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """What the critics lower."""

    @abstractmethod
    def generators_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """What the generators lower."""

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        # dropout and the penalty draw the same in a run that is taken up
        torch.manual_seed(_seed_of(self.protocol.seed, self.global_step))
        generators, critics = cast(list[LightningOptimizer], self.optimizers())
        last = (self.global_step + 1) % self.protocol.critic_steps == 0
        self._descend(critics, lambda: self.critics_loss(*batch), "critic's loss")
        critics.step()
        if last:
            self._descend(generators, lambda: self.generators_loss(*batch), "loss")
            # Lightning counts the steps of its own optimisers, and a batch is one step
            generators.optimizer.step()
        for schedule in cast(list[LRScheduler], self.lr_schedulers()):
            schedule.step()

    def _descend(self, optimiser: LightningOptimizer, make_loss: Callable[[], Tensor], name: str) -> None:
        """Gradients of the loss for the parameters of ``optimiser`` alone."""
        with self.toggled_optimizer(optimiser):
            loss = make_loss()
            self.log(name, self.checked(loss))
            optimiser.zero_grad()
            self.manual_backward(loss)

    def configure_optimizers(self) -> Any:
        return [self.scheduled(module) for module in (self.generators, self.critics)]


def _seed_of(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


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
