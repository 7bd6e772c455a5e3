"""A network over tiles that overlap by what it can see, so that the result is that of the whole volume."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..io.arrays import Pieces, Source, put
from ..networks.base import Network, channels_last
from .tile_plan import Tile, scaled

Report = Callable[[float], None]


def run_tiles(
    network: Network,
    source: Source,
    result: Pieces,
    plan: list[Tile],
    device: torch.device,
    precision: torch.dtype,
    report: Report,
) -> None:
    """Fill ``result`` (*axes times the network's factor; of several outputs with these in front) with what
    ``network`` makes of ``source`` (channels, *axes).

    The tiles of the ``plan`` lie on the axes of ``source``; ``report`` is called before each convolution.
    """
    factors = network.factors
    whole = sum(tile.voxels for tile in plan)
    for done, tile in zip(itertools.accumulate((t.voxels for t in plan), initial=0), plan, strict=False):
        with _watched(network, lambda share, d=done, t=tile: report((d + share * t.voxels) / whole)):  # type: ignore[misc]
            piece = _run_tile(network, source[(slice(None), *tile.padded)], device, precision)
        put(result, scaled(tile.core, factors), piece[(slice(None), *scaled(tile.inner, factors))])
    report(1.0)


def _run_tile(network: Network, piece: np.ndarray, device: torch.device, precision: torch.dtype) -> np.ndarray:
    """(channels, *axes) -> (outputs, *axes times factor); for a 2D network the first axis is the batch."""
    batch = np.ascontiguousarray(piece[None] if network.dimensions == 3 else piece.swapaxes(0, 1))
    x = channels_last(torch.from_numpy(batch).to(device))
    reduced = precision != torch.float32
    with (
        torch.inference_mode(),
        torch.autocast(device.type, dtype=precision if reduced else None, enabled=reduced),
    ):
        y: Tensor = network(x)
    y = y.float().cpu()
    return (y[0] if network.dimensions == 3 else y.transpose(0, 1)).numpy()


@contextmanager
def _watched(network: nn.Module, report: Report) -> Iterator[None]:
    """Report the share of the convolutions that are done before each of them, so that a large tile can be
    followed and cancelled."""
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    done = itertools.count()

    def before(module: nn.Module, inputs: Any) -> None:
        report(min(1.0, next(done) / len(convolutions)))

    handles = [m.register_forward_pre_hook(before) for m in convolutions]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
