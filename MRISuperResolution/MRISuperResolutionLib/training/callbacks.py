"""What is kept of a run while it goes on, so that a kill or a full disk costs a few steps and never the run."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging
from torch import Tensor

from ..errors import RequestError
from ..io.atomic import write_whole
from ..runtime.progress import Progress, Silent, make_progress

LAST, BEST = "last.ckpt", "best.ckpt"

GAIN = "gain"
"""The figure that says how good the weights are: the mean gain over spline on the validation volumes, in dB."""

NETWORK = "network."
"""What the names of the network's weights begin with in a checkpoint."""


class Checkpoints(Checkpoint):
    """Writes ``last.ckpt`` every ``every`` steps and at the end, ``best.ckpt`` at each best mean gain.

    Training ends after ``patience`` examinations (None: never) without a better gain.
    A run that is taken up from ``last.ckpt`` goes on as if it had not stopped: after the steps that an examination
    follows, which is every ``examine_every`` steps, it is written after that.
    """

    def __init__(self, folder: Path, every: int, examine_every: int, patience: int | None) -> None:
        self.folder, self.every, self.examine_every, self.patience = folder, every, examine_every, patience
        self.best_gain, self.examinations_since = -math.inf, 0

    def state_dict(self) -> dict[str, Any]:
        return {"best_gain": self.best_gain, "examinations_since": self.examinations_since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_gain, self.examinations_since = state_dict["best_gain"], state_dict["examinations_since"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        # the run may have ended so before
        self._end_if_in_vain(trainer)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step % self.examine_every != 0:
            self._save_last(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if GAIN in trainer.callback_metrics:
            self._judge(trainer, float(trainer.callback_metrics[GAIN]))
        self._save_last(trainer)

    def _judge(self, trainer: lightning.Trainer, gain: float) -> None:
        self.examinations_since += 1
        if gain > self.best_gain:
            self.best_gain, self.examinations_since = gain, 0
            trainer.save_checkpoint(self.folder / BEST)
        self._end_if_in_vain(trainer)

    def _end_if_in_vain(self, trainer: lightning.Trainer) -> None:
        if self.patience is not None and self.examinations_since >= self.patience:
            trainer.should_stop = True

    def _save_last(self, trainer: lightning.Trainer) -> None:
        step = trainer.global_step
        if step % self.every == 0 or step == trainer.max_steps or trainer.should_stop:
            trainer.save_checkpoint(self.folder / LAST)


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all.

    Lightning's own are copied from the folder for temporary files where that is on another disk, over the last
    good one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What ``path`` holds, on the CPU; RequestError where it cannot be read."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises whatever comes, depending on which byte is wrong
        raise RequestError(
            f"the checkpoint {path} cannot be read ({error}): put a copy or {BEST} in its place, or begin anew"
        ) from error


def steps_done(folder: Path) -> int:
    """Steps that the run in ``folder`` has made; 0 before its first checkpoint."""
    path = folder / LAST
    return int(read_checkpoint(path)["global_step"]) if path.is_file() else 0


def weights_in(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The network's weights, averaged where the run averages them."""
    return {
        name.removeprefix(NETWORK): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NETWORK)
    }


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
