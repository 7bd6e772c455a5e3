"""One optimiser step and one validation, as Lightning wants them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import RequestError
from ..networks.base import Network, channels_last
from .protocol import Protocol

LEAST_ERROR = 1e-5
"""Mean squared error, in normalised units, below which a patch no longer counts for more in the relative loss."""


class Lesson(lightning.LightningModule):
    """The protocol's loss, Adam with its own rate for biases, the protocol's schedule.

    ``examine`` maps the network to a dict of figures; it is called every ``validate_every`` steps.
    """

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__()
        self.network, self.protocol, self.examine = network, protocol, examine

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        source, target = batch
        loss = self.loss(self.network(channels_last(source)).float(), source, target)
        if not torch.isfinite(loss):
            raise RequestError(f"the loss is {loss.item()} at step {self.global_step}: lower the learning rate")
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, result: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """The protocol's loss of a batch; ``source`` is on the target's grid where it is "relative"."""
        if self.protocol.loss == "mse":
            return functional.mse_loss(result, target)
        error, spline_error = (((x - target) ** 2).flatten(1).mean(dim=1) for x in (result, source[:, :1]))
        return (error / (spline_error + LEAST_ERROR)).mean()

    def validation_step(self, batch: Any, number: int) -> None:
        self.log_dict(self.examine(self.network), prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> Any:
        protocol = self.protocol
        biases = [p for name, p in self.network.named_parameters() if name.endswith("bias")]
        weights = [p for name, p in self.network.named_parameters() if not name.endswith("bias")]
        groups: list[dict[str, Any]] = [
            {"params": weights},
            {"params": biases, "lr": protocol.learning_rate * protocol.bias_rate},
        ]
        optimiser = torch.optim.Adam(groups, lr=protocol.learning_rate, betas=(0.9, 0.999))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, protocol))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def rate_at(step: int, protocol: Protocol) -> float:
    """Share of the initial learning rate at ``step``."""
    progress = min(1.0, step / protocol.steps)
    if protocol.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return protocol.decay ** math.floor(progress / protocol.decay_every)
