"""Telling whoever waits how the training goes, and the log how fast."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from ..progress import Progress, Silent, make_progress
from .checkpoints import GAIN


class Telling(Callback):
    """Shows steps, loss and gain; logs steps and patches per second, examinations left out.

    shown  how to show them (see ``make_progress``); the first of several processes alone does
    batch  patches in a step, of all processes together
    every  steps between two reports
    """

    def __init__(self, shown: str, batch: int, every: int) -> None:
        self.shown, self.batch, self.every = shown, batch, every
        self.progress: Progress = Silent()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self.progress = make_progress(self.shown)
        self.first = trainer.global_step
        self._restart(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._restart(trainer)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every:
            return
        steps_per_s = (step - self.since_step) / (time.perf_counter() - self.since)
        pl_module.log_dict({"steps/s": steps_per_s, "patches/s": steps_per_s * self.batch})
        self._restart(trainer)
        # the time left is that of this start, which may not be the first
        fraction = (step - self.first) / (trainer.max_steps - self.first)
        self.progress.report(fraction, f"step {step}/{trainer.max_steps}{_figures(trainer.callback_metrics)}")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.progress.close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self.progress.close()

    def _restart(self, trainer: lightning.Trainer) -> None:
        self.since, self.since_step = time.perf_counter(), trainer.global_step


def _figures(metrics: dict[str, Any]) -> str:
    loss = f", loss {float(metrics['loss']):.3g}" if "loss" in metrics else ""
    return loss + (f", gain {float(metrics[GAIN]):+.2f} dB" if GAIN in metrics else "")
