"""The settings of a training run, with the papers' own as presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import RequestError
from ..grid import Triple

FactorRange = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Protocol:
    """What to train, on which patches, and how.

    architecture       of the network, as ``networks.build`` takes it
    factors            ranges (lowest, highest) of the factor along three axes; one entry is drawn for each
                       block, then a factor from each of its ranges; the axes come in a random order.
                       2D networks use their own factor in the plane.
    sigma, radius      blur of the acquisition model, in HR voxels (see ``Acquisition``)
    sigma_spread       half of the blocks draw their sigma up to this far from ``sigma``: scanners differ
    noise              half of the blocks get Rician noise, of a standard deviation up to this share of the range
    smoothing          largest sigma, in HR voxels, of a blur of the truth itself, drawn anew for each axis of
                       half of the blocks: scans of one voxel size differ in sharpness
    patch              voxels along each side of a training patch, on the network's input grid
    batch              patches in a step
    patches_per_block  patches cut from one simulated block or slice
    loss               "mse", or "relative": each patch's mean squared error over that of its spline input, so
                       that smooth and noisy volumes, small and large factors count alike (3D networks)
    steps              optimiser steps in all
    learning_rate      of the weights at the start; ``bias_rate`` is the biases' share of it
    schedule           "step": times ``decay`` every ``decay_every`` of the run; "cosine": down to 0
    precision          of the convolutions while training
    """

    architecture: dict[str, Any]
    factors: tuple[FactorRange, ...] = ()
    sigma: float = 1.0
    radius: int | None = None
    sigma_spread: float = 0.0
    noise: float = 0.0
    smoothing: float = 0.0
    patch: int = 25
    batch: int = 64
    patches_per_block: int = 4
    loss: Literal["mse", "relative"] = "mse"
    steps: int = 10_000
    learning_rate: float = 1e-3
    bias_rate: float = 1.0
    schedule: Literal["step", "cosine"] = "step"
    decay: float = 0.1
    decay_every: float = 1.0
    gradient_clip: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    validate_every: int = 500


def parse_factors(text: str) -> FactorRange:
    """ "2,2,2" or "1,1,1.5-3": three comma-separated factors or ranges of factors.

    Raises RequestError for anything else.
    """
    try:
        ranges = [tuple(float(x) for x in part.split("-")) for part in text.split(",")]
        (a, b, c) = ((r[0], r[-1]) for r in ranges if len(r) <= 2 and 1 <= r[0] <= r[-1])
    except ValueError:
        raise RequestError(
            f"cannot read the factors {text!r}: write three factors or ranges, such as 2,2,2 or 1,1,1-3"
        ) from None
    return a, b, c


def lowest(ranges: FactorRange) -> Triple:
    """The lower ends of three ranges."""
    return ranges[0][0], ranges[1][0], ranges[2][0]


def draw_factors(choices: tuple[FactorRange, ...], rng: np.random.Generator) -> Triple:
    """Factors along three axes: one of ``choices``, uniform in each of its ranges, in a random order of axes."""
    ranges = choices[rng.integers(len(choices))]
    i, j, k = (float(rng.uniform(*ranges[axis])) for axis in rng.permutation(3))
    return i, j, k


PRESETS: dict[str, Protocol] = {
    # Pham et al. 2017, section 3.2: 20 epochs of 32,000 patches, ten times slower every 20 epochs
    "recnn": Protocol(
        architecture={"name": "ReCNN", "layers": 10},
        factors=(((2, 2), (2, 2), (2, 2)),),
        steps=10_000,
        bias_rate=0.1,
    ),
    # Du & He 2019, section 4.2: Adam 1e-4, times 0.9 every 20 of 65 epochs, LR patches of 12 x 12
    # (how many patches make an epoch it does not say: here 64,000, which is 1,000 steps)
    "dggrn": Protocol(
        architecture={"name": "DGGRN", "factor": 2},
        radius=1,
        patch=12,
        patches_per_block=16,
        steps=65_000,
        learning_rate=1e-4,
        decay=0.9,
        decay_every=20 / 65,
    ),
}


def preset(name: str, **overrides: Any) -> Protocol:
    """The preset ``name`` with each override that is not None put in its place; RequestError if unknown."""
    if name not in PRESETS:
        raise RequestError(f"unknown protocol {name!r}: choose one of {', '.join(PRESETS)}")
    return replace(PRESETS[name], **{key: value for key, value in overrides.items() if value is not None})
