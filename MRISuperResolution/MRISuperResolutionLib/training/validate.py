"""How good a network is while it trains: its gain over cubic spline on volumes it never trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..dataset.subjects import Truth
from ..image.grid import Triple
from ..image.linear_operators import resample
from ..inference.scan_restoration import Restoration
from ..networks.base import Network, channels_last
from ..physics.acquisition import Acquisition
from .callbacks import GAIN
from .config.train_config import Protocol
from .data.simulation import divisible, kept_kspace, observed

CROP = 80
"""Voxels along a side of the central piece that is looked at, in 3D."""

UNTOLD = " told nothing"
"""Ends the name of a gain."""

SLICES = 8
"""Slices looked at in each volume, in 2D: every second one around the middle."""


@dataclass(frozen=True)
class Piece:
    """Of a validation volume: what a network makes of it, what spline makes of it, and the truth: each (batch,
    channels, *space)."""

    tried: Callable[[Network], np.ndarray]
    spline: np.ndarray
    truth: np.ndarray


class Examiner:
    """Calling it with a network gives {"gain FACTORS": dB over cubic spline, mean over the volumes}, and "gain",
    the mean of these; {} where there are no volumes.

    ``factors`` are those of networks on the target grid; others are looked at with their own. In 2D the first
    plane of each volume is looked at. Networks on the scan's grid are looked at twice, told how the scan was made and
    told nothing, each in one view. The pieces are degraded once.
    """

    def __init__(
        self, truths: Sequence[Truth], network: Network, protocol: Protocol, factors: Sequence[Triple]
    ) -> None:
        flat, own = network.dimensions == 2, network.factor
        if own > 1 and not network.restoring:
            factors = [(own, own, 1 if flat else own)]
        kspace = kept_kspace(protocol, network.dimensions)
        settings = Acquisition.gaussian((1, 1, 1), protocol.sigma, protocol.radius, kspace)
        self.pieces = {
            f"{GAIN} {'x'.join(f'{f:g}' for f in shape)}{name}": [
                _piece(truth, scan(settings, able), network, known)
                for truth in truths
                if (able := shape if flat else truth.degradable(shape))
            ]
            for shape in factors
            for name, scan, known in _looks(network, protocol)
        }

    def __call__(self, network: Network) -> dict[str, float]:
        gains = {
            name: float(np.mean([_gain(network, piece) for piece in pieces]))
            for name, pieces in self.pieces.items()
            if pieces
        }
        return gains | ({GAIN: float(np.mean(list(gains.values())))} if gains else {})

    def __deepcopy__(self, memo: object) -> Examiner:
        # a copy of a lesson, such as for the average of its weights, looks at the same volumes
        return self


def _looks(
    network: Network, protocol: Protocol
) -> list[tuple[str, Callable[[Acquisition, Triple], Acquisition], bool]]:
    """For each way to look at a volume: its name, what makes the acquisition, and whether it is known."""
    looks: list[tuple[str, Callable[[Acquisition, Triple], Acquisition], bool]] = []
    for kind, _ in protocol.acquisitions:
        if kind == "gaussian":
            looks.append(("", Acquisition.with_factors, True))
            if network.restoring and protocol.untold_share:
                looks.append((UNTOLD, Acquisition.with_factors, False))
        elif kind == "3d":
            looks.append((" 3d", lambda _, factors: Acquisition.three_d(factors), True))
        else:
            looks.append((" 2d-multislice", _multislice, True))
    return looks


def _multislice(_: Acquisition, factors: Triple) -> Acquisition:
    return Acquisition.multislice(factors, max(range(3), key=lambda axis: factors[axis]))


def _piece(truth: Truth, acquisition: Acquisition, network: Network, told: bool) -> Piece:
    """The middle of a volume as a batch of one block, or of slices."""
    names = sorted(truth.companions)[: network.references]
    arrays = [truth.volume.array, *(truth.companions[name] for name in names)]
    arrays += [np.zeros_like(arrays[0])] * (1 + network.references - len(arrays))
    middle = np.stack([_middle(a) for a in arrays])
    if network.restoring:
        return _scan(middle, acquisition, network, len(names), told)
    cut = _slices(arrays, truth) if network.dimensions == 2 else [middle]
    highs = [divisible(images, network.factor) for images in cut]
    sources = [observed(images, acquisition, network.factor) for images in highs]
    splines = [
        s[:1] if network.factor == 1 else resample(s[0], h.shape[1:])[None]
        for s, h in zip(sources, highs, strict=True)
    ]
    batch = np.stack(sources)
    return Piece(
        lambda network: _output(network, batch), np.stack(splines), np.stack([images[:1] for images in highs])
    )


def _scan(images: np.ndarray, acquisition: Acquisition, network: Network, references: int, told: bool) -> Piece:
    """The same for a network on the scan's grid."""
    high = images[0]
    low = acquisition.apply(high)
    restoration = Restoration(acquisition if told else None, high.shape, low.shape, network.cells)
    source = restoration.source(low, list(images[1 : 1 + references]), network.references)
    return Piece(
        lambda network: restoration.volume(_output(network, source[None])[0, 0], low)[None, None],
        resample(low, high.shape)[None, None],
        high[None, None],
    )


def _middle(array: np.ndarray) -> np.ndarray:
    return array[tuple(slice(max(0, (n - CROP) // 2), (n + CROP) // 2) for n in array.shape)]


def _slices(arrays: Sequence[np.ndarray], truth: Truth) -> Iterator[np.ndarray]:
    axis = truth.volume.grid.slice_axis(truth.planes[0])
    count = arrays[0].shape[axis]
    for number in range(max(0, count // 2 - SLICES), min(count, count // 2 + SLICES), 2):
        yield np.stack([np.take(array, number, axis) for array in arrays])


@torch.no_grad()
def _output(network: Network, source: np.ndarray) -> np.ndarray:
    device = next(network.parameters()).device
    found: np.ndarray = network(channels_last(torch.from_numpy(source).to(device))).float().cpu().numpy()
    return found


def _gain(network: Network, piece: Piece) -> float:
    errors = [((found - piece.truth) ** 2).mean() for found in (piece.spline, piece.tried(network))]
    return 10 * float(np.log10(errors[0] / errors[1]))
