"""An endless, repeatable stream of training patches: truth, acquisition, then the network's input."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ...dataset.subjects import Truth
from ...errors import RequestError
from ...networks.base import Network
from ..config.train_config import Protocol
from .simulation import FOREGROUND, RIM, TRIES, simulated

TISSUE_SHARE = 0.15
"""Least share of tissue in a patch that is kept."""

BARREN = 1000
"""Blocks or slices in a row without a patch to keep, after which no more are tried."""


class PatchStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches (input, target) of patches for ``network``; batch n depends on the seed and n alone.

    input   (batch, 1 + references, *patch) float32 on the network's input grid
    target  (batch, 1, *patch * factor) float32 on its output grid

    ``position`` is the number of the next batch; set it to go on where another run stopped. Volumes that
    cannot serve the network are left out; RequestError where none is left.
    """

    def __init__(self, truths: Sequence[Truth], network: Network, protocol: Protocol) -> None:
        self.network, self.protocol = network, protocol
        self.position = 0
        if network.dimensions == 3:
            truths = _serving(
                truths, lambda t: t.in_3d or len(t.planes) == 1, "is true in 3D or in just one plane: list others"
            )
        if network.references:
            needed = 1 if protocol.drop_reference else network.references
            advice = f"has {needed} other contrast(s) of the same head: give some, or train without references"
            complete = _serving(truths, lambda truth: len(truth.companions) >= needed, advice)
            # a network that learns to go without references learns from the others too
            truths = truths if protocol.drop_reference else complete
        self.truths = _serving(truths, self._holds_a_patch, f"holds a patch of {protocol.patch} voxels: choose less")

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # a loader's workers take turns, so that the batches come in the same order as without any
        worker = get_worker_info()
        turn, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in itertools.count(self.position + turn, workers):
            self.position = number + 1
            yield self.batch(number)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Batch ``number`` of the stream."""
        rng = np.random.default_rng([self.protocol.seed, number])
        patches = self._patches(rng)
        sources, targets = zip(*(next(patches) for _ in range(self.protocol.batch)), strict=True)
        return torch.from_numpy(np.stack(sources)), torch.from_numpy(np.stack(targets))

    def _patches(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Sources (1 + references, *patch) and targets (1, *patch * factor), without end."""
        patch, factor = self.protocol.patch, self.network.factor
        barren = 0
        while barren < BARREN:
            truth = self.truths[rng.integers(len(self.truths))]
            source, target = simulated(truth, self.network, self.protocol, rng)
            barren += 1
            for start in self._starts(source, target, rng):
                barren = 0
                cut = _cut(source, start, patch).copy()
                cut[1:][rng.random(len(cut) - 1) < self.protocol.drop_reference] = 0
                yield cut, _cut(target, [x * factor for x in start], patch * factor)
        raise RequestError(
            f"{BARREN} pieces of the training volumes hold no patch of {patch} voxels with tissue in it: choose a "
            "smaller patch or other volumes"
        )

    def _starts(self, source: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> Iterator[list[int]]:
        """First voxels (of the source) of random patches that hold enough tissue, as many as a piece gives."""
        patch, factor = self.protocol.patch, self.network.factor
        # a slice ends where the volume does, as in use
        rim = RIM if self.network.dimensions == 3 else 0
        limits = [n - rim - patch for n in source.shape[1:]]
        if min(limits) < rim:
            return
        found = 0
        for _ in range(TRIES):
            start = [int(rng.integers(rim, limit + 1)) for limit in limits]
            truth = _cut(target, [x * factor for x in start], patch * factor)
            if (truth > FOREGROUND).mean() >= TISSUE_SHARE:
                found += 1
                yield start
            if found == self.protocol.patches_per_block:
                return

    def _holds_a_patch(self, truth: Truth) -> bool:
        size = truth.volume.grid.size
        if self.network.dimensions == 3:
            return min(size) >= self.protocol.patch + 2 * RIM
        side = self.protocol.patch * self.network.factor
        across = [truth.volume.grid.slice_axis(plane) for plane in truth.planes]
        return any(min(n for a, n in enumerate(size) if a != axis) >= side for axis in across)


def _serving(truths: Sequence[Truth], serves: Callable[[Truth], bool], advice: str) -> list[Truth]:
    """Those of ``truths`` that serve; RequestError with ``advice`` where there are none."""
    serving = [truth for truth in truths if serves(truth)]
    if not serving:
        raise RequestError(f"no training volume {advice}")
    return serving


def _cut(images: np.ndarray, start: Sequence[int], side: int) -> np.ndarray:
    return images[:, *(slice(x, x + side) for x in start)]
