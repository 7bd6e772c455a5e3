"""What the module's own test does: degrade a phantom, bring it back through the logic, measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.phantom import INTENSITIES, brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.models.card import Card
from MRISuperResolutionLib.physics.acquisition import Acquisition

from .sample_data import add_volume, phantom
from .volume_nodes import grid_of

PHANTOM_SIZE = (48, 60, 48)

OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
"""A rotation by about 16 degrees around the long axis of the body."""


@dataclass(frozen=True)
class Case:
    """A phantom at the resolution that ``card``'s network should give back, the degraded node ``source``, and for
    a network that takes one a ``reference`` of another contrast."""

    card: Card
    truth: Volume
    source: Any
    reference: Any
    factors: tuple[float, float, float]
    plane: str | None


def make_case(card: Card) -> Case:
    """Degrade a phantom of the card's contrast as the card says, on an oblique grid, into a node of the scene."""
    flat = phantom(PHANTOM_SIZE, card.contrasts[0])
    truth = Volume(flat.array, Grid(flat.grid.size, flat.grid.spacing, flat.grid.origin, OBLIQUE))
    factors = card.usual_factors
    acquisition = Acquisition.gaussian(factors, card.acquisition["sigma"], card.acquisition["radius"])
    low = Volume(acquisition.apply(truth.array), acquisition.grid(truth.grid))
    source = add_volume(low, f"Phantom {card.contrasts[0]}")
    reference = _reference(truth, card) if card.references else None
    return Case(card, truth, source, reference, factors, "axial" if card.dimensions == 2 else None)


def _reference(truth: Volume, card: Card) -> Any:
    contrast = next(name for name in INTENSITIES if name != card.contrasts[0])
    return add_volume(Volume(brain_phantom(truth.grid.size, contrast), truth.grid), f"Phantom {contrast}")


def psnr(node: Any, case: Case) -> float:
    """PSNR in dB of ``node`` over the range of the truth; its grid must be that of the truth."""
    if grid_of(node).size != case.truth.grid.size or grid_of(node).distance_to(case.truth.grid) > 1e-6:
        raise AssertionError(f"{node.GetName()} does not lie on the grid of the phantom")
    truth = case.truth.array
    error = slicer.util.arrayFromVolume(node).transpose().astype(np.float64) - truth
    return 10 * math.log10(float(np.ptp(truth)) ** 2 / float(np.mean(error**2)))


def bounds(node: Any) -> np.ndarray:
    """World bounds in RAS (mm), parent transforms included."""
    found = np.zeros(6)
    node.GetRASBounds(found)
    return found
