"""A training run in a folder of its own: log, checkpoints, resume, and at the end the weights."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from ..errors import RequestError
from ..grid import Triple
from ..networks import build
from ..networks.base import Network, channels_last
from ..weights import find_card, load_network
from .examine import Examiner
from .lesson import Lesson
from .patches import PatchStream
from .protocol import Protocol
from .truth import Truth
from .warm_start import warm_start

LAST = "last.ckpt"

COMMANDS = "commands.json"

ONE_EXAMINATION: Any = [0]
"""Lightning wants batches to validate on; the examiner brings its own volumes."""


def train(
    protocol: Protocol,
    truths: Sequence[Truth],
    folder: Path,
    factors: Sequence[Triple],
    command: str = "",
    start: str | None = None,
    progress: bool = True,
) -> Network:
    """Train, or go on training, in ``folder``; returns the trained network, on the CPU.

    ``folder`` gets ``log/version_N/metrics.csv`` for the Nth start (loss, and gain over spline on the
    validation volumes, at ``factors`` for 3D networks) and ``last.ckpt``. Where that checkpoint is there
    already, training goes on from it with the batches that follow, as if it had never stopped. ``command``,
    if given, is noted for the card (see ``note_command``). ``start`` names weights to begin with (see
    ``warm_start``). Raises RequestError, and leaves the folder as it was, for settings that do not fit the
    network or the volumes.
    """
    # what Lightning says of itself at the start is no news to whoever trains a network here
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    lightning.seed_everything(protocol.seed, verbose=False)
    network = channels_last(build(protocol.architecture))
    _check_fit(protocol, network)
    if start is not None:
        warm_start(network, load_network(find_card(start)))
    stream = PatchStream([t for t in truths if t.split == "train"], network, protocol)
    examiner = Examiner([t for t in truths if t.split == "validate"], network, protocol, factors)
    lesson = Lesson(network, protocol, examiner)
    checkpoint = folder / LAST
    stream.position = _steps_done(folder)
    trainer = lightning.Trainer(
        default_root_dir=folder,
        accelerator="auto",
        devices=1,
        precision={"float32": "32-true", "bfloat16": "bf16-mixed"}[protocol.precision],  # type: ignore[arg-type]
        max_steps=protocol.steps,
        max_epochs=-1,
        gradient_clip_val=protocol.gradient_clip,
        val_check_interval=min(protocol.validate_every, protocol.steps),
        limit_val_batches=1,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        logger=CSVLogger(folder, name="log"),
        callbacks=[
            ModelCheckpoint(
                dirpath=folder,
                filename="last",
                every_n_train_steps=min(protocol.validate_every, protocol.steps),
                save_top_k=1,
                enable_version_counter=False,
            ),
            LearningRateMonitor("step"),
        ],
        enable_progress_bar=progress,
        enable_model_summary=False,
    )
    if command:
        note_command(folder, command)
    with warnings.catch_warnings():
        # the stream makes its batches between two steps in well under a hundredth of a step's time
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # going on in the same folder is the purpose
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        # of Lightning's own calls to torch
        warnings.filterwarnings("ignore", message=".*treespec.*")
        trainer.fit(
            lesson,
            DataLoader(stream, batch_size=None),
            DataLoader(ONE_EXAMINATION, batch_size=None),
            ckpt_path=checkpoint if checkpoint.is_file() else None,
            weights_only=True,
        )
    return network.cpu().eval()


def _check_fit(protocol: Protocol, network: Network) -> None:
    """Raise RequestError for settings that the network would leave without effect."""
    if protocol.loss == "relative" and network.factor != 1:
        raise RequestError("the relative loss needs a network on the target grid, such as ReCNN: choose mse")
    if network.dimensions == 2 and network.factor == 1:
        raise RequestError("2D networks on the target grid cannot be trained yet: choose dimensions=3")
    if network.dimensions == 2 and protocol.factors:
        raise RequestError("a 2D network is trained for its own factor: leave out --factors")


def noted_commands(folder: Path) -> list[dict[str, Any]]:
    """The commands that made the run in ``folder``: [{"from_step", "command"}]."""
    path = folder / COMMANDS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def note_command(folder: Path, command: str) -> None:
    """Add ``command`` to those that made the run in ``folder``, unless it is the last of them.

    A run that is taken up again with other settings is thus told as what it was.
    """
    commands = noted_commands(folder)
    if not commands or commands[-1]["command"] != command:
        commands.append({"from_step": _steps_done(folder), "command": command})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMMANDS).write_text(json.dumps(commands, indent=2) + "\n", encoding="utf-8")


def _steps_done(folder: Path) -> int:
    checkpoint = folder / LAST
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
