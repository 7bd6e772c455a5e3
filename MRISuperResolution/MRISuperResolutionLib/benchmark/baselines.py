"""How else a network can be run over a volume: plain PyTorch, and MONAI's sliding window."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..inference.engine import bytes_per_voxel
from ..networks.base import Network, channels_last

DEFAULT_WINDOW = 96
"""Voxels along a window of MONAI where nothing is searched for, as in its examples; the rest is its own default."""

DEFAULT_BATCH = 4

DEFAULT_OVERLAP = 0.25

WINDOWS = (48, 64, 80, 96, 112, 128, 160, 192)
"""Among which its best one is searched for."""


@dataclass(frozen=True)
class Task:
    """A network and its input: float32 (channels, *axes); of slices the first axis counts them."""

    network: Network
    source: np.ndarray
    device: torch.device
    precision: torch.dtype

    @property
    def batch(self) -> Tensor:
        """The input as the network takes it."""
        three = self.network.dimensions == 3
        array = self.source[None] if three else self.source.swapaxes(0, 1)
        return channels_last(torch.from_numpy(np.ascontiguousarray(array)).to(self.device))


@dataclass(frozen=True)
class Window:
    """A setting of MONAI's sliding window: voxels along its edge, share that overlaps, windows at a time, and how
    those that overlap are averaged."""

    side: int
    overlap: float
    batch: int = 1
    mode: str = "gaussian"


DEFAULT = Window(DEFAULT_WINDOW, DEFAULT_OVERLAP, DEFAULT_BATCH, "constant")


def plain(task: Task) -> np.ndarray:
    """The network on the whole input at once."""
    with torch.inference_mode(), _casting(task):
        image: np.ndarray = task.network(task.batch).float().cpu().numpy()
    return image


def monai(task: Task, window: Window) -> np.ndarray:
    """The network by MONAI; ModuleNotFoundError where that is not installed."""
    from monai.inferers.utils import sliding_window_inference

    x = task.batch
    with torch.inference_mode(), _casting(task):
        found: Any = sliding_window_inference(
            x,
            [min(window.side, n) for n in x.shape[2:]],
            window.batch,
            lambda piece: task.network(channels_last(piece)).float(),
            overlap=window.overlap,
            mode=window.mode,
        )
    image: np.ndarray = found.cpu().numpy()
    return image


def best_window(task: Task, most_bytes: int) -> Window | None:
    """The setting of MONAI that computes on the fewest voxels, of those that fit into ``most_bytes`` and overlap by
    all that the network sees, so that no seam shows; None where there is none."""
    size = task.source.shape[1:] if task.network.dimensions == 3 else task.source.shape[2:]
    reach = 2 * task.network.receptive_radius
    bytes_voxel = bytes_per_voxel(task.network, task.precision)
    found = [
        (computed_voxels(size, side, reach / side), Window(side, reach / side))
        for side in WINDOWS
        if reach < 0.9 * side and bytes_voxel * math.prod(min(side, n) for n in size) <= most_bytes
    ]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def computed_voxels(size: Sequence[int], side: int, overlap: float) -> int:
    """Voxels of all windows that MONAI lays over a volume of ``size``."""
    edges = [min(side, n) for n in size]
    steps = [max(1, int(edge * (1 - overlap))) if edge < n else edge for edge, n in zip(edges, size, strict=True)]
    counts = [math.ceil((n - edge) / step) + 1 for n, edge, step in zip(size, edges, steps, strict=True)]
    return math.prod(itertools.chain(counts, edges))


def _casting(task: Task) -> torch.autocast:
    reduced = task.precision != torch.float32
    return torch.autocast(task.device.type, dtype=task.precision if reduced else None, enabled=reduced)
