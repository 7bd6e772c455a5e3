"""How the classifier of acquisitions learns (see ``physics.estimation``): simulated scans of heads, their spectra.

A head's own sharpness is not known, and would be taken for what the scanner did. So each scan's spectrum is tilted
at random, many times, before it is learned from: what is left to tell a blur from k-space that ends is the shape, and
the orientation of detail beyond the Nyquist frequency.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from ..image.intensity import Normalisation
from ..physics.acquisition import Acquisition
from ..physics.encoding import FWHM_PER_SIGMA, KSpace, SliceProfile, Window
from ..physics.estimation.block import head_block
from ..physics.estimation.classifier import FILE, KINDS
from ..physics.estimation.spectra import ACROSS, BANDS, OWN, REFERENCE, features
from .data.pairing import remapped

TILTS, TILT, BEND = 12, 0.3, 0.35
"""Times that each scan's spectrum is tilted; standard deviations, in powers of ten, of the slope over the logarithm
of the frequency's square and of the bend over that square."""

HIDDEN, DROPPED, STEPS, BATCH = 32, 0.3, 4000, 256


def learn(heads: Sequence[np.ndarray], folder: Path, count: int = 1500, seed: int = 0) -> Path:
    """Write the classifier that learns from ``count`` scans of ``heads`` ([i, j, k], true in 3D, any units)."""
    from safetensors.torch import save_file

    rng = np.random.default_rng(seed)
    found = [simulated(heads[int(rng.integers(len(heads)))], rng) for _ in range(count)]
    seen, kinds, widths = (np.array(parts) for parts in zip(*found, strict=True))
    varied = np.concatenate([*(tilted(seen, rng) for _ in range(TILTS)), seen]).reshape(-1, seen.shape[-1])
    mean, deviation = varied.mean(axis=0), varied.std(axis=0) + 1e-3
    inputs = torch.from_numpy(np.clip((varied - mean) / deviation, -4, 4).astype(np.float32))
    goals = [torch.from_numpy(np.tile(part.ravel(), TILTS + 1)) for part in (kinds, widths.astype(np.float32))]
    network = _fitted(inputs, goals[0], goals[1], seed)
    shares = np.log((np.bincount(kinds.ravel(), minlength=len(KINDS)) + 1) / kinds.size)
    tensors = {"mean": mean, "deviation": deviation, "log_shares": shares}
    kept = {name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(linear):
        kept |= {f"{number}.weight": layer.weight.detach(), f"{number}.bias": layer.bias.detach()}
    save_file(kept, folder / FILE, metadata={"learned": json.dumps({"scans": count, "seed": seed})})
    return folder / FILE


def simulated(head: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[int], list[float]]:
    """A random scan of ``head``: the features of its axes, the kind of each, and the widths of blurs."""
    size = [min(n, int(rng.integers(84, 150))) for n in head.shape]
    starts = [int(rng.integers(n - m + 1)) for n, m in zip(head.shape, size, strict=True)]
    piece = head[tuple(slice(s, s + m) for s, m in zip(starts, size, strict=True))].transpose(rng.permutation(3))
    piece = _varied(piece / np.percentile(piece, 99.5), rng)
    thick = rng.random() > 0.55
    factor = float(rng.uniform(2, 6)) if thick else float(rng.choice([1.5, 2, 2, 2, 2.5, 3]))
    acquisition, kinds, widths = _acquisition(factor, thick, rng)
    if rng.random() > 0.35:
        acquisition = acquisition.with_noise(rng.uniform(0.003, 0.045))
    low = np.abs(acquisition.apply(piece, rng))
    spacing = (1.0, 1.0, factor if thick else 1.0)
    return features(head_block(Normalisation.of(low).apply(low)), spacing), kinds, widths


def _varied(piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Heads of other sharpness, contrast and noise."""
    if rng.random() < 0.6:
        piece = ndimage.gaussian_filter(piece, rng.uniform(0, 0.9) * rng.uniform(0.8, 1.2, 3))
    if rng.random() < 0.25:
        piece = remapped(piece, rng)
    if rng.random() < 0.3:
        piece = np.abs(piece + rng.normal(0, rng.uniform(0, 0.02), piece.shape) * (piece > 0.02))
    return piece


def _acquisition(factor: float, thick: bool, rng: np.random.Generator) -> tuple[Acquisition, list[int], list[float]]:
    factors = (1.0, 1.0, factor) if thick else (factor,) * 3
    if rng.random() < (0.75 if thick else 0.5):
        blurred = KINDS.index("blur")
        if thick and rng.random() < 0.75:
            shape = rng.choice(["gaussian", "gaussian", "boxcar", "sinc"])
            profile = SliceProfile(rng.uniform(0.7, 1.3), rng.uniform(-0.2, 0.5), shape)
            return Acquisition(factors, (KSpace(), KSpace(), profile)), [0, 0, blurred], [0.0, 0.0, profile.width]
        sigma = rng.uniform(0.6, 1.4) if thick or rng.random() < 0.8 else factor / FWHM_PER_SIGMA
        width = sigma * FWHM_PER_SIGMA / factor
        made = Acquisition.gaussian(factors, sigma)
        return (made, [0, 0, blurred], [0.0, 0.0, width]) if thick else (made, [blurred] * 3, [width] * 3)
    windows: list[Window] = ["hamming", "tukey", "fermi"]
    window: Window = "none" if thick or rng.random() < 0.5 else windows[int(rng.integers(3))]
    kind = KINDS.index(window) if window in KINDS else 0
    return Acquisition(factors, (KSpace(window=window),) * 3), [kind] * 3, [0.0] * 3


def tilted(seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features (scans, axes, features) as heads of another sharpness would give them, the same along all axes."""
    slope, bend = rng.normal(0, TILT, (len(seen), 1, 1)), rng.normal(0, BEND, (len(seen), 1, 1))

    def change(square: np.ndarray) -> np.ndarray:
        return np.asarray(slope * np.log10(square) + bend * square)

    bands = ((np.arange(BANDS) + 0.5) / BANDS) ** 2
    joint = np.array([(sum(own) / 2) ** 2 + (sum(across) / 2) ** 2 for own in OWN for across in ACROSS])
    level = change(bands[REFERENCE]).mean(axis=-1, keepdims=True)
    made = seen.copy()
    made[..., :BANDS] += change(bands) - level
    floor = made[..., 2 * BANDS + 1, None]
    raw = slice(2 * BANDS + 2, 2 * BANDS + 2 + BANDS // 2)
    # where noise rules, the spectrum keeps its floor
    made[..., raw] = np.log10(np.maximum(10 ** made[..., BANDS // 2 : BANDS], 1e-6) + 10**floor)
    made[..., raw.stop : raw.stop + len(joint)] += change(joint) - level
    return made


def _fitted(inputs: Tensor, kinds: Tensor, widths: Tensor, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROPPED),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROPPED),
        nn.Linear(HIDDEN, len(KINDS) + 2),
    )
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        some = torch.randint(len(inputs), (BATCH,))
        noisy = inputs[some] + 0.1 * torch.randn(BATCH, inputs.shape[1])
        loss = _loss(network(noisy), kinds[some], widths[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _loss(found: Tensor, kinds: Tensor, widths: Tensor) -> Tensor:
    """Of the kind, and of the width where there is a blur (Gaussian likelihood)."""
    loss = functional.cross_entropy(found[:, : len(KINDS)], kinds)
    blurred = kinds == KINDS.index("blur")
    if blurred.any():
        log_variance = found[blurred, -1].clamp(-8, 2)
        error = (found[blurred, -2] - widths[blurred]) ** 2
        loss = loss + 0.15 * (error * torch.exp(-log_variance) + log_variance).mean()
    return loss
