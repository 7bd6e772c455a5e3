"""What a scan suffers besides its resolution and noise; in simulation alone, nothing here is undone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import RequestError


@dataclass(frozen=True)
class Artefacts:
    """Of a simulated scan; 0: none.

    bias      how far receive coils brighten or darken from place to place, as a share of the intensity
    ghosting  strength of the ghosts that mild periodic motion makes along one axis, as a share of the intensity
    bits      depth that the scan is rounded to (8, 12), over its range
    """

    bias: float = 0.0
    ghosting: float = 0.0
    bits: int = 0

    def __post_init__(self) -> None:
        if not all(math.isfinite(x) and 0 <= x < 1 for x in (self.bias, self.ghosting)):
            raise RequestError("a bias field and ghosts are shares of the intensity: give numbers from 0 to below 1")
        if self.bits and not 2 <= self.bits <= 16:
            raise RequestError(f"intensities are rounded to 2 to 16 bits, not {self.bits}")

    @property
    def random(self) -> bool:
        return bool(self.bias or self.ghosting)

    def before(self, high: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """The object as the coils see it: ``high`` times the bias field."""
        if not self.bias:
            return high
        assert rng is not None
        return high * smooth_map(high.shape, self.bias, rng).astype(high.dtype)

    def after(self, low: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The scan with copies of itself beside it, as motion with a period of a few lines of k-space leaves them."""
        if not self.ghosting:
            return low
        axis, period = int(rng.integers(low.ndim)), int(rng.integers(2, 6))
        shift = low.shape[axis] // period
        return low + low.dtype.type(self.ghosting / 2) * (np.roll(low, shift, axis) + np.roll(low, -shift, axis))

    def rounded(self, low: np.ndarray) -> np.ndarray:
        """The scan in steps of its range over 2^bits."""
        step = float(low.max() - low.min()) / (2**self.bits - 1) if self.bits else 0.0
        return (np.rint(low / step) * step).astype(low.dtype) if step else low


def smooth_map(shape: Sequence[int], spread: float, rng: np.random.Generator) -> np.ndarray:
    """Positive, smooth over the volume, of mean about 1, at most ``spread`` from it: of coils and transmit fields."""
    total = np.zeros(())
    for axis, n in enumerate(shape):
        place = np.linspace(0, 1, n)
        wave = np.cos(np.pi * (rng.uniform(0.5, 1.5) * place + rng.uniform(0, 2)))
        total = total + np.expand_dims(wave, [a for a in range(len(shape)) if a != axis])
    return 1 + spread * total / max(1e-9, float(np.abs(total).max()))
