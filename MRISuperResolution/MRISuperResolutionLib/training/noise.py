"""Errors without what the noise of the truth accounts for in them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from scipy import stats
from torch import Tensor

from .losses import STAYS_BELOW

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
