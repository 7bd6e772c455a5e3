"""The small network that tells from an axis' spectrum how it was encoded; numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import RequestError

KINDS = ("ends", "hamming", "blur", "tukey", "fermi")
"""k-space ends; it does under one of three windows; a blur before sampling (slice profile, Gaussian)."""

FILE = "acquisition.safetensors"


@dataclass(frozen=True)
class Classifier:
    """Two hidden layers with ReLU, from standardised features to log-likelihoods of ``KINDS`` up to a constant, and
    the mean and log variance of the blur's width (full width at half maximum, in voxels of the scan)."""

    mean: np.ndarray
    deviation: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    log_shares: np.ndarray

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(axes, features) -> (axes, kinds) log-likelihoods; (axes,) widths; (axes,) their standard deviations."""
        x = np.clip((features - self.mean) / self.deviation, -4, 4)
        for number, (weight, bias) in enumerate(self.layers):
            x = x @ weight.T + bias
            if number < len(self.layers) - 1:
                x = np.maximum(x, 0)
        logits, width, log_variance = x[:, : len(KINDS)], x[:, -2], x[:, -1]
        logits = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return logits - self.log_shares, width, np.exp(np.clip(log_variance, -8, 2) / 2)


@lru_cache(maxsize=2)
def load_classifier(folder: Path) -> Classifier:
    """The classifier in ``folder``; RequestError where it is missing."""
    from safetensors.numpy import load_file

    path = folder / FILE
    if not path.is_file():
        raise RequestError(f"{path} is missing: install the weights again, or state the acquisition (--acquisition)")
    found = {name: tensor.astype(np.float64) for name, tensor in load_file(path).items()}
    count = sum(name.endswith(".weight") for name in found)
    layers = tuple((found[f"{n}.weight"], found[f"{n}.bias"]) for n in range(count))
    return Classifier(found["mean"], found["deviation"], layers, found["log_shares"])
