"""What weights reach under each acquisition that scanners make: the figures of their cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..dataset.subjects import Truth
from ..errors import RequestError
from ..image.grid import Triple
from ..image.volume import Volume, divisible
from ..models.card import SPLINE, Card
from ..physics.presets import PRESETS, acquisition_named
from ..pipeline.upscale import upscale
from ..runtime.device import Computing
from ..runtime.progress import Quiet
from .metrics import voxel_errors

NOISES = (0.0, 0.02)

FACTORS_3D: tuple[Triple, ...] = ((2, 2, 2), (3, 3, 3), (1, 1, 3), (1, 1, 4))

TISSUE = 0.1
"""Share of the truth's bright end above which a voxel counts."""

SINC = "sinc"


@dataclass(frozen=True)
class Setting:
    """One scan of a truth: factors along i, j, k, the acquisition's name and its noise; of slices, their plane."""

    factors: Triple
    acquisition: str
    noise: float
    plane: str | None = None


def settings_of(card: Card, truth: Truth) -> Iterator[Setting]:
    """The scans of ``truth`` that the network of ``card`` was made for."""
    if card.dimensions == 3:
        shapes: list[tuple[Triple, str | None]] = [(f, None) for f in FACTORS_3D if truth.in_3d and card.takes(f)]
    else:
        plane = truth.planes[-1]
        axis = truth.volume.grid.slice_axis(plane)
        own = card.factors.get("in_plane", 2.0)
        i, j, k = (1.0 if a == axis else own for a in range(3))
        shapes = [((i, j, k), plane)]
    for factors, slices in shapes:
        thick = sorted(factors)[1] == 1
        for name in PRESETS:
            # a slice profile lies across slices, not in a plane or a volume
            if (name == "2d-multislice") <= thick:
                yield from (Setting(factors, name, noise, slices) for noise in NOISES)


def score(card: Card, truth: Truth, setting: Setting, crop: int, computing: Computing) -> dict[str, Any]:
    """PSNR in tissue, in dB, of spline, sinc and the network by default, on the truth's middle ``crop`` voxels."""
    high = divisible(_middle(truth.volume, crop), setting.factors)
    grid = high.grid.coarsened(setting.factors)
    acquisition = acquisition_named(setting.acquisition, setting.factors, grid)
    if setting.noise:
        acquisition = acquisition.with_noise(setting.noise)
    # magnitude images, as scanners give them
    low = Volume(np.abs(acquisition.apply(high.array, np.random.default_rng(0))), grid)
    bright = float(np.percentile(high.array, 99))
    mask = Volume((high.array > TISSUE * bright).astype(np.uint8), high.grid)
    found: dict[str, float] = {}
    for model in (SPLINE, SINC, str(card.path)):
        plane = setting.plane if model.endswith(".safetensors") else None
        how = computing if model.endswith(".safetensors") else Computing(max_memory=computing.max_memory)
        asked: dict[str, Any] = {"spacing": high.grid.spacing, "plane": plane, "contrast": truth.contrast}
        result = upscale(low, model, **asked, computing=how, progress=Quiet())
        found[model] = float(voxel_errors(result, high, mask)["psnr_db"])
    return {
        "subject": truth.subject,
        "contrast": truth.contrast,
        "factors": [float(f) for f in setting.factors],
        "acquisition": setting.acquisition,
        "noise": setting.noise,
        "spline_psnr_db": round(found[SPLINE], 3),
        "sinc_psnr_db": round(found[SINC], 3),
        "psnr_db": round(found[str(card.path)], 3),
    }


def scores(card: Card, truths: Sequence[Truth], crop: int, computing: Computing) -> Iterator[dict[str, Any]]:
    """Of every truth of a contrast that the card knows, under every setting; RequestError where there is none."""
    fit = [truth for truth in truths if truth.contrast in card.contrasts]
    pairs = [(truth, setting) for truth in fit for setting in settings_of(card, truth)]
    if not pairs:
        raise RequestError(f"none of the volumes is what {card.name} was made for: give others")
    for truth, setting in pairs:
        yield score(card, truth, setting, crop, computing)


def _middle(volume: Volume, crop: int) -> Volume:
    """The middle ``crop`` voxels along each axis, where they lie in the world."""
    starts = [max(0, (n - crop) // 2) for n in volume.grid.size]
    first, second, third = (min(n, crop) for n in volume.grid.size)
    size = (first, second, third)
    array = volume.array[tuple(slice(start, start + n) for start, n in zip(starts, size, strict=True))]
    i, j, k = (float(x) for x in volume.grid.to_world(np.array(starts)))
    grid = replace(volume.grid, size=size, origin=(i, j, k))
    return Volume(np.ascontiguousarray(array), grid, name=volume.name)
