"""The layers of a stream: each computes what it gives of the latest planes of others, and nothing where these are
background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..networks.base import Link
from ..networks.convolve import direct, in_one_channel
from .background import MULTIPLE, Background
from .layer_graph import scratch_of
from .slab_plan import strips

INTEGERS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}
"""As wide as these."""


class Planes:
    """The latest planes of what one layer gives, from number ``first`` up to ``end``, for those that take it: in
    memory that is ``held`` (1, channels, planes, height, width) for the most of them that there can be."""

    def __init__(self, held: Tensor) -> None:
        self.held = held
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
class Skipping:
    """Where a layer that sees ``reach`` voxels, those before it included, has to compute.

    fill    what it gives elsewhere, (1, channels, 1, height or 1, width)
    needed  of the layers that use it (see ``needed_of``), None where all of it is given back
    slab    planes that these compute at a time at most
    """

    background: Background
    reach: int
    fill: Tensor
    needed: tuple[int, int] | None
    slab: int

    def filling(self, rows: slice, columns: slice) -> Tensor:
        """What it gives there elsewhere."""
        return self.fill[..., slice(None) if self.background.deep else rows, columns]

    def computed(self, planes: slice, rows: slice) -> tuple[slice, slice]:
        """Those of the rows, and the columns, that are to be computed."""
        return self.background.box(planes, rows, self.reach)

    def used(self, planes: slice, rows: slice) -> tuple[slice, slice]:
        """Those of which any layer may use one, and those that are to be computed among them."""
        whole = self.background
        if self.needed is None:
            return rows, slice(0, whole.width)
        reach, radius = self.needed
        # whatever part of the planes and rows is computed together with these
        deep, high = self.slab + radius, whole.rows_at_once + radius
        around = slice(planes.start - deep, planes.stop + deep), slice(rows.start - high, rows.stop + high)
        found, columns = whole.box(*around, reach)
        if columns.start == columns.stop:
            return slice(rows.start, rows.start), columns
        # boxes of fewer planes and rows may be rounded to other sides
        margin = radius + MULTIPLE
        start, stop = max(rows.start, found.start - margin), min(rows.stop, found.stop + margin)
        columns = slice(max(0, columns.start - margin), min(whole.width, columns.stop + margin))
        return slice(start, max(start, stop)), columns


class Layer:
    """One link, the planes that it takes, those of ``others`` that it is combined with, and those that it makes."""

    def __init__(
        self,
        link: Link,
        order: Sequence[int],
        taken: Planes,
        others: Sequence[Planes],
        made: Planes,
        dtype: torch.dtype,
    ) -> None:
        self.link, self.taken, self.others, self.made = link, taken, list(others), made
        weight, bias = weight_and_bias(link)
        turned = weight.detach().permute(0, 1, *(2 + axis for axis in order))
        device = made.held.device
        self.spare = _spare(turned)
        turned = functional.pad(turned, (*[0] * 7, self.spare))
        self.weight = turned.to(device, dtype).contiguous(memory_format=torch.channels_last_3d)
        self.bias = None if bias is None else bias.detach().to(device, dtype)
        self.skipping: Skipping | None = None
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
        most_rows = self.skipping.background.rows_at_once if self.skipping else height
        for part, rows in strips(count, height, row_bytes, most_rows):
            planes, columns = slice(first + part.start, first + part.stop), slice(0, width)
            if self.skipping:
                rows, columns = self._skip(planes, rows, room[:, :, part])
            if rows.start < rows.stop:
                self._compute(planes, rows, columns, room[:, :, part, rows, columns])

    def _skip(self, planes: slice, rows: slice, room: Tensor) -> tuple[slice, slice]:
        """Fill what is background in those rows of the ``room`` of the planes; the rows and columns that are left."""
        assert self.skipping
        left, columns = self.skipping.computed(planes, rows)
        used, wide = self.skipping.used(planes, rows)
        for part in (
            (slice(used.start, min(left.start, used.stop)), wide),
            (slice(max(left.stop, used.start), used.stop), wide),
            (left, slice(wide.start, columns.start)),
            (left, slice(columns.stop, wide.stop)),
        ):
            beside = room[:, :, :, *part]
            if beside.numel():
                beside.copy_(self.skipping.filling(*part).expand_as(beside))
        return left, columns

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
        if self.spare or any(map(any, beyond)):
            piece = functional.pad(piece, [0, 0, *beyond[1], *beyond[0], 0, self.spare])
        piece = piece.to(self.weight.dtype).contiguous(memory_format=torch.channels_last_3d)
        convolve = in_one_channel if len(self.weight) == 1 else direct
        return convolve(piece, self.weight, self.bias, (*padding, self.link.radius))

    def endless(self, value: Tensor, others: Sequence[Tensor]) -> Tensor:
        """What the layer makes of an endless background, all of them (1, channels, 1, 1, 1)."""
        taken = value if self.link.channels is None else value[:, self.link.channels]
        taken = functional.pad(taken, (*[0] * 7, self.spare))
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


def _spare(weight: Tensor) -> int:
    """Channels of zeros that a layer of several outputs is given besides its own: libraries take several times as
    long for an odd number of them, for one above all."""
    return weight.shape[1] % 2 if len(weight) > 1 else 0


def rectify(found: Tensor, room: Tensor) -> None:
    """ReLU into ``room``, of the same precision. The sign is the first bit of a number as of an integer, and integers
    are compared as fast as memory is copied; but not in half precision, which overflows: that would turn what is not
    a number into zero."""
    bits = INTEGERS.get(found.dtype, found.dtype)
    torch.clamp_min(found.view(bits), 0, out=room.view(bits))


def weight_and_bias(link: Link) -> tuple[Tensor, Tensor | None]:
    """Those of a link's convolution in 3D, its output multiplied by the link's strength."""
    weight, bias = link.convolution.weight, link.convolution.bias
    if link.strength is not None:
        weight = weight * link.strength.view(-1, *[1] * (weight.dim() - 1))
        bias = None if bias is None else bias * link.strength
    return (weight if weight.dim() == 5 else weight[:, :, None]), bias
