"""An endless, repeatable stream of training patches: truth, acquisition, then the network's input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.utils.data import IterableDataset

from ..acquisition import Acquisition
from ..errors import RequestError
from ..grid import PLANES, Triple
from ..networks.base import Network
from ..operators import resample
from .protocol import Protocol, draw_factors
from .truth import Truth

BLOCK = 64
"""HR voxels along a side of the block that is degraded as one, in 3D."""

RIM = 6
"""HR voxels at the border of a block that patches keep away from: the mirrored edge reaches into them."""

FOREGROUND = 0.1
"""Normalised intensity above which a voxel is taken for tissue."""

TISSUE_SHARE = 0.15
"""Least share of tissue in a patch that is kept."""

BRIGHT_PERCENTILE = 99.5

TRIES = 50


class PatchStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches (input, target) of patches for ``network``; batch n depends on the seed and n alone.

    input   (batch, 1, *patch) float32 on the network's input grid
    target  (batch, 1, *patch * factor) float32 on its output grid

    ``position`` is the number of the next batch; set it to go on where another run stopped.
    """

    def __init__(self, truths: Sequence[Truth], network: Network, protocol: Protocol) -> None:
        self.protocol = protocol
        self.position = 0
        self.draw = _blocks_2d if network.dimensions == 2 else _blocks_3d
        self.factor = network.factor
        self.truths = [t for t in truths if network.dimensions == 2 or set(t.planes) == set(PLANES)]
        if not self.truths:
            raise RequestError("no training volume is true in 3D: list volumes whose planes are 'all'")

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            self.position += 1
            yield self.batch(self.position - 1)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Batch ``number`` of the stream."""
        rng = np.random.default_rng([self.protocol.seed, number])
        inputs: list[np.ndarray] = []
        targets: list[np.ndarray] = []
        while len(inputs) < self.protocol.batch:
            truth = self.truths[rng.integers(len(self.truths))]
            low, high = self.draw(truth, self.factor, self.protocol, rng)
            wanted = min(self.protocol.patches_per_block, self.protocol.batch - len(inputs))
            rim = RIM if self.factor == 1 else 0
            for start in _patch_starts(low, high, self.factor, self.protocol.patch, rim, wanted, rng):
                inputs.append(_cut(low, start, self.protocol.patch))
                targets.append(_cut(high, [x * self.factor for x in start], self.protocol.patch * self.factor))
        return _stacked(inputs), _stacked(targets)


def _blocks_3d(
    truth: Truth, factor: int, protocol: Protocol, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A block of the volume, degraded and brought back to its own grid by spline; and the block."""
    array = truth.volume.array
    tissue = _tissue_voxel(array, rng)
    start = [
        int(np.clip(x - rng.integers(BLOCK), 0, max(0, n - BLOCK))) for x, n in zip(tissue, array.shape, strict=True)
    ]
    high = _brightened(_smoothed(_turned(_cut(array, start, BLOCK), rng), protocol.smoothing, rng), rng)
    acquisition = _draw_acquisition(draw_factors(protocol.factors, rng), protocol, rng)
    return resample(acquisition.apply(high, rng), high.shape), high


def _blocks_2d(
    truth: Truth, factor: int, protocol: Protocol, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A slice in one of the planes in which the volume is true, degraded; and the slice."""
    plane = truth.planes[rng.integers(len(truth.planes))]
    axis = truth.volume.grid.slice_axis(plane)
    number = _tissue_voxel(truth.volume.array, rng)[axis]
    high = _turned(np.take(truth.volume.array, number, axis=axis), rng)
    high = high[tuple(slice(n - n % factor) for n in high.shape)]
    high = _brightened(_smoothed(high, protocol.smoothing, rng), rng)
    acquisition = _draw_acquisition((factor, factor, 1), protocol, rng)
    return acquisition.apply(high[..., None], rng)[..., 0], high


def _draw_acquisition(factors: Triple, protocol: Protocol, rng: np.random.Generator) -> Acquisition:
    """The protocol's acquisition model, its blur and noise drawn anew for half of the blocks each."""
    sigma, level = protocol.sigma, 0.0
    if protocol.sigma_spread and rng.random() < 0.5:
        sigma += rng.uniform(-protocol.sigma_spread, protocol.sigma_spread)
    if protocol.noise and rng.random() < 0.5:
        level = rng.uniform(0, protocol.noise)
    return Acquisition(
        factors, sigma=sigma, radius=protocol.radius, noise="rician" if level else "none", noise_level=level
    )


def _tissue_voxel(array: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
    """A random voxel, of tissue if a few draws find one."""
    voxel = tuple(int(rng.integers(n)) for n in array.shape)
    for _ in range(TRIES):
        if array[voxel] > FOREGROUND:
            break
        voxel = tuple(int(rng.integers(n)) for n in array.shape)
    return voxel


def _turned(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The array with its axes in a random order, each flipped or not: 8 ways in 2D, 48 in 3D."""
    turned = array.transpose(rng.permutation(array.ndim))
    flips = tuple(slice(None, None, int(rng.choice((-1, 1)))) for _ in range(array.ndim))
    return np.ascontiguousarray(turned[flips])


def _smoothed(array: np.ndarray, largest: float, rng: np.random.Generator) -> np.ndarray:
    """The array, half of the time blurred along each axis by a Gaussian of up to ``largest`` voxels."""
    if largest == 0 or rng.random() < 0.5:
        return array
    smooth: np.ndarray = gaussian_filter(array, rng.uniform(0, largest, array.ndim), mode="reflect")
    return smooth


def _brightened(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The array scaled so that its bright end lies anywhere from 0.5 to 1.

    A head with bright fat leaves the brain a third of the range, an extracted brain has all of it: a network
    must serve both, and each volume must count alike in the loss.
    """
    bright = max(FOREGROUND, float(np.percentile(array, BRIGHT_PERCENTILE)))
    return array * np.float32(rng.uniform(0.5, 1.0) / bright)


def _patch_starts(
    low: np.ndarray,
    high: np.ndarray,
    factor: int,
    patch: int,
    rim: int,
    wanted: int,
    rng: np.random.Generator,
) -> Iterator[list[int]]:
    """First voxels (in ``low``) of up to ``wanted`` random patches that hold enough tissue."""
    found = 0
    limits = [n - rim - patch for n in low.shape]
    if min(limits) < rim:
        return
    for _ in range(TRIES):
        start = [int(rng.integers(rim, limit + 1)) for limit in limits]
        truth = _cut(high, [x * factor for x in start], patch * factor)
        if (truth > FOREGROUND).mean() >= TISSUE_SHARE:
            found += 1
            yield start
        if found == wanted:
            return


def _cut(array: np.ndarray, start: Sequence[int], side: int) -> np.ndarray:
    return array[tuple(slice(x, x + side) for x in start)]


def _stacked(patches: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(patches)[:, None])
