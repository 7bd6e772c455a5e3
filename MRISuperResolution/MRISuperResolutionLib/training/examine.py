"""How good a network is while it trains: its gain over cubic spline on volumes it never trains on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..acquisition import Acquisition
from ..grid import PLANES, Triple
from ..networks.base import Network
from ..operators import resample
from .protocol import Protocol
from .truth import Truth

CROP = 80
"""Voxels along a side of the central piece that is looked at, in 3D."""

SLICES = 8
"""Slices looked at in each volume, in 2D."""


class Examiner:
    """Calling it with a network gives {"gain FACTORS": dB over cubic spline, mean over the volumes}.

    ``factors`` are those of 3D networks; a 2D network is looked at with its own, in the first plane of
    each volume. The pieces are degraded once.
    """

    def __init__(
        self, truths: Sequence[Truth], network: Network, protocol: Protocol, factors: Sequence[Triple]
    ) -> None:
        self.protocol = protocol
        if network.dimensions == 2:
            shapes: Sequence[Triple] = [(network.factor, network.factor, 1)]
        else:
            shapes = factors
            truths = [t for t in truths if set(t.planes) == set(PLANES)]
        self.cases = {shape: [self._case(t, shape, network) for t in truths] for shape in shapes}

    def _case(self, truth: Truth, factors: Triple, network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Network input, spline result and truth, each (batch, *space)."""
        acquisition = Acquisition(factors, sigma=self.protocol.sigma, radius=self.protocol.radius)
        if network.dimensions == 2:
            axis = truth.volume.grid.slice_axis(truth.planes[0])
            stack = np.moveaxis(truth.volume.array, axis, -1)
            middle = stack.shape[-1] // 2
            stack = stack[..., middle - SLICES : middle + SLICES : 2]
            high = stack[tuple(slice(n - n % network.factor) for n in stack.shape[:2])]
        else:
            high = truth.volume.array[
                tuple(slice(max(0, (n - CROP) // 2), (n + CROP) // 2) for n in truth.volume.array.shape)
            ]
        low = acquisition.apply(np.ascontiguousarray(high))
        spline = resample(low, high.shape)
        batched = (low, spline, high) if network.dimensions == 2 else (spline, spline, high)
        axes = (2, 0, 1) if network.dimensions == 2 else (0, 1, 2)
        pieces = [np.ascontiguousarray(a.transpose(axes), dtype=np.float32) for a in batched]
        if network.dimensions == 3:
            pieces = [a[None] for a in pieces]
        return pieces[0], pieces[1], pieces[2]

    def __call__(self, network: Network) -> dict[str, float]:
        return {
            f"gain {'x'.join(f'{f:g}' for f in factors)}": float(np.mean([_gain(network, *c) for c in cases]))
            for factors, cases in self.cases.items()
            if cases
        }


@torch.no_grad()
def _gain(network: Network, source: np.ndarray, spline: np.ndarray, truth: np.ndarray) -> float:
    result = network(torch.from_numpy(source)[:, None])[:, 0].float().numpy()
    return 10 * float(np.log10(((spline - truth) ** 2).mean() / ((result - truth) ** 2).mean()))
