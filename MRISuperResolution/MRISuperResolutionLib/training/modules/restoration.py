"""How networks that work on the scan's grid learn: from the volumes that their detail makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...image.linear_operators import resample
from ...image.tissue import noise_of
from ...networks.base import Network, channels_last
from ...networks.null_space import NullSpaceNet
from ..config.train_config import Protocol
from ..data.scan_dataset import Scans
from ..losses.reconstruction import beyond_noise, doubt_loss, loss_of
from .base import Examined

RIM = 3
"""Outermost HR voxels of a block that do not count: a volume has far less of a border."""


class ScanLesson(Examined):
    """The protocol's loss of the restored volumes, its optimiser and schedule."""

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__(network, protocol, examine)
        self.loss = loss_of(protocol)

    def training_step(self, batch: Scans, number: int) -> Tensor:
        scans = Scans(*batch)
        found = self.network(channels_last(scans.sources))
        # intensities are not rounded to eight bits
        with torch.autocast(found.device.type, enabled=False):
            loss = self.lost(found.float(), scans)
        self.log("loss", self.checked(loss), batch_size=len(found))
        return loss

    def lost(self, found: Tensor, scans: Scans) -> Tensor:
        """The loss of what the network found (batch, outputs, *space * 3): of the volume before it is made to explain
        the scan, which is learned quickly, and after, which is what counts."""
        target, spline = inner(scans.highs), inner(resample(scans.lows, scans.highs.shape[1:]))
        raw, result = (inner(volumes) for volumes in restored(found, scans))
        return (self.loss(raw, target, spline) + self.loss(result, target, spline)) / 2

    def configure_optimizers(self) -> Any:
        return self.scheduled(self.network)


class DoubtLesson(ScanLesson):
    """The errors that the network expects of itself, beyond the truths' noise; all else of it stays as it is."""

    def lost(self, found: Tensor, scans: Scans) -> Tensor:
        errors = (restored(found, scans)[1] - scans.highs).abs().detach()
        errors = torch.stack(
            [beyond_noise(e, noise_of(h.cpu().numpy())) for e, h in zip(errors, scans.highs, strict=True)]
        )
        expected = torch.stack([r.expected_error(f[1]) for r, f in zip(scans.restorations, found, strict=True)])
        return doubt_loss(inner(expected), inner(errors))

    def configure_optimizers(self) -> Any:
        assert isinstance(self.network, NullSpaceNet)
        assert self.network.doubt is not None
        return self.scheduled(self.network.doubt)


def restored(found: Tensor, scans: Scans) -> tuple[Tensor, Tensor]:
    """The volumes (batch, i, j, k) of the detail that the network found, before and after they are made to explain
    the scans."""
    each = list(zip(scans.restorations, found, scans.lows, strict=True))
    raw = [restoration.detailed(detail[0], low) for restoration, detail, low in each]
    made = [r.explaining(volume, low) for volume, (r, _, low) in zip(raw, each, strict=True)]
    return torch.stack(raw), torch.stack(made)


def inner(volumes: Tensor) -> Tensor:
    """(batch, i, j, k) -> (batch, 1, *space) without the rim."""
    return volumes[:, None, RIM:-RIM, RIM:-RIM, RIM:-RIM]
