"""Where a volume is background, so far from all else that a chain of convolutions makes one and the same of it.

Outside the tissue, dilated by what the layers up to one can see, that layer's features are those of an endless
background: a constant for each channel, which is known beforehand. Two things keep this from being exact: background
is told by ``CLOSE``, since interpolation rings; and the zeros that pad the faces of a volume are not seen by
background near them, as if it went on beyond.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .networks.base import Link

CLOSE = 2e-3
"""How far from the background's value, in normalised units, a voxel is background."""

WORTHWHILE = 0.9
"""Share of the work that is left from which on nothing is skipped."""

Box = tuple[int, int, int, int]
"""First row and one past the last, first column and one past the last."""


@dataclass(frozen=True)
class Background:
    """Of planes (1, channels, planes, height, width): the background's ``value`` (channels), and for each plane the
    first row and column with tissue, and one past the last; the plane's end and 0 where there is none."""

    value: Tensor
    rows: Tensor
    columns: Tensor
    face: tuple[int, int]

    def box(self, first: int, count: int, radius: int) -> Box | None:
        """Where the ``count`` planes from ``first`` on have tissue within ``radius`` voxels; None where nowhere."""
        near = slice(max(0, first - radius), max(0, first + count + radius))
        bounds = []
        for ends, size in ((self.rows[near], self.face[0]), (self.columns[near], self.face[1])):
            start, end = int(ends[:, 0].min()), int(ends[:, 1].max())
            if start >= end:
                return None
            bounds += [max(0, start - radius), min(size, end + radius)]
        return bounds[0], bounds[1], bounds[2], bounds[3]

    def share_of_work(self, chain: Sequence[Link]) -> float:
        """Share of a chain's convolutions that are left to compute, plane by plane."""
        work = [link.convolution.in_channels * link.convolution.out_channels for link in chain]
        reaches = itertools.accumulate(link.radius for link in chain)
        left = (self._share_within(reach) * n for reach, n in zip(reaches, work, strict=True))
        return sum(left) / sum(work)

    def _share_within(self, radius: int) -> float:
        boxes = (self.box(plane, 1, radius) for plane in range(len(self.rows)))
        voxels = sum((box[1] - box[0]) * (box[3] - box[2]) for box in boxes if box)
        return voxels / (len(self.rows) * self.face[0] * self.face[1])


def background_value(seen: Tensor) -> Tensor:
    """(channels): the median of the corners of a volume (1, channels, *space)."""
    ends = [slice(None, None, max(1, n - 1)) for n in seen.shape[2:]]
    return seen[0][:, ends[0], ends[1], ends[2]].flatten(1).median(dim=1).values


def background_of(seen: Tensor, value: Tensor) -> Background:
    """Of planes (1, channels, planes, height, width), whose background has that ``value``."""
    tissue = ((seen[0] - value[:, None, None, None]).abs() > CLOSE).any(dim=0)
    return Background(value, _ends(tissue.any(dim=2)), _ends(tissue.any(dim=1)), (seen.shape[3], seen.shape[4]))


def constants(chain: Sequence[Link], value: Tensor, weights: Sequence[tuple[Tensor, Tensor | None]]) -> list[Tensor]:
    """What each layer makes of an endless background of that ``value``: (channels), rectified where it is."""
    found: list[Tensor] = []
    for link, (weight, bias) in zip(chain, weights, strict=True):
        endless = value.to(weight).view(1, -1, 1, 1, 1).expand(-1, -1, *weight.shape[2:])
        value = functional.conv3d(endless, weight, bias).flatten()
        if link.rectified:
            value = value.clamp_min(0)
        found.append(value)
    return found


def _ends(there: Tensor) -> Tensor:
    """(planes, n) bool -> (planes, 2): the first that is there and one past the last; n and 0 where none is."""
    n = there.shape[1]
    number = torch.arange(n)
    first = torch.where(there, number, n).amin(dim=1)
    end = torch.where(there, number + 1, 0).amax(dim=1)
    return torch.stack([first, end], dim=1)
