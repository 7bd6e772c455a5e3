"""A chain of 3D convolutions over planes that come one slab after the other: nothing is computed twice.

Each layer keeps the last planes that it was given, which the first planes of the next slab need. What comes out
equals what the chain makes of the whole volume, zero padding at its faces included.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .background import Background, Box
from .networks.base import Link, Network
from .rooms import Pieces, Turned
from .seen import Seen
from .slabs import SLABS, Slabs, axis_along
from .sources import Source
from .tiling import Tile, tiles

SCRATCH = 2
"""Outputs of a layer that exist at a time: its own, and what the library works with."""


def run_slabs(
    network: Network,
    source: Source,
    result: Pieces,
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
    turned = Turned(result, order)
    with torch.inference_mode():
        seen = Seen(network, source, order)
        done = 0.0
        for column in columns:
            share = column.voxels / sum(c.voxels for c in columns)

            def tell(part: float, done: float = done, share: float = share) -> None:
                report(min(1.0, done + share * part))

            for first, found in _column(network, seen, column, slabs.planes, device, precision, tell):
                planes = slice(first, first + found.shape[2])
                whole = network.completed(seen.given(planes, *column.padded), found.cpu())
                inner = whole[0, 0, :, column.inner[0], column.inner[1]].float().numpy()
                turned[planes, column.core[0], column.core[1]] = inner
            done += share
    report(1.0)


def _column(
    network: Network,
    seen: Seen,
    column: Tile,
    slab: int,
    device: torch.device,
    precision: torch.dtype,
    report: Callable[[float], None],
) -> Iterator[tuple[int, Tensor]]:
    """The chain's output for a column of planes, piece by piece: the number of its first plane, and the planes."""
    chain = network.chain()
    assert chain is not None
    face = [part.stop - part.start for part in column.padded]
    background = seen.background(slab, *column.padded)
    stream = Stream(chain, seen.order, face, slab, precision, device, background)
    count = seen.size[0]
    given = told = 0

    def before(layer: int) -> None:
        report((given + slab * layer / len(chain)) / (count + slab))

    for piece in seen.pieces(slab, *column.padded):
        found = stream.push(piece.to(device), before)
        given += piece.shape[2]
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


def work_of(chain: Sequence[Link]) -> list[tuple[int, float]]:
    """Of each layer: how far it sees, those before it included, and its operations at a voxel, in some unit."""
    reaches = itertools.accumulate(link.radius for link in chain)
    weights = [link.convolution.weight.numel() for link in chain]
    return list(zip(reaches, weights, strict=True))


def share_to_compute(network: Network, source: Source) -> float:
    """Share of the convolutions of a chain that are computed for ``source`` (channels, *axes); the rest is
    background."""
    chain = network.chain()
    assert chain is not None
    axis = axis_along(source.shape[1:])
    with torch.inference_mode():
        seen = Seen(network, source, [axis, *(a for a in range(3) if a != axis)])
        return seen.background(max(SLABS)).share_of_work(work_of(chain))


def constants(
    chain: Sequence[Link], value: np.ndarray, weights: Sequence[tuple[Tensor, Tensor | None]]
) -> list[Tensor]:
    """What each layer makes of an endless background of that ``value``: (channels), rectified where it is."""
    found: list[Tensor] = []
    made = torch.from_numpy(value)
    for link, (weight, bias) in zip(chain, weights, strict=True):
        endless = made.to(weight).view(1, -1, 1, 1, 1).expand(-1, -1, *weight.shape[2:])
        made = functional.conv3d(endless, weight, bias).flatten()
        if link.rectified:
            made = made.clamp_min(0)
        found.append(made)
    return found


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
        background: Background | None = None,
    ) -> None:
        most = max(slab, *(link.radius for link in chain))
        self.stages = [_Stage(link, order, face, most, precision, device) for link in chain]
        if background is None or background.share_of_work(work_of(chain)) == 1:
            return
        weights = [(stage.weight, stage.bias) for stage in self.stages]
        reach = 0
        for stage, value in zip(self.stages, constants(chain, background.value, weights), strict=True):
            reach += stage.link.radius
            stage.skipping = _Skipping(background, reach, value.view(1, -1, 1, 1, 1))

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
            count = stage.ready
            if count == 0:
                return None
            last = number + 1 == len(self.stages)
            room = stage.output(count) if last else self.stages[number + 1].room(count)
            stage.compute(room)
            if last:
                return room
        raise AssertionError("a chain has a last stage")


@dataclass(frozen=True)
class _Skipping:
    """Where a layer that sees ``reach`` voxels, those before it included, has to compute; its ``value`` elsewhere."""

    background: Background
    reach: int
    value: Tensor

    def box(self, first: int, count: int) -> Box | None:
        return self.background.box(first, count, self.reach)


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
        self.made = 0
        self.skipping: _Skipping | None = None

    def room(self, count: int) -> Tensor:
        """Where the next ``count`` planes are to be written."""
        self.filled += count
        return self.planes[:, :, self.filled - count : self.filled]

    @property
    def ready(self) -> int:
        """Planes whose neighbours are all there."""
        return max(0, self.filled - 2 * self.link.radius)

    def output(self, count: int) -> Tensor:
        """Room for ``count`` planes of what the layer makes."""
        return self.planes.new_empty(1, len(self.weight), count, *self.planes.shape[3:])

    def compute(self, room: Tensor) -> None:
        """Fill ``room`` with the layer's output for all planes that are ready, rectified where it is to be."""
        radius = self.link.radius
        given, box = self.planes[:, :, : self.filled], None
        if self.skipping:
            box = self.skipping.box(self.made, room.shape[2])
            room.copy_(self.skipping.value.expand_as(room))
            if box:
                room, given = room[:, :, :, box[0] : box[1], box[2] : box[3]], self._around(box)
        if box or not self.skipping:
            padding = (0, 0, 0) if box else (0, radius, radius)
            found = functional.conv3d(given, self.weight, self.bias, padding=padding)
            if self.link.rectified and found.dtype == room.dtype:
                torch.clamp_min(found, 0, out=room)
            else:
                # the next layer may compute in another precision
                room.copy_(found.clamp_min_(0) if self.link.rectified else found)
        self.made += room.shape[2]
        kept = min(2 * radius, self.filled)
        # the two may overlap
        self.planes[:, :, :kept] = self.planes[:, :, self.filled - kept : self.filled].clone()
        self.filled = kept

    def _around(self, box: Box) -> Tensor:
        """The planes in the box and ``radius`` around it, zeros beyond the faces."""
        radius = self.link.radius
        height, width = self.planes.shape[3:]
        top, bottom, left, right = box[0] - radius, box[1] + radius, box[2] - radius, box[3] + radius
        piece = self.planes[:, :, : self.filled, max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
        beyond = (max(0, -left), max(0, right - width), max(0, -top), max(0, bottom - height))
        return functional.pad(piece, beyond).contiguous(memory_format=torch.channels_last_3d)
