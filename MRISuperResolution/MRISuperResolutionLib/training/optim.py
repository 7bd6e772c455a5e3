"""The optimisers that Pham et al. compare (section 3.3), biases at a rate of their own, and the rate's schedule."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from torch import nn, optim

from .config.train_config import Protocol

OPTIMISERS: dict[str, Any] = {
    # Eq. 11
    "adam": partial(optim.Adam, betas=(0.9, 0.999)),
    # usual for a Wasserstein critic with a gradient penalty, and its generator (after Gulrajani et al.)
    "adam-0.5": partial(optim.Adam, betas=(0.5, 0.9)),
    # Eq. 7; Eq. 9, the clipping, is the trainer's
    "sgd": partial(optim.SGD, momentum=0.9),
    # Eq. 8
    "nesterov": partial(optim.SGD, momentum=0.9, nesterov=True),
    # Eq. 10; the decay is not given in the paper: this is its program's own (Caffe)
    "rmsprop": partial(optim.RMSprop, alpha=0.99),
}


def make_optimiser(network: nn.Module, protocol: Protocol) -> optim.Optimizer:
    """The protocol's optimiser for all parameters of ``network``, a module of any kind."""
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    weights = [p for name, p in network.named_parameters() if not name.endswith("bias")]
    groups: list[dict[str, Any]] = [
        {"name": "weights", "params": weights},
        {"name": "biases", "params": biases, "lr": protocol.learning_rate * protocol.bias_rate},
    ]
    optimiser: optim.Optimizer = OPTIMISERS[protocol.optimiser](groups, lr=protocol.learning_rate)
    return optimiser


def rate_at(step: int, protocol: Protocol) -> float:
    """Share of the initial learning rate at ``step``."""
    progress = min(1.0, step / protocol.steps)
    if protocol.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if protocol.schedule == "linear":
        return 1 - (1 - protocol.decay) * max(0.0, 2 * progress - 1)
    return protocol.decay ** math.floor(progress / protocol.decay_every)
