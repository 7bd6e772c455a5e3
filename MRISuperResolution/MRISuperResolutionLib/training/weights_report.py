"""Weights tried on validation volumes by the shipped road: degraded, upscaled, compared with the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dataset.subjects import Truth, across
from ..evaluation.figures import Row, repeated
from ..evaluation.metrics import voxel_errors
from ..image.grid import Triple
from ..image.volume import Volume, divisible
from ..models.card import SPLINE, Card
from ..physics.acquisition import Acquisition
from ..pipeline.upscale import upscale, upscale_in_full
from ..runtime.device import Computing
from ..runtime.progress import Quiet
from .calibration import Expectation, expectation
from .config.train_config import Protocol
from .data.simulation import kept_kspace


@dataclass(frozen=True)
class Trial:
    """What came out for one volume, ``truth`` on the grid of ``high``, at ``factors`` along i, j, k.

    ``plane`` is that of the slices which a 2D network worked on; None in 3D. ``references``: how many other
    contrasts the network was given; ``precision``: that it computed in; ``told``: whether it knew how the scan was
    made.
    """

    truth: Truth
    plane: str | None
    factors: Triple
    references: int
    precision: str
    told: bool
    high: Volume
    low: Volume
    spline: Volume
    result: Volume
    expected_error: Volume | None = None

    def figure(self) -> dict[str, Any]:
        """PSNR in dB and SSIM of result and spline, for a card."""
        found, spline = voxel_errors(self.result, self.high), voxel_errors(self.spline, self.high)
        return {
            "subject": self.truth.subject,
            "contrast": self.truth.contrast,
            "plane": self.plane,
            "factors": list(self.factors),
            "references": self.references,
            "precision": self.precision,
            "told": self.told,
            "psnr_db": round(found["psnr_db"], 3),
            "ssim": round(found["ssim"], 5),
            "spline_psnr_db": round(spline["psnr_db"], 3),
            "spline_ssim": round(spline["ssim"], 5),
        }

    def expectation(self) -> Expectation | None:
        """The errors that the network expected, and those it made; None where it tells none."""
        if self.expected_error is None:
            return None
        named = {
            "subject": self.truth.subject,
            "contrast": self.truth.contrast,
            "factors": list(self.factors),
            "told": self.told,
        }
        volumes = (self.high, self.result, self.expected_error, self.spline)
        return expectation(named, self.truth.split == "train", *(volume.array for volume in volumes))

    def row(self) -> Row:
        """The middle slice, for a picture."""
        grid = self.high.grid
        axis = grid.slice_axis(self.plane or "axial")
        source = repeated(self.low.array, grid.size)
        truth, low, spline, result = (
            np.take(array, [grid.size[axis] // 2], axis)
            for array in (self.high.array, source, self.spline.array, self.result.array)
        )
        shown = "x".join(f"{f:g}" for f in self.factors)
        title = f"{self.truth.subject} {self.truth.contrast} at 1/{shown}"
        return Row(title, truth, low, spline, result, axis, 0, grid.spacing)


def trials(card: Card, truths: Sequence[Truth], protocol: Protocol, factors: Sequence[Triple]) -> Iterator[Trial]:
    """The weights of ``card`` on every volume of ``truths`` that they can serve, under the protocol's blur and in its
    precision.

    Networks on the target grid at all of ``factors``, others at their own; 2D networks in the first plane in
    which the volume is true; networks that can go without their references with and without; networks on the scan's
    grid told how it was made and told nothing.
    """
    for truth in truths:
        for count in (card.references, 0) if card.references_optional else (card.references,):
            if len(truth.companions) >= count:
                for plane, shape in _cases(card, truth, factors):
                    for told in (True, False) if card.restoring else (False,):
                        yield _trial(card, truth, protocol, plane, shape, count, told)


def _cases(card: Card, truth: Truth, factors: Sequence[Triple]) -> list[tuple[str | None, Triple]]:
    if card.dimensions == 3:
        return [(None, able) for f in factors if (able := truth.degradable(f))]
    plane = truth.planes[0]
    axis = truth.volume.grid.slice_axis(plane)
    own = card.factors.get("in_plane")
    pairs = [(own, own)] if own else [(f[0], f[1]) for f in factors]
    return [(plane, across(axis, *pair)) for pair in pairs]


def _trial(
    card: Card, truth: Truth, protocol: Protocol, plane: str | None, factors: Triple, references: int, told: bool
) -> Trial:
    axis = 2 if plane is None else truth.volume.grid.slice_axis(plane)
    kspace = kept_kspace(protocol, card.dimensions, axis)
    acquisition = Acquisition.gaussian(factors, protocol.sigma, protocol.radius, kspace)
    high = divisible(truth.volume, factors)
    low = Volume(acquisition.apply(high.array), acquisition.grid(high.grid))
    names = sorted(truth.companions)[:references]
    outcome = upscale_in_full(
        low,
        str(card.path),
        spacing=high.grid.spacing,
        plane=plane,
        references=[Volume(truth.companions[name], truth.volume.grid) for name in names],
        acquisition=acquisition if told else None,
        computing=Computing(precision=protocol.precision),
        progress=Quiet(),
    )
    spline = upscale(low, SPLINE, spacing=high.grid.spacing)
    return Trial(
        truth,
        plane,
        factors,
        references,
        protocol.precision,
        told,
        high,
        low,
        spline,
        outcome.result,
        outcome.expected_error,
    )
