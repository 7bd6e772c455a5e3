"""A training run in a folder of its own: log, checkpoints, resume, and at the end the network."""

from __future__ import annotations

import json
import logging
import signal
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from ..dataset.subjects import Truth
from ..errors import RequestError
from ..image.grid import Triple
from ..io.atomic import write_whole
from ..models.card import Card, find_card, load_network
from ..networks import build
from ..networks.base import Network, channels_last, initialise
from ..runtime.memory import keep_freed_memory
from ..runtime.progress import Silent
from .callbacks import (
    BEST,
    LAST,
    Checkpoints,
    MovingAverage,
    Telling,
    WholeFiles,
    read_checkpoint,
    steps_done,
    weights_in,
)
from .config.train_config import Protocol
from .config.validation import check_fit
from .curves import LOG
from .data.patch_dataset import PatchStream
from .data.scan_dataset import ScanStream
from .distributed import Share, computing, is_loss_of_process
from .modules.base import OPTIMISER, Examined
from .modules.factory import make_lesson, make_stream
from .validate import Examiner
from .warm_start import warm_start

COMMANDS = "commands.json"

SETTINGS = "settings.yaml"

START = "start.json"

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
    settings: str = "",
) -> Network | None:
    """Train, or go on training, in ``folder``; returns the network with the weights to export, on the CPU.

    Of several processes (see ``Protocol.devices``) the first alone writes and returns; the others return None.

    ``folder`` gets ``log/version_N/metrics.csv`` for the Nth start (loss, and gain over spline on the
    validation volumes, at ``factors`` for 3D networks), ``tensorboard/``, ``last.ckpt`` and ``best.ckpt``
    (see ``Checkpoints``). Where the last one is there already, training goes on from it with the batches that
    follow, as if it had never stopped. ``command``, if given, is noted for the card (see ``note_command``),
    and the text of the ``settings`` stands in ``settings.yaml`` (see ``settings_file``).
    ``start`` names weights to begin with (see ``warm_start``). Raises RequestError, and leaves the folder as it
    was, for settings that do not fit the network, the volumes, the machine or the run in the folder; and
    RequestError, with the checkpoints intact, for a loss that is no number and for a full disk.
    """
    # what Lightning says of itself at the start is no news to whoever trains a network here
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    keep_freed_memory()
    lightning.seed_everything(protocol.seed, verbose=False)
    network = channels_last(build(protocol.architecture))
    initialise(network, protocol.initialisation)
    validating = [t for t in truths if t.split == "validate"]
    _check_fit(protocol, network, validating, factors)
    beginning = find_card(start) if start else None
    if beginning:
        warm_start(network, load_network(beginning))
    stream = make_stream([t for t in truths if t.split == "train"], network, protocol)
    stream.position = steps_done(folder)
    lesson = make_lesson(network, protocol, Examiner(validating, network, protocol, factors))
    _check_same_run(folder, lesson, beginning)
    trainer = _trainer(protocol, folder, stream.position, progress)
    if trainer.is_global_zero:
        if command:
            note_command(folder, command)
        if settings:
            write_whole(folder / SETTINGS, settings)
        if beginning:
            _note_start(folder, beginning)
    _fit(trainer, lesson, stream, folder / LAST)
    if not trainer.is_global_zero:
        return None
    _load_kept(network, protocol, folder)
    return network.cpu().eval()


def _load_kept(network: Network, protocol: Protocol, folder: Path) -> None:
    """Give ``network`` the weights that the protocol wants to keep, and say which these are."""
    kept = read_checkpoint(folder / (BEST if protocol.keep == "best" else LAST))
    network.load_state_dict(weights_in(kept))
    which = "the best mean gain" if protocol.keep == "best" else "the last one"
    averaged = ", averaged over the steps" if protocol.ema else ""
    Silent().say(f"keeping the weights of step {kept['global_step']}, {which}{averaged}")


def _trainer(protocol: Protocol, folder: Path, done: int, progress: bool) -> lightning.Trainer:
    """Lightning's Trainer for a run that has made ``done`` steps."""
    where = computing(protocol)
    examine_every = min(protocol.validate_every, protocol.steps)
    callbacks: list[Callback] = [
        LearningRateMonitor("step"),
        Checkpoints(folder, protocol.save_every, examine_every, protocol.patience),
        Telling("auto" if progress else "none", protocol.batch, protocol.log_every),
    ]
    if protocol.ema:
        callbacks.append(MovingAverage(protocol.ema))
    return lightning.Trainer(
        **{**where, "plugins": [*where["plugins"], WholeFiles()]},
        default_root_dir=folder,
        max_steps=protocol.steps,
        max_epochs=-1,
        gradient_clip_val=protocol.gradient_clip,
        val_check_interval=examine_every,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        log_every_n_steps=protocol.log_every,
        logger=[
            CSVLogger(folder, name=LOG, flush_logs_every_n_steps=1),
            # what an earlier start wrote of the steps that are made again is not shown
            TensorBoardLogger(folder, name=None, version="tensorboard", purge_step=done, flush_secs=10),
        ],
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _fit(trainer: lightning.Trainer, lesson: Examined, stream: PatchStream | ScanStream, checkpoint: Path) -> None:
    with warnings.catch_warnings():
        # the stream makes its batches between two steps in well under a hundredth of a step's time
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # the generator's schedule begins with the critic's first step
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step")
        # of Lightning's own calls to torch
        warnings.filterwarnings("ignore", message=".*treespec.*")
        try:
            trainer.fit(
                lesson,
                DataLoader(
                    Share(stream, trainer.global_rank, trainer.world_size),
                    batch_size=None,
                    num_workers=lesson.protocol.workers,
                ),
                DataLoader(ONE_EXAMINATION, batch_size=None),
                ckpt_path=checkpoint if checkpoint.is_file() else None,
                weights_only=True,
            )
        except BaseException as error:
            # processes that the first one started may wait for it in the middle of a step
            if trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signal.SIGKILL)
            if is_loss_of_process(error):
                raise RequestError(
                    "another process of this run has ended: see what it said, and start them again to go on from the "
                    "last checkpoint"
                ) from error
            raise


def _check_fit(protocol: Protocol, network: Network, validating: Sequence[Truth], factors: Sequence[Triple]) -> None:
    """Raise RequestError for settings that do not go with the network, the volumes or the factors to look at."""
    check_fit(protocol, network)
    trained = [bound for choice in protocol.factors for axis in choice[: network.dimensions] for bound in axis]
    seen = [factor for triple in factors for factor in triple[: network.dimensions]] if trained else []
    if seen and not min(trained) <= min(seen) <= max(seen) <= max(trained):
        raise RequestError(
            f"the network is trained for factors from {min(trained):g} to {max(trained):g}, not for {min(seen):g} to "
            f"{max(seen):g}: validate it at others"
        )
    if not validating and (protocol.patience or protocol.keep == "best"):
        raise RequestError(
            "without validation volumes no gain is measured: leave out patience, and keep the last weights"
        )


def _check_same_run(folder: Path, lesson: Examined, beginning: Card | None) -> None:
    """Raise RequestError where the run in ``folder`` cannot be taken up with this lesson or beginning."""
    if not (folder / LAST).is_file():
        return
    checkpoint = read_checkpoint(folder / LAST)
    if _shapes(lesson.network.state_dict()) != _shapes(weights_in(checkpoint)):
        raise RequestError(f"the run in {folder} is of another network: choose another folder or its architecture")
    if _shapes(lesson.state_dict()) != _shapes(checkpoint["state_dict"]):
        raise RequestError(
            f"the run in {folder} has another critic, or only one of the two has any: choose another folder, or its "
            "loss, patch and critic_filters"
        )
    if checkpoint[OPTIMISER] != lesson.protocol.optimiser:
        raise RequestError(
            f"the run in {folder} has the optimiser {checkpoint[OPTIMISER]}: choose that or another folder"
        )
    noted = noted_start(folder)
    if beginning and (noted is None or noted["sha256"] != beginning.sha256):
        raise RequestError(
            f"the run in {folder} began from {noted['name'] if noted else 'random weights'}, not from "
            f"{beginning.name}: leave out the start or choose another folder"
        )


def _shapes(tensors: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


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
        commands.append({"from_step": steps_done(folder), "command": command})
        write_whole(folder / COMMANDS, json.dumps(commands, indent=2) + "\n")


def noted_start(folder: Path) -> dict[str, str] | None:
    """The weights that the run in ``folder`` began from, {"name", "sha256", "licence"}; None: random ones."""
    path = folder / START
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _note_start(folder: Path, card: Card) -> None:
    noted = {"name": card.name, "sha256": card.sha256, "licence": card.licence}
    write_whole(folder / START, json.dumps(noted, indent=2) + "\n")
