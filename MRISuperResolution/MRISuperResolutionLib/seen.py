"""What the first layers of a chain of convolutions see of a volume, plane by plane along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .background import Background, background_of, background_value
from .networks.base import Network
from .sources import Source
from .tiling import Axes


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
