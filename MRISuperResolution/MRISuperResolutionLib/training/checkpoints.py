"""What is kept of a run while it goes on, so that a kill or a full disk costs a few steps and never the run."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from ..errors import RequestError
from ..files.whole import write_whole

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
