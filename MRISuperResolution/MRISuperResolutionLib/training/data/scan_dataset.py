"""An endless, repeatable stream of small volumes with scans of them, for networks that work on the scan's grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ...dataset.subjects import Truth
from ...errors import RequestError
from ...image.grid import Grid, Triple
from ...inference.scan_restoration import Restoration
from ...networks.base import Network
from ...physics.acquisition import Acquisition
from ...physics.encoding import Gaussian
from ..config.train_config import Protocol, draw_factors
from .pairing import coarser, displaced, remapped
from .patch_dataset import BARREN, TISSUE_SHARE
from .scanners import as_estimated, draw_kind, draw_scan
from .simulation import FOREGROUND, augmented, draw_acquisition, references_of, tissue_voxel, truncated

SHARE_IN_3D = 0.7
"""Of batches, where there are volumes that are true in 3D and slices: what is asked for most is learned most."""

HARDLY_BLURRED = (0.01, 0.7)
"""Sigma in HR voxels where k-space was cut: filters against ringing are that mild."""


class Scans(NamedTuple):
    """A batch: what the network is given (batch, channels, *space), the scans and the volumes (batch, i, j, k), and
    how each scan is undone, as far as the network is told."""

    sources: Tensor
    lows: Tensor
    highs: Tensor
    restorations: list[Restoration]


class ScanStream(IterableDataset[Scans]):
    """Batches of blocks of ``protocol.patch`` voxels along each edge, each taken for a whole volume.

    All blocks of a batch have the same factors, the largest along the last axis. Slices of one plane come in batches
    of their own, with the factor 1 across them. Batch n depends on the seed and n alone; ``position`` is the number
    of the next one. Volumes that hold no block are left out; RequestError where none is left.
    """

    def __init__(self, truths: Sequence[Truth], network: Network, protocol: Protocol) -> None:
        self.network, self.protocol = network, protocol
        self.position = 0
        self.truths = [truth for truth in truths if self._holds_a_block(truth)]
        if not self.truths:
            raise RequestError(
                f"no training volume is true in 3D or in just one plane and {protocol.patch} voxels wide: choose a "
                "smaller patch or other volumes"
            )
        across = [truth.volume.grid.size[_slice_axis(truth)] for truth in self.truths if not truth.in_3d]
        self.thickness = min([protocol.patch, *across])

    def __iter__(self) -> Iterator[Scans]:
        # a loader's workers take turns, so that the batches come in the same order as without any
        worker = get_worker_info()
        turn, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in itertools.count(self.position + turn, workers):
            self.position = number + 1
            yield self.batch(number)

    def batch(self, number: int) -> Scans:
        """Batch ``number`` of the stream."""
        rng = np.random.default_rng([self.protocol.seed, number])
        kinds = [kind for in_3d in (True, False) if (kind := [t for t in self.truths if t.in_3d == in_3d])]
        alike = kinds[0] if rng.random() < SHARE_IN_3D else kinds[-1]
        in_3d = alike[0].in_3d
        low, middle, high = sorted(draw_factors(self.protocol.factors, rng))
        factors = (low if in_3d else 1.0, middle, high)
        scans = [self._scan(alike, factors, rng) for _ in range(self.protocol.batch)]
        sources, lows, highs, restorations = zip(*scans, strict=True)
        one, two, three = (torch.from_numpy(np.stack(arrays)) for arrays in (sources, lows, highs))
        return Scans(one, two, three, list(restorations))

    def _scan(
        self, truths: Sequence[Truth], factors: Triple, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Restoration]:
        protocol = self.protocol
        images = augmented(self._block(truths, rng), protocol, rng)
        high, references = images[0], self._references(images, rng)
        kind = draw_kind(protocol.acquisitions, rng)
        if kind == "2d-multislice" and sorted(factors)[1] > 1 and not truths[0].in_3d:
            # all that is made finer lies in the plane of the slices
            kind = "3d"
        if kind == "gaussian":
            low, known = self._blurred(high, factors, rng)
        else:
            acquisition = draw_scan(kind, factors, protocol.noise, rng)
            low = acquisition.apply(high, rng).astype(np.float32)
            known = as_estimated(acquisition, protocol.told_spread, rng)
        restoration = Restoration(known, high.shape, low.shape, self.network.cells)
        return restoration.source(low, references, self.network.references), low, high, restoration

    def _blurred(
        self, high: np.ndarray, factors: Triple, rng: np.random.Generator
    ) -> tuple[np.ndarray, Acquisition | None]:
        """A scan by the papers' blur, and what is known of it."""
        protocol = self.protocol
        acquisition = draw_acquisition(factors, (protocol.kspace,) * 3, protocol, rng)
        seen, blind = high, rng.random() < protocol.untold_share
        if blind and rng.random() < protocol.truncated_share:
            seen = truncated(high, acquisition.grid(Grid(high.shape)).size)
            acquisition = replace(acquisition, axes=(Gaussian(rng.uniform(*HARDLY_BLURRED)),) * 3)
        low = acquisition.apply(seen, rng)
        return low, None if blind else as_estimated(acquisition, protocol.told_spread, rng)

    def _references(self, images: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Those of the block's references that are not dropped; some made of its own intensities, all displaced,
        where the protocol makes any."""
        protocol, kept = self.protocol, []
        for image in images[1:]:
            made = bool(protocol.made_references) and (not image.any() or rng.random() < protocol.made_references)
            if rng.random() < protocol.drop_reference or not (made or image.any()):
                continue
            reference = remapped(images[0], rng) if made else image
            if protocol.made_references:
                reference = displaced(reference, rng.random() ** 2, rng)
                reference = coarser(reference, rng) if rng.random() < 0.2 else reference
            kept.append(reference)
        return kept

    def _block(self, truths: Sequence[Truth], rng: np.random.Generator) -> np.ndarray:
        """(1 + references, i, j, k) of a random truth, turned at random; of slices, the axis across them first."""
        for _ in range(BARREN):
            truth = self._drawn(rng, truths)
            arrays = [truth.volume.array, *references_of(truth, self.network.references, rng)]
            order = rng.permutation(3).tolist()
            if not truth.in_3d:
                across = _slice_axis(truth)
                order = [across, *(axis for axis in order if axis != across)]
            side = self.protocol.patch
            shape = (side if truth.in_3d else self.thickness, side, side)
            turned = [array.transpose(order) for array in arrays]
            centre = tissue_voxel(turned[0], rng)
            starts = [
                int(np.clip(x - rng.integers(n), 0, whole - n))
                for x, n, whole in zip(centre, shape, turned[0].shape, strict=True)
            ]
            where = tuple(slice(start, start + n) for start, n in zip(starts, shape, strict=True))
            block = np.stack([array[where] for array in turned])
            if (block[0] > FOREGROUND).mean() >= TISSUE_SHARE:
                flips = (slice(None, None, int(rng.choice((-1, 1)))) for _ in range(3))
                return np.ascontiguousarray(block[:, *flips])
        raise RequestError(
            f"{BARREN} blocks of {self.protocol.patch} voxels hold no tissue: choose a smaller patch or other volumes"
        )

    @staticmethod
    def _drawn(rng: np.random.Generator, truths: Sequence[Truth]) -> Truth:
        return truths[int(rng.integers(len(truths)))]

    def _holds_a_block(self, truth: Truth) -> bool:
        size = truth.volume.grid.size
        if truth.in_3d:
            return min(size) >= self.protocol.patch
        if len(truth.planes) > 1:
            return False
        across = _slice_axis(truth)
        return min(n for axis, n in enumerate(size) if axis != across) >= self.protocol.patch


def _slice_axis(truth: Truth) -> int:
    return truth.volume.grid.slice_axis(truth.planes[0])
