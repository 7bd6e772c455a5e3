"""A chain of convolutions over planes that come one slab after the other: nothing is computed twice.

What a layer gives is kept for as long as another needs it. What comes out equals what the chain makes of the whole
volume, zero padding at its faces included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..io.arrays import Pieces, Source, put
from ..networks.base import SEEN, Link, Network
from .background import Background, background_of, background_value
from .layer_graph import channels_of, exact_of, kept_of, needed_of, reaches_of, rooms_of, source_of, work_of
from .slab_plan import Slabs, axis_along, pushes
from .stream_layers import Layer, Planes, Skipping
from .tile_plan import Axes, Tile, scaled, tiles


def run_slabs(
    network: Network,
    source: Source,
    result: Pieces,
    slabs: Slabs,
    device: torch.device,
    precision: torch.dtype,
    report: Callable[[float], None],
) -> None:
    """Fill ``result`` (*axes times the network's factor; of several outputs with these in front) with what
    ``network``, a chain, makes of ``source`` (channels, *axes), float32.

    ``report`` is told the share of the work that is done before each layer's share of a slab.
    """
    size = source.shape[1:]
    radius = network.receptive_radius
    order = [slabs.axis, *(axis for axis in range(3) if axis != slabs.axis)]
    columns = list(tiles(slabs.face(size), (radius, radius), slabs.core))
    factors = network.factors
    with torch.inference_mode():
        seen = Seen(network, source, order)
        done = 0.0
        for column in columns:
            share = column.voxels / sum(c.voxels for c in columns)

            def tell(part: float, done: float = done, share: float = share) -> None:
                report(min(1.0, done + share * part))

            for first, found in _column(network, seen, column, slabs.planes, device, precision, tell):
                planes = slice(first, first + found.shape[2])
                given = seen.given(planes, *column.padded).to(device)
                whole = network.completed(seen.back(given), seen.back(found))[0].float().cpu().numpy()
                inner = scaled(seen.own(slice(0, found.shape[2]), *column.inner), factors)
                put(result, scaled(seen.own(planes, *column.core), factors), whole[(slice(None), *inner)])
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
    chain = network.chain(seen.corner.to(device))
    assert chain is not None
    face = [part.stop - part.start for part in column.padded]
    background = seen.background(work_of(chain), slab, *column.padded)
    stream = Stream(chain, seen.order, face, slab, seen.size[0], precision, device, background)
    made = 0
    for piece in seen.pieces(slab, *column.padded):
        for found in stream.push(piece.to(device), report):
            yield made, found
            made += found.shape[2]


def share_to_compute(network: Network, source: Source) -> float:
    """Share of the convolutions of a chain that are computed for ``source`` (channels, *axes); the rest is
    background."""
    chain = network.chain()
    assert chain is not None
    axis = axis_along(source.shape[1:], network.dimensions)
    most = pushes(network.dimensions)[0]
    with torch.inference_mode():
        seen = Seen(network, source, [axis, *(a for a in range(3) if a != axis)])
        background = seen.background(work_of(chain), most)
        return background.share_of_work(work_of(chain), most) if background else 1.0


class Stream:
    """Takes planes (1, channels, planes, height, width), at most ``slab`` at a time, and gives back what is ready.

    The output lags behind by the chain's receptive radius, until the last of the ``count`` planes is there.

    order  which axis of 3D convolutions' kernels the planes follow, then those of the height and of the width
    face   height and width
    """

    def __init__(
        self,
        chain: Sequence[Link],
        order: Sequence[int],
        face: Sequence[int],
        slab: int,
        count: int,
        precision: torch.dtype,
        device: torch.device,
        background: Background | None = None,
    ) -> None:
        self.slab, self.count = slab, count
        channels, kept = channels_of(chain), kept_of(chain)
        exact = exact_of(chain)
        fills: list[Tensor] = []
        if background and not background.deep:
            # before there are planes of its own
            fills = Stream(chain, order, face, 1, 1, precision, device)._still(_value(background))
        self.planes: dict[int, Planes] = {}
        for number, room in rooms_of(chain).items():
            dtype = torch.float32 if number in exact else precision
            shape = (1, channels[number], kept[number] + slab, *face)
            self.planes[number] = Planes(
                torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last_3d)
                if room == number
                else self.planes[room].held
            )
        self.layers = [
            Layer(
                link,
                order,
                self.planes[source_of(chain, number)],
                [self.planes[other] for other in link.others],
                self.planes[number],
                torch.float32 if link.exact else precision,
            )
            for number, link in enumerate(chain)
        ]
        if background:
            fills = fills or self._endless(chain, _value(background), background.width)
            reaches, needed = reaches_of(chain), needed_of(chain)
            for number, (layer, fill) in enumerate(zip(self.layers, fills, strict=True)):
                layer.skipping = Skipping(background, reaches[number], fill, needed.get(number), slab)

    def _endless(self, chain: Sequence[Link], value: Tensor, width: int) -> list[Tensor]:
        """A row (1, channels, 1, 1, width) of what each layer makes of endless background of that value (1, channels,
        1, 1, 1): memory is copied quickly in long pieces."""
        values = {SEEN: value}
        for number, layer in enumerate(self.layers):
            others = [values[other] for other in layer.link.others]
            values[number] = layer.endless(values[source_of(chain, number)], others)
        rows = (values[number].expand(-1, -1, -1, -1, width) for number in range(len(chain)))
        return [row.contiguous(memory_format=torch.channels_last_3d) for row in rows]

    def _still(self, value: Tensor) -> list[Tensor]:
        """What each layer makes of a single plane (1, channels, 1, height, width), zeros at its edges seen."""
        self.planes[SEEN].room(1).copy_(value)
        made = []
        for layer in self.layers:
            layer.compute(1)
            # another layer may take the memory over
            made.append(layer.made.part(0, 1).clone())
        return made

    def push(self, planes: Tensor, report: Callable[[float], None]) -> Iterator[Tensor]:
        """Planes of the output (1, channels, planes, height, width) in their order, to be used before the next are
        asked for; with the last planes of the input all that are left.

        ``report`` is told the share of the work that is done before each layer computes.
        """
        seen, made = self.planes[SEEN], self.planes[len(self.layers) - 1]
        seen.room(planes.shape[2]).copy_(planes)
        whole = self.count * sum(layer.weight.numel() for layer in self.layers)
        while True:
            for layer in self.layers:
                report(sum(other.made.end * other.weight.numel() for other in self.layers) / whole)
                layer.compute(min(self.slab, layer.ready(self.count)))
            if made.end > made.first:
                yield made.part(made.first, made.end)
            for kept in self.planes.values():
                kept.forget()
            if seen.end < self.count or made.end == self.count:
                return


def _value(background: Background) -> Tensor:
    """That of background as planes (1, channels, 1, height or 1, width or 1)."""
    return torch.from_numpy(background.value)[None, :, None]


class Seen:
    """A ``source`` (channels, *axes) as tensors (1, channels, planes, height, width).

    order   which of its axes the planes follow, then those of the height and of the width
    corner  its first voxel (1, channels, 1, 1, 1)
    """

    def __init__(self, network: Network, source: Source, order: Sequence[int]) -> None:
        self.network, self.source, self.order = network, source, tuple(order)
        self.size = [source.shape[1 + axis] for axis in order]
        self.corner = self.given(slice(0, 1), slice(0, 1), slice(0, 1))

    def own(self, planes: slice, rows: slice, columns: slice) -> Axes:
        """The slices in the order of the source's axes."""
        parts = planes, rows, columns
        return tuple(parts[self.order.index(axis)] for axis in range(3))

    def back(self, tensor: Tensor) -> Tensor:
        """(1, channels, planes, height, width) -> (1, channels, *axes), in the order of the source's."""
        return tensor.permute(0, 1, *(2 + self.order.index(axis) for axis in range(3)))

    def given(self, planes: slice, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """The source itself."""
        piece = torch.from_numpy(self.source[(slice(None), *self.own(planes, rows, columns))])
        return piece.permute(0, *(1 + axis for axis in self.order))[None]

    def seen(self, planes: slice, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """What the first layer sees of it."""
        flat = self.network.dimensions == 2
        wide, inner = [], []
        for number, (part, n) in enumerate(zip((planes, rows, columns), self.size, strict=True)):
            margin = 0 if flat and number == 0 else self.network.seen_radius
            start, stop, _ = part.indices(n)
            low = max(0, start - margin)
            wide.append(slice(low, min(n, stop + margin)))
            inner.append(slice(start - low, stop - low))
        given = self.given(*wide)
        if flat:
            # slices are a batch
            seen = self.network.seen(given[0].transpose(0, 1)).transpose(0, 1)[None]
        else:
            seen = self.network.seen(self.back(given)).permute(0, 1, *(2 + axis for axis in self.order))
        return seen[:, :, inner[0], inner[1], inner[2]]

    def pieces(self, step: int, rows: slice = slice(None), columns: slice = slice(None)) -> Iterator[Tensor]:
        """All of what the first layer sees, ``step`` planes at a time."""
        return (self.seen(slice(first, first + step), rows, columns) for first in range(0, self.size[0], step))

    def background(
        self, work: Sequence[tuple[int, float]], step: int, rows: slice = slice(None), columns: slice = slice(None)
    ) -> Background | None:
        """Where a column of it is background for layers of this ``work`` (see ``Background``), ``step`` planes at a
        time; None where all of it is worth computing."""
        ends = (self.given(slice(end, end + 1))[0, :, 0].numpy() for end in (0, self.size[0] - 1))
        value = background_value(*ends)
        pieces = (self.given(slice(n, n + step), rows, columns)[0].numpy() for n in range(0, self.size[0], step))
        found = background_of(pieces, value, self.network.dimensions == 3, self.network.close)
        found = found.grown(self.network.seen_radius)
        if found.share_of_work(work, step) == 1:
            return None
        return replace(found, value=self._seen_of(value, found).numpy())

    def _seen_of(self, value: np.ndarray, background: Background) -> Tensor:
        """What the first layer sees of background of that ``value`` (channels): (channels, 1, 1) without end, of
        slices (channels, height, width) with their edges."""
        given = torch.from_numpy(value)
        if not background.deep:
            face = background.height, background.width
            return self.network.seen(given[None, :, None, None].expand(1, -1, *face))[0]
        radius = self.network.seen_radius
        seen = self.network.seen(given[None, :, None, None, None].expand(1, -1, *[1 + 2 * radius] * 3))
        return seen[0, :, radius, radius, radius, None, None]
