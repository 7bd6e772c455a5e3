"""A chain of convolutions over planes that come one slab after the other: nothing is computed twice.

What a layer gives is kept for as long as another needs it. What comes out equals what the chain makes of the whole
volume, zero padding at its faces included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .background import ROWS, Background
from .networks.base import SEEN, Link, Network
from .networks.one_channel import in_one_channel
from .rooms import Pieces, put
from .seen import Seen
from .slabs import SLABS, Slabs, axis_along, strips
from .sources import Source
from .tiling import Tile, scaled, tiles

SCRATCH, COMBINED_SCRATCH = 3, 5
"""Times what a layer takes or gives that exists while it computes: what it takes with its surroundings, what it
gives, and what the library works with; where it is combined with others, sums and products, too."""

INTEGERS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}
"""As wide as these."""


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
    background = seen.background(work_of(chain), slab, *column.padded) if network.endless else None
    stream = Stream(chain, seen.order, face, slab, seen.size[0], precision, device, background)
    made = 0
    for piece in seen.pieces(slab, *column.padded):
        for found in stream.push(piece.to(device), report):
            yield made, found
            made += found.shape[2]


def source_of(chain: Sequence[Link], number: int) -> int:
    """Number of the link whose output the link ``number`` takes, or ``SEEN``."""
    source = chain[number].source
    return number - 1 if source is None else source


def channels_of(chain: Sequence[Link]) -> dict[int, int]:
    """Channels of what the chain sees and of what each link gives, by their numbers."""
    seen = max(link.inputs for n, link in enumerate(chain) if source_of(chain, n) == SEEN)
    return {SEEN: seen, **{n: link.outputs for n, link in enumerate(chain)}}


def reaches_of(chain: Sequence[Link], along: Callable[[Link], int] = lambda link: link.radius) -> dict[int, int]:
    """How far each link sees, those before it included, by their numbers; planes and not voxels ``along`` depths."""
    reaches = {SEEN: 0}
    for number, link in enumerate(chain):
        ahead = [reaches[source_of(chain, number)] + along(link), *(reaches[other] for other in link.others)]
        reaches[number] = max(ahead)
    return reaches


def needed_of(chain: Sequence[Link]) -> dict[int, tuple[int, int]]:
    """Of each output that other links use, by its number: how far the one that sees farthest sees, those before it
    included, and how far from a voxel of theirs they use it at most."""
    reaches = reaches_of(chain)
    needed: dict[int, tuple[int, int]] = {}
    for number, link in enumerate(chain):
        for other in (source_of(chain, number), *link.others):
            reach, radius = needed.get(other, (0, 0))
            needed[other] = max(reach, reaches[number]), max(radius, link.radius)
    return needed


def kept_of(chain: Sequence[Link]) -> dict[int, int]:
    """Planes of what the chain sees and of each link's output that are kept from one slab to the next: those that a
    link which has come less far still needs."""
    reaches = reaches_of(chain, lambda link: link.depth)
    kept = dict.fromkeys(reaches, 0)
    for number, link in enumerate(chain):
        source = source_of(chain, number)
        kept[source] = max(kept[source], reaches[number] - reaches[source] + link.depth)
        for other in link.others:
            kept[other] = max(kept[other], reaches[number] - reaches[other])
    return kept


def stream_numbers(network: Network, precision: torch.dtype) -> tuple[float, float, float, int]:
    """What streaming a network that is a chain takes, as ``slabs.choose_slabs`` wants it: held, moving, scratch,
    itemsize."""
    chain = network.chain()
    assert chain is not None
    channels, kept = channels_of(chain), kept_of(chain)
    held = network.completing + sum(kept[number] * n for number, n in channels.items())
    moving = sum(channels.values())
    exact = any(link.exact for link in chain)
    return held, moving, max(map(scratch_of, chain)), 4 if exact else precision.itemsize


def weight_and_bias(link: Link) -> tuple[Tensor, Tensor | None]:
    """Those of a link's convolution in 3D, its output multiplied by the link's strength."""
    weight, bias = link.convolution.weight, link.convolution.bias
    if link.strength is not None:
        weight = weight * link.strength.view(-1, *[1] * (weight.dim() - 1))
        bias = None if bias is None else bias * link.strength
    return (weight if weight.dim() == 5 else weight[:, :, None]), bias


def scratch_of(link: Link) -> int:
    """Numbers that exist for each voxel while a link is computed."""
    times = COMBINED_SCRATCH if link.combined else SCRATCH
    return times * max(link.convolution.in_channels, link.outputs)


def work_of(chain: Sequence[Link]) -> list[tuple[int, float]]:
    """Of each layer: how far it sees, those before it included, and its operations at a voxel, in some unit."""
    reaches = reaches_of(chain)
    return [(reaches[number], link.convolution.weight.numel()) for number, link in enumerate(chain)]


def share_to_compute(network: Network, source: Source) -> float:
    """Share of the convolutions of a chain that are computed for ``source`` (channels, *axes); the rest is
    background."""
    chain = network.chain()
    assert chain is not None
    if not network.endless:
        return 1.0
    axis = axis_along(source.shape[1:], network.dimensions)
    with torch.inference_mode():
        seen = Seen(network, source, [axis, *(a for a in range(3) if a != axis)])
        background = seen.background(work_of(chain), max(SLABS))
        return background.share_of_work(work_of(chain), max(SLABS)) if background else 1.0


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
        exact = {source_of(chain, number) for number, link in enumerate(chain) if link.exact}
        exact |= {len(chain) - 1} if chain[-1].exact else set()
        self.planes = {
            number: _Planes(n, kept[number] + slab, face, torch.float32 if number in exact else precision, device)
            for number, n in channels.items()
        }
        self.layers = [
            _Layer(
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
            self._skip(chain, background)

    def _skip(self, chain: Sequence[Link], background: Background) -> None:
        """Let the layers compute no background."""
        reaches, needed = reaches_of(chain), needed_of(chain)
        values = {SEEN: torch.from_numpy(background.value).view(1, -1, 1, 1, 1)}
        for number, layer in enumerate(self.layers):
            others = [values[other] for other in layer.link.others]
            values[number] = layer.endless(values[source_of(chain, number)], others)
            # a row of it, since memory is copied quickly in long pieces
            row = values[number].expand(-1, -1, -1, -1, background.width)
            row = row.contiguous(memory_format=torch.channels_last_3d)
            layer.skipping = _Skipping(background, reaches[number], row, needed.get(number), self.slab)

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


class _Planes:
    """The latest planes of what one layer gives, from number ``first`` up to ``end``, for those that take it."""

    def __init__(
        self, channels: int, most: int, face: Sequence[int], dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = (1, channels, most, *face)
        self.held = torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last_3d)
        self.first = self.end = 0
        self.needed: list[Callable[[], int]] = []

    def room(self, count: int) -> Tensor:
        """Where the next ``count`` planes are to be written."""
        self.end += count
        return self.part(self.end - count, self.end)

    def part(self, start: int, stop: int) -> Tensor:
        return self.held[:, :, start - self.first : stop - self.first]

    def forget(self) -> None:
        """Drop the planes that nobody needs any more."""
        first = max(self.first, min((needed() for needed in self.needed), default=self.end))
        step = first - self.first
        for start in range(first, self.end, step) if step else ():
            # so few at a time that the two do not overlap
            planes = self.part(start, min(self.end, start + step))
            self.part(start - step, start - step + planes.shape[2]).copy_(planes)
        self.first = first


@dataclass(frozen=True)
class _Skipping:
    """Where a layer that sees ``reach`` voxels, those before it included, has to compute.

    row     of what it gives elsewhere, (1, channels, 1, 1, width)
    needed  of the layers that use it (see ``needed_of``), None where all of it is given back
    slab    planes that these compute at a time at most
    """

    background: Background
    reach: int
    row: Tensor
    needed: tuple[int, int] | None
    slab: int

    def columns(self, planes: slice, rows: slice) -> slice:
        """To be computed."""
        return self.background.columns(planes, rows, self.reach) or slice(0, 0)

    def used(self, planes: slice, rows: slice, width: int) -> slice:
        """Columns of which any layer may use one, those that are to be computed among them."""
        if self.needed is None:
            return slice(0, width)
        reach, radius = self.needed
        # whatever part of the planes and rows is computed together with these
        deep, high = self.slab + radius, ROWS + radius
        around = slice(planes.start - deep, planes.stop + deep), slice(rows.start - high, rows.stop + high)
        columns = self.background.columns(*around, reach)
        return slice(max(0, columns.start - radius), min(width, columns.stop + radius)) if columns else slice(0, 0)


class _Layer:
    """One link, the planes that it takes, those of ``others`` that it is combined with, and those that it makes."""

    def __init__(
        self,
        link: Link,
        order: Sequence[int],
        taken: _Planes,
        others: Sequence[_Planes],
        made: _Planes,
        dtype: torch.dtype,
    ) -> None:
        self.link, self.taken, self.others, self.made = link, taken, list(others), made
        weight, bias = weight_and_bias(link)
        turned = weight.detach().permute(0, 1, *(2 + axis for axis in order))
        device = made.held.device
        self.weight = turned.to(device, dtype).contiguous(memory_format=torch.channels_last_3d)
        self.bias = None if bias is None else bias.detach().to(device, dtype)
        self.skipping: _Skipping | None = None
        taken.needed.append(lambda: made.end - link.depth)
        for planes in self.others:
            planes.needed.append(lambda: made.end)

    def ready(self, whole: int) -> int:
        """Planes that can be made, of ``whole`` in all."""
        seen = self.taken.end - (self.link.depth if self.taken.end < whole else 0)
        return min([seen, *(planes.end for planes in self.others)]) - self.made.end

    def compute(self, count: int) -> None:
        """Make the next ``count`` planes, a strip at a time."""
        if count <= 0:
            return
        first, room = self.made.end, self.made.room(count)
        height, width = room.shape[3:]
        row_bytes = scratch_of(self.link) * self.weight.itemsize * width
        for part, rows in strips(count, height, row_bytes, ROWS if self.skipping else None):
            planes, columns = slice(first + part.start, first + part.stop), slice(0, width)
            strip = room[:, :, part, rows]
            if self.skipping:
                columns, used = self.skipping.columns(planes, rows), self.skipping.used(planes, rows, width)
                for beside in (slice(used.start, columns.start), slice(columns.stop, used.stop)):
                    strip[..., beside].copy_(self.skipping.row[..., beside].expand_as(strip[..., beside]))
            if columns.start < columns.stop:
                self._compute(planes, rows, columns, strip[..., columns])

    def _compute(self, planes: slice, rows: slice, columns: slice, room: Tensor) -> None:
        """Fill ``room`` with a part of the planes."""
        wide = self._wide(columns)
        inner = slice(columns.start - wide.start, columns.stop - wide.start)
        found = self._convolved(planes, rows, wide)[..., inner]
        if self.link.combined:
            if self.link.rectified:
                rectify(found, found)
            others = [other.part(planes.start, planes.stop)[:, :, :, rows, columns] for other in self.others]
            self.link.combined(found, *others, out=room)
        elif self.link.rectified and found.dtype == room.dtype:
            rectify(found, room)
        else:
            # the next layer may compute in another precision
            room.copy_(found.clamp_min(0) if self.link.rectified else found)

    def _convolved(self, planes: slice, rows: slice, columns: slice) -> Tensor:
        """The convolution there, with zeros beside the columns and beyond the volume."""
        held = self.taken.part(self.taken.first, self.taken.end)[:, self.link.channels or slice(None)]
        inside, beyond, padding = [], [], []
        for part, radius, before, n in zip(
            (planes, rows), (self.link.depth, self.link.radius), (self.taken.first, 0), held.shape[2:4], strict=True
        ):
            start, stop = part.start - radius - before, part.stop + radius - before
            inside.append(slice(max(0, start), min(n, stop)))
            zeros = [max(0, -start), max(0, stop - n)]
            # the library's own, where both sides are alike, spare a copy
            padding.append(radius if zeros == [radius, radius] else 0)
            beyond.append([0, 0] if padding[-1] else zeros)
        piece = held[:, :, inside[0], inside[1], columns]
        if any(map(any, beyond)):
            piece = functional.pad(piece, [0, 0, *beyond[1], *beyond[0]])
        piece = piece.to(self.weight.dtype).contiguous(memory_format=torch.channels_last_3d)
        convolve = in_one_channel if len(self.weight) == 1 else functional.conv3d
        return convolve(piece, self.weight, self.bias, padding=(*padding, self.link.radius))

    def endless(self, value: Tensor, others: Sequence[Tensor]) -> Tensor:
        """What the layer makes of an endless background, all of them (1, channels, 1, 1, 1)."""
        taken = value if self.link.channels is None else value[:, self.link.channels]
        found = functional.conv3d(
            taken.to(self.weight).expand(-1, -1, *self.weight.shape[2:]), self.weight, self.bias
        )
        if self.link.rectified:
            found = found.clamp_min(0)
        return self.link.combined(found, *others) if self.link.combined else found

    def _wide(self, columns: slice) -> slice:
        """Columns to convolve: those that are asked for and ``radius`` to each side, where neighbours are missing, so
        that these are not right. Libraries are quicker with zeros of their own to each side than without."""
        radius = self.link.radius
        return slice(max(0, columns.start - radius), min(self.made.held.shape[4], columns.stop + radius))


def rectify(found: Tensor, room: Tensor) -> None:
    """ReLU into ``room``, of the same precision. The sign is the first bit of a number as of an integer, and integers
    are compared as fast as memory is copied; but not in half precision, which overflows: that would turn what is not
    a number into zero."""
    bits = INTEGERS.get(found.dtype, found.dtype)
    torch.clamp_min(found.view(bits), 0, out=room.view(bits))
