"""The settings of a training run; needs neither numpy nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import RequestError
from .fields import read_fields, setting

if TYPE_CHECKING:
    import numpy as np

ADVERSARIAL = ("cpce", "circle")
"""The losses for which a critic learns beside the network (see training/adversarial.py)."""

FactorRange = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


def read_factors(given: Any) -> tuple[FactorRange, ...]:
    """Choices of factors, each as ``parse_factors`` takes it; a text may hold several, spaces between them."""
    choices = given.split() if isinstance(given, str) else given
    if not isinstance(choices, list | tuple):
        raise RequestError(f"cannot read the factors {given!r}: write a list of texts such as 2,2,2 or 1,1,1-3")
    return tuple(parse_factors(choice) for choice in choices)


KINDS = ("gaussian", "3d", "2d-multislice")
"""The papers' blur; k-space that ends along every axis; a slice profile along the axis with the largest factor."""

Shares = tuple[tuple[str, float], ...]


def read_shares(given: Any) -> Shares:
    """ "3d:0.5 2d-multislice:0.3 gaussian:0.2", or such a mapping, as shares that sum to one.

    Raises RequestError for a kind that is not one of ``KINDS`` and for shares that make no sense.
    """
    try:
        pairs = given.items() if isinstance(given, Mapping) else _pairs(given)
        shares = [(str(kind), float(share)) for kind, share in pairs]
    except (TypeError, ValueError):
        shares = []
    total = sum(share for _, share in shares)
    if not shares or not total > 0 or any(kind not in KINDS or share < 0 for kind, share in shares):
        raise RequestError(
            f"cannot read the acquisitions {given!r}: write shares of {', '.join(KINDS)}, such as 3d:0.5 gaussian:0.5"
        )
    return tuple((kind, share / total) for kind, share in shares)


def shares_text(shares: Shares) -> str:
    """The text that ``read_shares`` reads as ``shares``."""
    return " ".join(f"{kind}:{share:.6g}" for kind, share in shares)


def _pairs(given: Any) -> list[tuple[str, str]]:
    if not isinstance(given, str):
        return [(kind, share) for kind, share in given]
    return [(kind, share) for kind, _, share in (part.partition(":") for part in given.split())]


def read_architecture(given: Any) -> dict[str, Any]:
    """The name and the sizes of a network, from a mapping."""
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise RequestError(f"cannot read the architecture {given!r}: give sizes by their names, such as layers: 20")
    return dict(given)


def resized(architecture: Any, sizes: Any) -> dict[str, Any]:
    """``architecture`` with ``sizes`` in place of its own; ``sizes`` alone where they are of another network."""
    own, other = read_architecture(architecture), read_architecture(sizes)
    return own | other if other.get("name", own.get("name")) == own.get("name") else other


@dataclass(frozen=True)
class Protocol:
    """What to train, on which patches, and how. What each setting is stands with it, once for all.

    Lengths are in voxels of the truth unless a setting says otherwise. Values may be text or plain data;
    RequestError for one that makes no sense.
    """

    architecture: dict[str, Any] = setting(
        explanation="sizes of the network, as layers=20 filters=64; gradient_input=true shows it the gradient of the "
        "image as well (Du & He, Eq. 5)",
        read=read_architecture,
    )
    factors: tuple[FactorRange, ...] = setting(
        (),
        explanation="mixed in training, as 2,2,2 or 1,1,1.5-3: one is drawn for each block, a range uniformly, the "
        "axes in a random order; the third is 1 for 2D networks; sub-pixel networks have their own",
        read=read_factors,
        write=lambda choices: [factors_text(choice) for choice in choices],
    )
    sigma: float = setting(1.0, explanation="of the blur in the acquisition model, in HR voxels", above=0)
    radius: int | None = setting(None, explanation="HR voxels that the blur kernel reaches; none: 4 sigma", least=0)
    kspace: float = setting(
        1.0,
        explanation="share of k-space that is kept along each axis that the network works on, the matrix size stays; "
        "0.5 in 2D: the central quarter of the spectrum, with the factors 1,1,1",
        above=0,
        most=1,
    )
    sigma_spread: float = setting(
        0.0, explanation="how far the blur's sigma of half of the blocks may differ: scanners do", least=0
    )
    thickness_share: float = setting(
        0.0,
        explanation="share of blocks whose blur is as wide at half its height as the scan's voxel, whatever sigma is",
        least=0,
        most=1,
    )
    told_spread: float = setting(
        0.0,
        explanation="how far the sigma that a network is told may lie from the true one, as a share of it (networks "
        "on the scan's grid)",
        least=0,
        most=0.9,
    )
    untold_share: float = setting(
        0.0,
        explanation="share of blocks of which a network is told neither blur nor noise (networks on the scan's grid)",
        least=0,
        most=1,
    )
    truncated_share: float = setting(
        0.0,
        explanation="share of those blocks that were hardly blurred: their k-space ends at the scan's own voxels",
        least=0,
        most=1,
    )
    acquisitions: Shares = setting(
        (("gaussian", 1.0),),
        explanation="how often scans are simulated as scanners make them, as 3d:0.5 2d-multislice:0.3 gaussian:0.2 "
        "(networks on the scan's grid); gaussian: the papers' blur, with sigma and the settings beside it",
        read=read_shares,
        write=shares_text,
    )
    made_references: float = setting(
        0.0,
        explanation="share of references that are made of the volume's own intensities, remapped (networks on the "
        "scan's grid); all references of such trainings are displaced as badly as users align theirs",
        least=0,
        most=1,
    )
    noise: float = setting(
        0.0, explanation="most Rician noise of half of the blocks, as a share of the range", least=0, most=1
    )
    smoothing: float = setting(
        0.0,
        explanation="largest sigma of a blur of the truth itself, drawn for each axis of half of the blocks: scans "
        "of one voxel size differ in sharpness",
        least=0,
    )
    brightness: float | None = setting(
        None,
        explanation="each block's bright end (99.5 percentile) is scaled to lie anywhere from here to 1: a head with "
        "bright fat leaves the brain a third of the range, an extracted brain has all of it; none: as normalised",
        above=0,
        most=1,
    )
    flips_and_rotations: bool = setting(
        False, explanation="turn each block at random: 8 ways in 2D, 48 in 3D (see training/augmentation.py)"
    )
    elastic_share: float = setting(0.0, explanation="share of slices that are bent (2D)", least=0, most=1)
    elastic_amplitude: float = setting(
        5.0, explanation="standard deviation of the bent slices' displacement, in HR voxels", least=0
    )
    elastic_width: float = setting(
        85.0, explanation="distance between displacements that are drawn on their own, in HR voxels", least=8
    )
    drop_reference: float = setting(
        0.0,
        explanation="share of patches that go without each of the references, so that one network serves with and "
        "without",
        least=0,
        most=1,
    )
    patch: int = setting(
        25,
        explanation="voxels along the side of a patch, on the network's input grid; of the truth for networks on the "
        "scan's grid",
        least=3,
    )
    batch: int = setting(64, explanation="patches in a step", least=1)
    patches_per_block: int = setting(4, explanation="patches cut from one simulated block or slice", least=1)
    initialisation: Literal["he", "xavier", "normal-0.01", "normal-0.001"] = setting(
        "he", explanation="random weights to begin with (Pham et al., section 3.4); biases are zero"
    )
    loss: Literal["mse", "l1", "gradient", "relative", "doubt", "cpce", "circle"] = setting(
        "mse",
        explanation="gradient: mean squared error plus that of Sobel's gradient (Du & He, Eq. 4); relative: over "
        "that of the spline, so that all volumes and factors count alike (networks on the target's or scan's grid); "
        "doubt: of the errors that a network on the scan's grid expects of itself, and nothing else of it learns; "
        "cpce, circle: adversarial, 2D (see training/cpce.py, training/circle.py)",
    )
    gradient_weight: float = setting(1.0, explanation="of the second part of the gradient loss", least=0)
    critic_steps: int = setting(4, explanation="of the critic for each of the network (adversarial losses)", least=1)
    critic_filters: int = setting(
        64, explanation="of the critic's first layer; the others have more in proportion", least=1
    )
    penalty_weight: float = setting(10.0, explanation="of the gradient penalty in the critic's loss", least=0)
    vgg: Path | None = setting(
        None, explanation="safetensors file of VGG-19 for the perceptual loss of cpce (see training/perceptual.py)"
    )
    perceptual_weight: float = setting(0.1, explanation="of the perceptual loss in cpce", least=0)
    cycle_weight: float = setting(1.0, explanation="of the cycle consistency in circle", least=0)
    identity_weight: float = setting(0.5, explanation="of the identity loss in circle", least=0)
    sparsity_weight: float = setting(1e-3, explanation="of the joint sparsifying transform loss in circle", least=0)
    sparsity_balance: float = setting(
        0.5,
        explanation="share of the result's total variation, over that of its error, in that loss",
        least=0,
        most=1,
    )
    optimiser: Literal["adam", "adam-0.5", "sgd", "nesterov", "rmsprop"] = setting(
        "adam", explanation="another than the protocol's brings its own learning rate and clipping, unless given"
    )
    steps: int = setting(
        10_000,
        explanation="optimiser steps in all, one for each batch; of the critic for adversarial losses",
        least=1,
    )
    learning_rate: float = setting(1e-3, explanation="of the weights at the start", above=0)
    bias_rate: float = setting(1.0, explanation="the biases' learning rate, as a share of the weights'", least=0)
    schedule: Literal["step", "cosine", "linear"] = setting(
        "step",
        explanation="of the learning rate; step: times DECAY every DECAY_EVERY; cosine: down to 0; linear: constant "
        "for the first half of the run, then in a straight line to DECAY",
    )
    decay: float = setting(
        0.1, explanation="of the learning rate at each step of the schedule; linear: in all", above=0, most=1
    )
    decay_every: float = setting(1.0, explanation="of the schedule's steps, as a share of the run", above=0)
    gradient_clip: float | None = setting(
        None, explanation="largest norm of the gradient (Pham et al., Eq. 9)", above=0
    )
    precision: Literal["float32", "bfloat16", "float16"] = setting(
        "float32", explanation="of the convolutions while training; float16 (its losses are scaled) on CUDA GPUs only"
    )
    ema: float = setting(
        0.0, explanation="decay of the moving average of the weights that is examined and exported", least=0, most=1
    )
    seed: int = setting(0, explanation="of the weights and of the patches", least=0)
    validate_every: int = setting(500, explanation="steps between two looks at the validation volumes", least=1)
    patience: int | None = setting(
        None,
        explanation="looks without a better mean gain after which training ends; none: at the last step",
        least=1,
    )
    keep: Literal["last", "best"] = setting(
        "last", explanation="which weights are exported: of the last step, or of the best mean gain"
    )
    save_every: int = setting(500, explanation="steps between two checkpoints: the most that a kill costs", least=1)
    log_every: int = setting(10, explanation="steps between two lines of the log", least=1)
    workers: int = setting(
        0, explanation="processes that make patches beside each that trains: worth it where a GPU trains", least=0
    )
    devices: int = setting(1, explanation="GPUs, else processes, of each machine that share every batch", least=1)
    nodes: int = setting(1, explanation="machines that share every batch", least=1)

    def __post_init__(self) -> None:
        read_fields(self)


def parse_factors(given: Any) -> FactorRange:
    """ "2,2,2" or "1,1,1.5-3", three comma-separated factors or ranges of factors; or three pairs of numbers.

    Raises RequestError for anything else.
    """
    try:
        ranges = [part.split("-") for part in given.split(",")] if isinstance(given, str) else given
        numbers = [[float(x) for x in ends] for ends in ranges]
        (a, b, c) = ((r[0], r[-1]) for r in numbers if len(r) <= 2 and 1 <= r[0] <= r[-1])
    except (TypeError, ValueError):
        raise RequestError(
            f"cannot read the factors {given!r}: write three factors or ranges, such as 2,2,2 or 1,1,1-3"
        ) from None
    return a, b, c


def factors_text(ranges: FactorRange) -> str:
    """The text that ``parse_factors`` reads as ``ranges``."""
    return ",".join(f"{low:.12g}" if low == high else f"{low:.12g}-{high:.12g}" for low, high in ranges)


def highest(ranges: FactorRange) -> tuple[float, float, float]:
    """The upper ends of three ranges."""
    return ranges[0][1], ranges[1][1], ranges[2][1]


def draw_factors(
    choices: tuple[FactorRange, ...], rng: np.random.Generator, dimensions: int = 3
) -> tuple[float, float, float]:
    """Factors along three axes: one of ``choices``, uniform in each of its ranges, in a random order of axes.

    In 2D the third axis, across the slices, stays the third.
    """
    ranges = choices[rng.integers(len(choices))]
    order = [*rng.permutation(dimensions), *range(dimensions, 3)]
    i, j, k = (float(rng.uniform(*ranges[axis])) for axis in order)
    return i, j, k


OPTIMISER_SETTINGS: dict[str, dict[str, Any]] = {
    # Pham et al., Fig. 2; the threshold they do not give: this is the one of the networks that they follow (VDSR)
    "sgd": {"learning_rate": 0.1, "gradient_clip": 0.4},
    "nesterov": {"learning_rate": 1e-4},
    "rmsprop": {"learning_rate": 1e-3},
}


def adapted(base: Protocol, **overrides: Any) -> Protocol:
    """``base`` with each override that is not None put in its place ("none" stands for no value).

    Sizes of the architecture are put in place one by one, unless they are of another network. Another
    optimiser brings its own settings, where these are not given. Raises RequestError for an unknown setting or
    a value that makes no sense.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    unknown = given.keys() - {entry.name for entry in fields(Protocol)}
    if unknown:
        raise RequestError(f"there is no setting {', '.join(sorted(unknown))}: leave it out or write it otherwise")
    if "architecture" in given:
        given["architecture"] = resized(base.architecture, given["architecture"])
    if given.get("optimiser", base.optimiser) != base.optimiser:
        given = OPTIMISER_SETTINGS.get(given["optimiser"], {}) | given
    return replace(base, **given)
