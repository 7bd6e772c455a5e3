"""The parts of the adversarial losses (Lyu et al., section II.2). Images are (batch, 1, height, width).

The critic gives high numbers to true images and low ones to made ones; the paper writes it the other way round in
places, which only turns its sign. Norms are means over voxels, so that weights do not depend on the patch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]
"""(batch, 1, height, width) -> (batch, 1)."""


def wasserstein(critic: Critic, true: Tensor, made: Tensor, penalty_weight: float) -> Tensor:
    """The critic's loss: minus the distance that it finds, plus the penalty of Gulrajani et al."""
    return critic(made).mean() - critic(true).mean() + penalty_weight * gradient_penalty(critic, true, made)


def gradient_penalty(critic: Critic, true: Tensor, made: Tensor) -> Tensor:
    """Mean squared difference from 1 of the critic's slope, somewhere between each true image and a made one."""
    between = torch.lerp(made, true, torch.rand(len(true), 1, 1, 1, device=true.device)).detach().requires_grad_()
    # eight bits of bfloat16 would hold little of a slope's difference from 1
    with torch.autocast(between.device.type, enabled=False):
        (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slopes.flatten(1).norm(dim=1) - 1) ** 2).mean()


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbours along one axis, plus that along the other."""
    return images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()


def joint_sparsifying_transform(result: Tensor, target: Tensor, balance: float) -> Tensor:
    """``balance`` times the total variation of the result, plus the rest of 1 times that of its error."""
    return balance * total_variation(result) + (1 - balance) * total_variation(target - result)
