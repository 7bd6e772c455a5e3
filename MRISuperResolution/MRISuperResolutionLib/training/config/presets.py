"""The papers' own settings by name; needs neither numpy nor torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import RequestError
from .train_config import Protocol, adapted

RECNN = Protocol(
    # Pham et al., section 3.2: 20 epochs of 32,000 patches; section 3.3: ten times slower every 20 epochs;
    # section 3.7: no augmentation
    architecture={"name": "ReCNN", "layers": 10},
    factors=("2,2,2",),  # type: ignore[arg-type]
    steps=10_000,
    bias_rate=0.1,
)

RECNN2D = replace(
    # Du & He, section 4.3: the baseline of Pham et al. as a 2D network, on their own training slices
    RECNN,
    architecture={"name": "ReCNN", "layers": 10, "dimensions": 2},
    factors=("2,2,1",),  # type: ignore[arg-type]
    radius=1,
    flips_and_rotations=True,
    elastic_share=0.5,
    patches_per_block=16,
)

DGGRN = Protocol(
    # Du & He, section 4.2: 3 x 3 blur, Adam 1e-4, times 0.9 every 20 of 65 epochs, LR patches of 12 x 12.
    # They do not say how many patches make an epoch (here 64,000, which is 1,000 steps), nor how many slices
    # are bent and how far: here half of them, as in their source (U-Net) on slices half as wide
    architecture={"name": "DGGRN", "factor": 2},
    radius=1,
    flips_and_rotations=True,
    elastic_share=0.5,
    patch=12,
    patches_per_block=16,
    initialisation="xavier",
    steps=65_000,
    learning_rate=1e-4,
    decay=0.9,
    decay_every=20 / 65,
)

GAN_CPCE = Protocol(
    # Lyu et al., section II: T2w slices, the central quarter of the spectrum, patches of 64 x 64, 1e-4 for 50 of 100
    # epochs, then linearly to 2e-6. They do not give the batch (here 64, so that their 8,000 slices of 256 x 256
    # make epochs of 2,000 steps) nor the optimiser (here the usual one), nor the weights of the parts of their losses
    architecture={"name": "CPCE"},
    factors=("1,1,1",),  # type: ignore[arg-type]
    kspace=0.5,
    patch=64,
    patches_per_block=16,
    loss="cpce",
    optimiser="adam-0.5",
    steps=200_000,
    learning_rate=1e-4,
    schedule="linear",
    decay=0.02,
)

FINETUNE = "finetune"
"""The name of the protocol that goes on from weights (see ``finetuning``): their card says what it is."""

PRESETS: dict[str, Protocol] = {
    "recnn": RECNN,
    # Pham et al., section 4 and Table 1: 20 layers, factors (2,2,2) and (3,3,3) mixed; here the factors between
    # them too, other ones along each axis, which they ask of the network and do not show it
    "multiscale": replace(
        RECNN,
        architecture={"name": "ReCNN", "layers": 20},
        factors=("2,2,2", "3,3,3", "2-3,2-3,2-3"),  # type: ignore[arg-type]
    ),
    # Pham et al., section 5: the baseline with the reference as a further channel
    "multimodal": replace(RECNN, architecture={"name": "ReCNN", "layers": 10, "references": 1}),
    "recnn2d": RECNN2D,
    "dggrn": DGGRN,
    # Du & He, section 5.1: all but the guidance is the same
    "resnet": replace(DGGRN, architecture={"name": "ResNet", "factor": 2}),
    # Pham et al. 2017 (ISBI), by the defaults of their program: patches and batch, N(0, 0.001), Adam 1e-4 (its
    # example; the loss of SGD, its other choice, is summed), the iterations of the weights that came with it
    "srcnn3d": replace(
        RECNN,
        architecture={"name": "SRCNN3D"},
        patch=33,
        batch=256,
        initialisation="normal-0.001",
        learning_rate=1e-4,
        decay=1.0,
        steps=470_000,
    ),
    # Zeng et al. 2018 as Du & He compare with it (section 5.1), on their slices; its own training is not public
    "scsr": replace(DGGRN, architecture={"name": "SCSR", "factor": 2}, initialisation="he"),
    # Oktay et al. 2016, on the same slices; their smooth L1 loss is not among ours
    "deconvolution": replace(DGGRN, architecture={"name": "DeCNN", "factor": 2}, initialisation="he", loss="l1"),
    # the multi-contrast form of SCSR, on the target grid
    "scsr-multi": replace(
        RECNN2D, architecture={"name": "MCSR", "references": 1}, learning_rate=1e-4, bias_rate=1.0, decay=1.0
    ),
    # our own, for scans as they come: all factors, blurs from half a voxel of the truth to the scan's own, noise
    "null-space": Protocol(
        architecture={"name": "NullSpaceNet"},
        factors=("2,2,2", "1-4,1-4,1-4", "1,1,2-6", "1,1.5-4,1.5-4"),  # type: ignore[arg-type]
        patch=48,
        batch=6,
        loss="relative",
        sigma_spread=0.5,
        thickness_share=0.3,
        told_spread=0.15,
        untold_share=0.5,
        truncated_share=0.3,
        noise=0.03,
        smoothing=0.8,
        brightness=0.5,
        steps=20_000,
        schedule="cosine",
        gradient_clip=1.0,
        ema=0.99,
        precision="bfloat16",
    ),
    # the same, for scans as scanners make them, with up to two references
    "scanners": Protocol(
        architecture={"name": "NullSpaceNet", "response": True, "references": 2},
        factors=("2,2,2", "2,2,2", "1-4,1-4,1-4", "1,1,2-6", "1,1,2-6", "1,1.5-4,1.5-4"),  # type: ignore[arg-type]
        patch=48,
        batch=4,
        loss="relative",
        acquisitions="3d:0.45 2d-multislice:0.3 gaussian:0.25",  # type: ignore[arg-type]
        sigma_spread=0.5,
        told_spread=0.15,
        noise=0.04,
        smoothing=0.5,
        brightness=0.5,
        made_references=0.7,
        drop_reference=0.6,
        steps=20_000,
        schedule="cosine",
        gradient_clip=1.0,
        ema=0.99,
    ),
    "gan-cpce": GAN_CPCE,
    "gan-circle": replace(GAN_CPCE, architecture={"name": "CIRCLE"}, loss="circle"),
}


def preset(name: str, **overrides: Any) -> Protocol:
    """The preset ``name`` with each override in its place (see ``adapted``); RequestError for an unknown name."""
    if not isinstance(name, str) or name not in PRESETS:
        raise RequestError(f"unknown protocol {name!r}: choose one of {', '.join([*PRESETS, FINETUNE])}")
    return adapted(PRESETS[name], **overrides)
