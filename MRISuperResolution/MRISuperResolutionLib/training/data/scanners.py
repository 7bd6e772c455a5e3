"""Acquisitions drawn at random, as scanners make them: what a network for real scans has to meet in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...image.grid import Triple
from ...physics.acquisition import Acquisition, Encodings
from ...physics.artefacts import Artefacts
from ...physics.encoding import Encoding, Gaussian, KSpace, SliceProfile
from ..config.train_config import Shares


def draw_kind(shares: Shares, rng: np.random.Generator) -> str:
    """One of the kinds, as often as its share says."""
    return str(rng.choice([kind for kind, _ in shares], p=[share for _, share in shares]))


def draw_scan(kind: str, factors: Triple, noise: float, rng: np.random.Generator) -> Acquisition:
    """A scan of the ``kind`` ("3d" or "2d-multislice") with Rician noise of up to ``noise``."""
    across = max(range(3), key=lambda axis: factors[axis])
    encoded = _draw_kspace(rng)
    axes: list[Encoding] = list(encoded)
    if kind == "2d-multislice":
        axes[across] = SliceProfile(
            rng.uniform(0.7, 1.3), rng.uniform(-0.2, 0.5), rng.choice(["gaussian", "gaussian", "boxcar", "sinc"])
        )
    i, j, k = axes
    level = rng.uniform(0, noise) if rng.random() < 0.7 else 0.0
    return Acquisition(
        factors,
        (i, j, k),
        ellipse=kind == "3d" and rng.random() < 0.25,
        noise="rician",
        noise_level=level,
        noise_variation=rng.uniform(0, 0.4) if level and rng.random() < 0.3 else 0.0,
        artefacts=Artefacts(
            bias=rng.uniform(0, 0.3) if rng.random() < 0.3 else 0.0,
            ghosting=rng.uniform(0, 0.05) if rng.random() < 0.1 else 0.0,
            bits=8 if rng.random() < 0.1 else 0,
        ),
    )


def _draw_kspace(rng: np.random.Generator) -> Encodings:
    """One window for all axes, as scanners filter; a decay along one of them; ends that differ a little."""
    window = rng.choice(["none", "none", "none", "hamming", "tukey", "fermi"])
    decay, along = (rng.uniform(0, 0.8), int(rng.integers(3))) if rng.random() < 0.3 else (0.0, 0)
    partial = rng.uniform(0.6, 0.9) if rng.random() < 0.1 else 1.0
    ends = [1.0 if rng.random() < 0.8 else rng.uniform(0.85, 1.0) for _ in range(3)]
    i, j, k = (
        KSpace(end, window, decay if axis == along else 0.0, partial if axis == along else 1.0)
        for axis, end in enumerate(ends)
    )
    return i, j, k


def as_estimated(acquisition: Acquisition, spread: float, rng: np.random.Generator) -> Acquisition:
    """What an estimate of the acquisition may say of it: widths within a share of ``spread``, noise within a third,
    decay, partial Fourier and mild windows seen or not; nothing of artefacts."""

    def seen(encoding: Encoding) -> Encoding:
        error = 1 + rng.uniform(-spread, spread)
        if isinstance(encoding, Gaussian):
            return replace(encoding, sigma=encoding.sigma * error)
        if isinstance(encoding, SliceProfile):
            # of a profile only its width over the distance between slices can be seen
            return SliceProfile(encoding.width * error)
        missed = rng.random() < 0.5
        window = "none" if missed and encoding.window != "hamming" else encoding.window
        return KSpace(1.0 if missed else encoding.extent, window, 0.0 if missed else encoding.decay)

    i, j, k = (seen(encoding) for encoding in acquisition.axes)
    known = replace(
        acquisition,
        axes=(i, j, k),
        ellipse=acquisition.ellipse and rng.random() < 0.5,
        noise_variation=0.0,
        artefacts=Artefacts(),
    )
    return known.with_noise(min(1.0, acquisition.noise_level * rng.uniform(0.7, 1.4)))
