"""Learning against a critic: what GAN-CPCE and GAN-CIRCLE have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from ..networks.base import Network
from .lesson import Examined
from .protocol import Protocol


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
