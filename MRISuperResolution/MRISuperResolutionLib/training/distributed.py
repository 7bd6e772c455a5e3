"""The processes that share the work of a run: on the devices of one machine or of several, each takes its part of
every batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import IterableDataset

from ..errors import RequestError
from ..runtime.device import choose_device, choose_precision
from .config.train_config import Protocol

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others before it takes them for dead."""

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
"""Lightning's names. float16's losses are scaled, so that small gradients do not become zero."""


def computing(protocol: Protocol) -> dict[str, Any]:
    """The arguments of Lightning's Trainer that say what computes: devices, machines, precision.

    The processes are those that torchrun or Slurm started; where nobody started any, those of this machine
    are started by the first. Raises RequestError for what this machine or whoever started us does not have.
    """
    count = protocol.devices * protocol.nodes
    environment = _environment()
    started = environment.world_size() if environment else count
    if started != count:
        raise RequestError(
            f"{started} process(es) were started for {protocol.devices} device(s) on {protocol.nodes} node(s) each: "
            "set devices and nodes to what torchrun or srun was told"
        )
    if protocol.batch % count:
        raise RequestError(f"a batch of {protocol.batch} cannot be shared by {count} processes: choose a multiple")
    return {
        "accelerator": _accelerator(protocol, count),
        "devices": protocol.devices,
        "num_nodes": protocol.nodes,
        "strategy": DDPStrategy(timeout=PATIENCE) if count > 1 else "auto",
        "plugins": [environment] if environment else [],
        "precision": PRECISIONS[protocol.precision],
        # each process has its own part of a batch already
        "use_distributed_sampler": False,
    }


def _environment() -> ClusterEnvironment | None:
    """What started this process and those like it; None if it was started alone."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    if SLURMEnvironment.detect():
        # a job that Slurm starts again goes on from the last checkpoint like any other
        return SLURMEnvironment(auto_requeue=False)
    return None


def _accelerator(protocol: Protocol, count: int) -> str:
    gpus = torch.cuda.device_count()
    if gpus and protocol.devices > gpus:
        raise RequestError(
            f"{protocol.devices} devices are asked for, and this machine has {gpus} GPU(s): ask for fewer"
        )
    device = choose_device("auto" if count == 1 else "cuda" if gpus else "cpu")
    choose_precision(protocol.precision, device)
    if protocol.precision == "float16" and device.type != "cuda":
        raise RequestError("training in float16 needs a CUDA GPU: choose bfloat16 or float32")
    return device.type


def is_loss_of_process(error: BaseException) -> bool:
    """Whether ``error`` says that another process no longer answers: torch has no single type for it."""
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error)
    )


class Share(IterableDataset[tuple[Any, ...]]):
    """Of every batch, the samples of process number ``rank`` out of ``count``."""

    def __init__(self, batches: Iterable[tuple[Any, ...]], rank: int, count: int) -> None:
        self.batches, self.rank, self.count = batches, rank, count

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for batch in self.batches:
            yield tuple(samples[self.rank :: self.count] for samples in batch)
