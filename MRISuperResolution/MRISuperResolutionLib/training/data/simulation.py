"""A piece of a truth, and what a scanner of lower resolution would have made of it.

Images are float32 (channels, *space) in normalised units: the truth, then its references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import fft

from ...dataset.subjects import Truth
from ...image.grid import Triple
from ...image.linear_operators import resample
from ...networks.base import Network
from ...physics.acquisition import Acquisition
from ...physics.encoding import SliceProfile
from ..config.train_config import Protocol, draw_factors
from .augmentation import bent, brightened, draw_turn, smoothed, turned

BLOCK = 64
"""HR voxels along a side of the block that is degraded as one, in 3D, or more where a patch needs it."""

RIM = 6
"""HR voxels at the border of a block that patches keep away from: the mirrored edge reaches into them."""

FOREGROUND = 0.1
"""Normalised intensity above which a voxel is taken for tissue."""

TRIES = 50


def simulated(
    truth: Truth, network: Network, protocol: Protocol, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A slice (2D) or a block (3D) of a truth, as ``network`` gets it and as it should give it.

    Returns the source (1 + references, *input space) and the target (1, *space): the input space is that of
    the target for networks on the target grid, else ``network.factor`` times smaller.
    """
    arrays = [truth.volume.array, *references_of(truth, network.references, rng)]
    images = _slices(truth, arrays, rng) if network.dimensions == 2 else _blocks(arrays, protocol.patch, rng)
    images = divisible(augmented(images, protocol, rng), network.factor)
    factors = _draw_factors(network, protocol, rng)
    if network.dimensions == 3:
        factors = truth.degradable(factors, closest=True) or factors
    acquisition = draw_acquisition(factors, kept_kspace(protocol, network.dimensions), protocol, rng)
    source, target = observed(images, acquisition, network.factor, rng), images[:1]
    if protocol.flips_and_rotations:
        # once degraded: slices are so in their plane
        turn = draw_turn(network.dimensions, rng)
        source, target = turned(source, turn), turned(target, turn)
    return source, target


def observed(
    images: np.ndarray, acquisition: Acquisition, factor: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """What a network of ``factor`` is given of ``images``: the first degraded by ``acquisition``, on the
    network's input grid; the others as they are, for networks on the target grid alone.

    ``acquisition`` has three axes; the third is that across slices.
    """
    high = images[0]
    across = (1,) * (3 - high.ndim)
    low = acquisition.apply(high.reshape(*high.shape, *across), rng)
    low = low.reshape(low.shape[: high.ndim])
    if factor > 1:
        return low[None]
    return np.concatenate([resample(low, high.shape)[None], images[1:]])


def divisible(images: np.ndarray, factor: int) -> np.ndarray:
    """The images without the last voxels along axes whose size is no multiple of ``factor``."""
    return images[:, *(slice(n - n % factor) for n in images.shape[1:])]


def references_of(truth: Truth, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """``count`` other contrasts of the head, any in any order, as users give them; zeros for those that lack."""
    found = [truth.companions[name] for name in sorted(truth.companions)] if count else []
    found = [found[number] for number in rng.permutation(len(found))[:count]]
    nothing = np.broadcast_to(np.float32(0), truth.volume.array.shape)
    return found + [nothing] * (count - len(found))


def _blocks(arrays: Sequence[np.ndarray], patch: int, rng: np.random.Generator) -> np.ndarray:
    """The same block, with tissue in it, of each array."""
    side = max(BLOCK, patch + 2 * RIM)
    tissue = tissue_voxel(arrays[0], rng)
    start = [
        int(np.clip(x - rng.integers(side), 0, max(0, n - side)))
        for x, n in zip(tissue, arrays[0].shape, strict=True)
    ]
    return np.stack([array[tuple(slice(x, x + side) for x in start)] for array in arrays])


def _slices(truth: Truth, arrays: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """The same slice, in one of the planes in which the volume is true, of each array."""
    plane = truth.planes[rng.integers(len(truth.planes))]
    axis = truth.volume.grid.slice_axis(plane)
    number = tissue_voxel(arrays[0], rng)[axis]
    return np.stack([np.take(array, number, axis=axis) for array in arrays])


def tissue_voxel(array: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
    """A random voxel, of tissue if a few draws find one."""
    voxel = tuple(int(rng.integers(n)) for n in array.shape)
    for _ in range(TRIES):
        if array[voxel] > FOREGROUND:
            break
        voxel = tuple(int(rng.integers(n)) for n in array.shape)
    return voxel


def augmented(images: np.ndarray, protocol: Protocol, rng: np.random.Generator) -> np.ndarray:
    """The images, varied as the protocol says; not yet turned."""
    if protocol.elastic_share and rng.random() < protocol.elastic_share:
        images = bent(images, protocol.elastic_amplitude, protocol.elastic_width, rng)
    if protocol.smoothing and rng.random() < 0.5:
        images = np.concatenate([smoothed(images[0], protocol.smoothing, rng)[None], images[1:]])
    if protocol.brightness is not None:
        images = brightened(images, protocol.brightness, rng)
    return images


def _draw_factors(network: Network, protocol: Protocol, rng: np.random.Generator) -> Triple:
    if network.factor > 1:
        return network.factor, network.factor, 1 if network.dimensions == 2 else network.factor
    return draw_factors(protocol.factors, rng, network.dimensions)


def kept_kspace(protocol: Protocol, dimensions: int, across: int = 2) -> Triple:
    """Share of the Fourier line that is kept along three axes; all of it ``across`` the slices of 2D networks."""
    i, j, k = (1.0 if dimensions == 2 and axis == across else protocol.kspace for axis in range(3))
    return i, j, k


def draw_acquisition(factors: Triple, kspace: Triple, protocol: Protocol, rng: np.random.Generator) -> Acquisition:
    """The protocol's acquisition model, its blur and noise drawn anew for half of the pieces each."""
    sigma, level = protocol.sigma, 0.0
    thick = bool(protocol.thickness_share) and rng.random() < protocol.thickness_share
    if protocol.sigma_spread and rng.random() < 0.5:
        sigma += rng.uniform(-protocol.sigma_spread, protocol.sigma_spread)
    if protocol.noise and rng.random() < 0.5:
        level = rng.uniform(0, protocol.noise)
    acquisition = Acquisition.gaussian(factors, sigma, protocol.radius, kspace).with_noise(level)
    return replace(acquisition, axes=(SliceProfile(),) * 3) if thick else acquisition


def truncated(high: np.ndarray, low: Sequence[int]) -> np.ndarray:
    """A volume [i, j, k] without the frequencies that a scan of ``low`` voxels cannot hold: k-space that ends there,
    of the volume mirrored at its faces, since a block is no whole head."""
    spectrum = fft.dctn(high, norm="ortho")
    for axis, held in enumerate(low):
        np.moveaxis(spectrum, axis, 0)[held:] = 0
    return fft.idctn(spectrum, norm="ortho")
