"""One optimiser step and one validation, as Lightning wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from ...errors import RequestError
from ...networks.base import Network, channels_last
from ..config.train_config import Protocol
from ..losses.reconstruction import loss_of
from ..optim import make_optimiser, rate_at

OPTIMISER = "optimiser"
"""The key of a checkpoint under which the name of the optimiser stands."""


class Examined(lightning.LightningModule):
    """What all ways to learn have in common: the examination, the schedule, and how a run is taken up.

    ``examine`` maps the network to a dict of figures; it is called every ``validate_every`` steps.
    """

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__()
        self.network, self.protocol, self.examine = network, protocol, examine

    def checked(self, loss: Tensor) -> Tensor:
        """The loss of all processes, so that they end together; RequestError where it is no number."""
        mean: Tensor = self.trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")
        if not torch.isfinite(mean):
            raise RequestError(f"the loss is {mean.item()} at step {self.global_step + 1}: lower the learning rate")
        return mean

    def validation_step(self, batch: Any, number: int) -> None:
        self.log_dict(self.examine(self.network), batch_size=1, sync_dist=True)

    def scheduled(self, module: nn.Module) -> dict[str, Any]:
        """The protocol's optimiser for the parameters of ``module``, and its schedule, as Lightning wants them."""
        optimiser = make_optimiser(module, self.protocol)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, self.protocol))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[OPTIMISER] = self.protocol.optimiser

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # a run may be taken up with another learning rate; the optimiser would go on with the old one
        rates = [self.protocol.learning_rate, self.protocol.learning_rate * self.protocol.bias_rate]
        for optimiser, schedule in zip(checkpoint["optimizer_states"], checkpoint["lr_schedulers"], strict=True):
            schedule["base_lrs"] = rates
            for group, rate in zip(optimiser["param_groups"], rates, strict=True):
                group["initial_lr"], group["lr"] = rate, rate * rate_at(checkpoint["global_step"], self.protocol)


class Lesson(Examined):
    """The protocol's loss, optimiser and schedule."""

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__(network, protocol, examine)
        self.loss = loss_of(protocol)

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        source, target = batch
        loss = self.loss(self.network(channels_last(source)).float(), target, source)
        self.log("loss", self.checked(loss))
        return loss

    def configure_optimizers(self) -> Any:
        return self.scheduled(self.network)
