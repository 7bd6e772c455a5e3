"""A chain of 3D convolutions over planes that come one slab after the other: nothing is computed twice.

Each layer keeps the last planes that it was given, which the first planes of the next slab need. What comes out
equals what the chain makes of the whole volume, zero padding at its faces included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .networks.base import Link, Network
from .slabs import Slabs
from .tiling import Tile, tiles

SCRATCH = 2
"""Outputs of a layer that exist at a time: its own, and what the library works with."""


def run_slabs(
    network: Network,
    source: np.ndarray,
    result: np.ndarray,
    slabs: Slabs,
    device: torch.device,
    precision: torch.dtype,
    report: Callable[[float], None],
) -> None:
    """Fill ``result`` (*axes) with what ``network``, a chain, makes of ``source`` (channels, *axes), float32.

    ``report`` is told the share of the work that is done before each layer's share of a slab.
    """
    size = source.shape[1:]
    radius = network.receptive_radius
    order = [slabs.axis, *(axis for axis in range(3) if axis != slabs.axis)]
    columns = list(tiles(slabs.face(size), (radius, radius), slabs.core))
    with torch.inference_mode():
        x = torch.from_numpy(source)[None]
        seen, x = (t.permute(0, 1, *(2 + axis for axis in order)) for t in (network.seen(x), x))
        turned = result.transpose(order)
        done = 0.0
        for column in columns:
            share = column.voxels / sum(c.voxels for c in columns)

            def tell(part: float, done: float = done, share: float = share) -> None:
                report(min(1.0, done + share * part))

            for first, found in _column(network, seen, column, order, slabs.planes, device, precision, tell):
                planes = slice(first, first + found.shape[2])
                given = x[:, :, planes, column.padded[0], column.padded[1]]
                whole = network.completed(given, found.cpu())[0, 0, :, column.inner[0], column.inner[1]]
                turned[planes, column.core[0], column.core[1]] = whole.float().numpy()
            done += share
    report(1.0)


def _column(
    network: Network,
    seen: Tensor,
    column: Tile,
    order: Sequence[int],
    slab: int,
    device: torch.device,
    precision: torch.dtype,
    report: Callable[[float], None],
) -> Iterator[tuple[int, Tensor]]:
    """The chain's output for a column of planes, piece by piece: the number of its first plane, and the planes."""
    chain = network.chain()
    assert chain is not None
    column_seen = seen[:, :, :, column.padded[0], column.padded[1]]
    stream = Stream(chain, order, column_seen.shape[3:], slab, precision, device)
    count = seen.shape[2]
    given = told = 0

    def before(layer: int) -> None:
        report((given + slab * layer / len(chain)) / (count + slab))

    while given < count:
        found = stream.push(column_seen[:, :, given : given + slab].to(device), before)
        given = min(count, given + slab)
        if found is not None:
            yield told, found
            told += found.shape[2]
    for found in stream.finish():
        yield told, found
        told += found.shape[2]


def stream_numbers(chain: Sequence[Link], precision: torch.dtype) -> tuple[float, float, int]:
    """What streaming a chain takes, as ``slabs.choose_slabs`` wants it: held, moving, itemsize."""
    inputs = [link.convolution.in_channels for link in chain]
    held = sum(2 * link.radius * n for link, n in zip(chain, inputs, strict=True))
    moving = sum(inputs) + SCRATCH * max(link.convolution.out_channels for link in chain)
    exact = any(link.exact for link in chain)
    return held, moving, 4 if exact else precision.itemsize


class Stream:
    """Takes planes (1, channels, planes, height, width), at most ``slab`` at a time, and gives back what is ready.

    The output lags behind by the chain's receptive radius; ``finish`` gives the rest.

    order  which axis of the convolutions' kernels the planes follow, then those of the height and of the width
    face   height and width
    """

    def __init__(
        self,
        chain: Sequence[Link],
        order: Sequence[int],
        face: Sequence[int],
        slab: int,
        precision: torch.dtype,
        device: torch.device,
    ) -> None:
        most = max(slab, *(link.radius for link in chain))
        self.stages = [_Stage(link, order, face, most, precision, device) for link in chain]

    def push(self, planes: Tensor, before: Callable[[int], None] = lambda layer: None) -> Tensor | None:
        """Planes of the output (1, channels, planes, height, width), None while there is none.

        ``before`` is told the number of each layer that is about to compute.
        """
        self.stages[0].room(planes.shape[2]).copy_(planes)
        return self._run(0, before)

    def finish(self) -> Iterator[Tensor]:
        """The planes that are still missing, in their order, once all input has been pushed."""
        for number, stage in enumerate(self.stages):
            stage.room(stage.link.radius).zero_()
            found = self._run(number)
            if found is not None:
                yield found

    def _run(self, first: int, before: Callable[[int], None] = lambda layer: None) -> Tensor | None:
        """What comes of the planes that the stage ``first`` was given."""
        for number, stage in enumerate(self.stages[first:], first):
            before(number)
            found = stage.compute()
            if found is None or number + 1 == len(self.stages):
                return found
            room = self.stages[number + 1].room(found.shape[2])
            if stage.link.rectified:
                torch.clamp_min(found, 0, out=room)
            else:
                room.copy_(found)
        raise AssertionError("a chain has a last stage")


class _Stage:
    """One layer and the planes of its input that it still needs."""

    def __init__(
        self,
        link: Link,
        order: Sequence[int],
        face: Sequence[int],
        most: int,
        precision: torch.dtype,
        device: torch.device,
    ) -> None:
        self.link = link
        dtype = torch.float32 if link.exact else precision
        weight, bias = link.convolution.weight, link.convolution.bias
        turned = weight.detach().permute(0, 1, *(2 + axis for axis in order))
        self.weight = turned.to(device, dtype).contiguous(memory_format=torch.channels_last_3d)
        self.bias = None if bias is None else bias.detach().to(device, dtype)
        shape = (1, weight.shape[1], 2 * link.radius + most, *face)
        self.planes = torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last_3d)
        # the padding before the first plane
        self.planes[:, :, : link.radius] = 0
        self.filled = link.radius

    def room(self, count: int) -> Tensor:
        """Where the next ``count`` planes are to be written."""
        self.filled += count
        return self.planes[:, :, self.filled - count : self.filled]

    def compute(self) -> Tensor | None:
        """The layer's output for all planes whose neighbours are there; None where there is none."""
        radius = self.link.radius
        if self.filled <= 2 * radius:
            return None
        padding = (0, radius, radius)
        found = functional.conv3d(self.planes[:, :, : self.filled], self.weight, self.bias, padding=padding)
        kept = min(2 * radius, self.filled)
        # the two may overlap
        self.planes[:, :, :kept] = self.planes[:, :, self.filled - kept : self.filled].clone()
        self.filled = kept
        return found
