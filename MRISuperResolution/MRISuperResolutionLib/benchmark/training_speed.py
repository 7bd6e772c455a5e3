"""How fast a training step is: the shipped trainer on a phantom, as a share of the peak of convolutions."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..dataset.subjects import Truth, normalised
from ..image.grid import PLANES, Grid
from ..image.phantom import brain_phantom
from ..image.volume import Volume
from ..models.card import find_card, load_network
from ..runtime.device import choose_device, choose_precision
from ..training.curves import read_curves
from ..training.finetune import finetuning
from ..training.run import train
from .peak_flops import convolution_peak

PASSES = 3
"""Forward, and backward to the inputs and to the weights: each as many operations as the other."""

PAPERS_PATCHES = 20 * 32_000
"""Epochs and patches in each, of Pham et al. (section 3.2)."""

SIZE = (96, 112, 96)

LOG_EVERY = 4
"""Steps, of which the mean is taken: to write a line takes a while itself."""


@dataclass(frozen=True)
class Steps:
    """Of a model's own training: the median of the seconds of a step, batches made and weights changed included; the
    share of the peak; and hours that as many patches as Pham et al. draw would take."""

    model: str
    precision: str
    batch: int
    patch: int
    seconds: float
    patches_per_s: float
    share_of_peak: float
    hours_of_the_papers_patches: float


def training_steps(models: Sequence[str], precisions: Sequence[str], steps: int = 16) -> Iterator[Steps]:
    """Train each of the ``models`` on for ``steps`` steps in each of the ``precisions``, and keep nothing of it."""
    device = choose_device("auto")
    array = brain_phantom(SIZE, "T1w")
    truth = Truth("phantom", "T1w", "train", PLANES, "CC0", "made here", normalised(Volume(array, Grid(SIZE))))
    for model in models:
        card = find_card(model)
        for precision in precisions:
            kind = card.dimensions, device, choose_precision(precision, device)
            peak = convolution_peak(*kind)
            # for networks on the target grid the time is the same for all
            usual = card.usual_factors
            any_factor = "lowest" in card.factors and card.dimensions == 3
            factors = [",".join(f"{factor:g}" for factor in usual)] if any_factor else None
            protocol = finetuning(model, precision=precision, steps=steps, log_every=LOG_EVERY, factors=factors)
            with tempfile.TemporaryDirectory() as folder:
                train(protocol, [truth], Path(folder), [], progress=False)
                # the first steps pay for what is made once
                rates = read_curves(Path(folder))["steps/s"][1][1:]
            seconds = 1 / float(np.median(rates))
            space: Sequence[int] = [protocol.patch] * card.dimensions
            if card.restoring:
                space = card.cells.taken([int(n / factor) for n, factor in zip(space, usual, strict=True)])
            voxels = protocol.batch * math.prod(space)
            operations = PASSES * load_network(card).forward_operations() * voxels
            # again, since something else may have computed the first time
            peak = max(peak, convolution_peak(*kind))
            yield Steps(
                model,
                precision,
                protocol.batch,
                protocol.patch,
                seconds,
                protocol.batch / seconds,
                operations / seconds / peak,
                math.ceil(PAPERS_PATCHES / protocol.batch) * seconds / 3600,
            )
