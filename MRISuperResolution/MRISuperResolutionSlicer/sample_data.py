"""A thick-slice phantom for the Sample Data module: made here when it is asked for, nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer

from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.volume import Volume

from .volume_nodes import SCALAR_VOLUME, ijk_to_ras

CATEGORY = "MRI Super-Resolution"
NAME = "ThickSlicePhantom T1w"
ICON = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "ThickSlicePhantom.png"

RIGHT_ANTERIOR_SUPERIOR = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def register() -> None:
    """Offer the phantom in the Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        thumbnailFileName=str(ICON),
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=make_sample,
    )


def make_sample(source: Any = None) -> list[Any]:
    """Add the phantom to the scene: 1.25 mm in the plane, slices of 3.6 mm, T1w; returns the new nodes."""
    # scipy is not needed at the start of every Slicer
    from MRISuperResolutionLib.physics.acquisition import Acquisition

    truth = phantom((128, 160, 128))
    acquisition = Acquisition.gaussian((1.0, 1.0, 128 / 44))
    low = Volume(np.rint(acquisition.apply(truth.array)).astype(np.int16), acquisition.grid(truth.grid))
    return [add_volume(low, NAME)]


def phantom(size: tuple[int, int, int], contrast: str = "T1w") -> Volume:
    """A brain-like volume of head size, its centre at the origin of the world."""
    from MRISuperResolutionLib.image.phantom import HEAD_MM, brain_phantom

    spacing = tuple(mm / n for mm, n in zip(HEAD_MM, size, strict=True))
    corner = Grid(size, spacing, direction=RIGHT_ANTERIOR_SUPERIOR)  # type: ignore[arg-type]
    origin = -corner.to_world((np.array(size) - 1) / 2)
    grid = Grid(size, corner.spacing, tuple(origin.tolist()), RIGHT_ANTERIOR_SUPERIOR)  # type: ignore[arg-type]
    return Volume(brain_phantom(size, contrast), grid)


def add_volume(volume: Volume, name: str) -> Any:
    """A new scalar volume node of the scene that holds ``volume``."""
    voxels = np.ascontiguousarray(volume.array.transpose())
    return slicer.util.addVolumeFromArray(voxels, ijk_to_ras(volume.grid), name, SCALAR_VOLUME)
