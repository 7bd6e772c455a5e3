"""The moving average of the weights over the steps: it wanders less than the weights themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class MovingAverage(WeightAveraging):
    """Averages the weights after every step, examines the average, and keeps both in the checkpoints.

    After n steps the average keeps min(``decay``, (1 + n) / (10 + n)) of itself: the random weights of the
    beginning are soon forgotten, in short runs too. The checkpoint's "state_dict" is the average.
    """

    def __init__(self, decay: float) -> None:
        @torch.no_grad()
        def average(averages: Sequence[Tensor], weights: Sequence[Tensor], steps: Tensor | int) -> None:
            kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
            for mean, now in zip(averages, weights, strict=True):
                mean.lerp_(now, 1 - kept)

        super().__init__(multi_avg_fn=average)

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> Any:
        # Lightning copies the weights before it moves them to the GPU: the average would stay behind
        pl_module.to(trainer.strategy.root_device)
        super().setup(trainer, pl_module, stage)
