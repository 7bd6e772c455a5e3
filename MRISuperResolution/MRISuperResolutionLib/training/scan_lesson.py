"""How networks that work on the scan's grid learn: from the volumes that their detail makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..networks.base import Network, channels_last
from ..operators import resample
from .lesson import Examined
from .losses import loss_of
from .protocol import Protocol
from .scans import Scans

RIM = 3
"""Outermost HR voxels of a block that do not count: a volume has far less of a border."""


class ScanLesson(Examined):
    """The protocol's loss of the restored volumes, its optimiser and schedule."""

    def __init__(self, network: Network, protocol: Protocol, examine: Callable[[Network], dict[str, float]]) -> None:
        super().__init__(network, protocol, examine)
        self.loss = loss_of(protocol)

    def training_step(self, batch: Scans, number: int) -> Tensor:
        scans = Scans(*batch)
        details = self.network(channels_last(scans.sources))
        # intensities are not rounded to eight bits
        with torch.autocast(details.device.type, enabled=False):
            results = torch.stack(
                [
                    restoration.volume(detail[0].float(), low)
                    for restoration, detail, low in zip(scans.restorations, details, scans.lows, strict=True)
                ]
            )
            splines = resample(scans.lows, scans.highs.shape[1:])
            result, target, spline = (
                images[:, None, *[slice(RIM, -RIM)] * 3] for images in (results, scans.highs, splines)
            )
            loss = self.loss(result, target, spline)
        self.log("loss", self.checked(loss), batch_size=len(details))
        return loss

    def configure_optimizers(self) -> Any:
        return self.scheduled(self.network)
