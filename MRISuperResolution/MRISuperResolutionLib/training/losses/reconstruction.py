"""How far a batch of results is from its truth, as the protocol counts it.

Results and targets are (batch, 1, *space) in normalised units, sources (batch, 1 + references, *input space).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from ...networks.sobel import gradient_magnitude
from ..config.train_config import Protocol

LEAST_ERROR = 3e-5
"""Mean squared error, in normalised units, below which a patch no longer counts for more in the relative loss."""


def loss_of(protocol: Protocol) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The protocol's loss, as a function of result, target and source."""
    return {
        "mse": lambda result, target, source: functional.mse_loss(result, target),
        "l1": lambda result, target, source: functional.l1_loss(result, target),
        "gradient": lambda result, target, source: gradient_loss(result, target, protocol.gradient_weight),
        # that of the doubt is of other things
        **dict.fromkeys(("relative", "doubt"), relative_loss),
    }[protocol.loss]


def gradient_loss(result: Tensor, target: Tensor, weight: float) -> Tensor:
    """Mean squared error, plus ``weight`` times that of the gradient's magnitude (Du & He, Eq. 4).

    The gradient is Sobel's, in intensity per voxel; the outer voxels of a patch, whose neighbours are not
    known, have none.
    """
    # a difference of neighbours is small: eight bits of bfloat16 would hold little of it
    with torch.autocast(result.device.type, enabled=False):
        found, wanted = (gradient_magnitude(images.float(), padding=0) for images in (result, target))
        return functional.mse_loss(result, target) + weight * functional.mse_loss(found, wanted)


STAYS_BELOW = 0.9
"""Share of the errors that should stay below the expected one."""


def doubt_loss(expected: Tensor, error: Tensor) -> Tensor:
    """Of expected errors, given the absolute ones: least where ``STAYS_BELOW`` of those stay below them (pinball
    loss), over the mean error of each volume, so that all count alike."""
    short = error - expected
    loss = torch.maximum(STAYS_BELOW * short, (STAYS_BELOW - 1) * short).flatten(1).mean(dim=1)
    return (loss / (error.flatten(1).mean(dim=1) + LEAST_ERROR)).mean()


def relative_loss(result: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """Each patch's mean squared error over that of its spline, which is the source's first channel."""
    error, spline_error = (((x - target) ** 2).flatten(1).mean(dim=1) for x in (result, source[:, :1]))
    return (error / (spline_error + LEAST_ERROR)).mean()


NORMAL_REACH = float(stats.norm.ppf((1 + STAYS_BELOW) / 2))
"""What ``STAYS_BELOW`` of them stay below."""

Errors = TypeVar("Errors", np.ndarray, Tensor)


def beyond_noise(errors: Errors, noise: float) -> Errors:
    """What noise of this standard deviation does not account for in absolute ``errors``.

    An error stays below the root of e squared and what ``STAYS_BELOW`` of the noise stays below, squared, where this
    stays below e.
    """
    left = (errors**2 - (NORMAL_REACH * noise) ** 2).clip(min=0)
    return left**0.5
