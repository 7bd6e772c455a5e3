"""How a scanner would have seen a high-resolution volume at a lower resolution: y = D H x + n.

Source: Du & He 2019, Eq. 1 and section 4.2; Pham et al. 2017, Eq. 1 and section 3.1; the k-space form is
the one of the GAN-CPCE / GAN-CIRCLE paper. Training, evaluation and ``mrisr degrade`` all use this file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from .errors import RequestError
from .grid import Grid, Triple, checked_factors
from .operators import apply_along_axes, band_limit_matrix, gaussian_matrix, spline_matrix, spline_weights

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))

SIGMA_RANGE = (0.01, 100.0)
"""HR voxels: no blur at all, and no image left."""

Blur = Literal["fixed", "thickness", "none"]
Noise = Literal["none", "gaussian", "rician"]
Sampling = Literal["cells", "corners"]


@dataclass(frozen=True)
class Acquisition:
    """Blur, sample, add noise. Axes whose factor is 1 are neither blurred nor resampled.

    factors   how many HR voxels make one LR voxel, along i, j, k (real, 1 to 16)
    blur      "fixed": Gaussian of ``sigma`` HR voxels; "thickness": Gaussian whose full width at half
              maximum is the LR voxel; "none"
    sigma     HR voxels, for blur = "fixed" (1 in both papers)
    radius    HR voxels the kernel reaches to each side (1: the 3 x 3 kernel of Du & He); None: four sigma
    kspace    share of the Fourier line kept along i, j, k (0 to 1], applied first; the matrix size stays
    noise     "gaussian" or "rician" of standard deviation ``noise_level`` times the intensity range
    sampling  "cells": LR sample m at HR coordinate (m + 1/2) s - 1/2; "corners": at m s, as the papers
              decimate (the LR grid then does not fill the box of the HR grid)
    """

    factors: Triple
    blur: Blur = "fixed"
    sigma: float = 1.0
    radius: int | None = None
    kspace: Triple = (1.0, 1.0, 1.0)
    noise: Noise = "none"
    noise_level: float = 0.0
    sampling: Sampling = "cells"

    def __post_init__(self) -> None:
        checked_factors(self.factors)
        for given, known in ((self.blur, Blur), (self.noise, Noise), (self.sampling, Sampling)):
            if given not in get_args(known):
                raise RequestError(f"unknown setting {given!r}: choose one of {', '.join(get_args(known))}")
        if not SIGMA_RANGE[0] <= self.sigma <= SIGMA_RANGE[1]:
            raise RequestError(
                f"the blur sigma is {self.sigma:g}: give HR voxels, from {SIGMA_RANGE[0]:g} to {SIGMA_RANGE[1]:g}"
            )
        if self.radius is not None and self.radius < 0:
            raise RequestError(f"the kernel radius must not be negative, not {self.radius}: give HR voxels")
        if not all(0 < kept <= 1 for kept in self.kspace):
            raise RequestError(f"the kept share of k-space must lie in (0, 1], not {list(self.kspace)}")
        if not (math.isfinite(self.noise_level) and 0 <= self.noise_level <= 1):
            raise RequestError(
                f"the noise level must lie in [0, 1], not {self.noise_level:g}: give a share of the range"
            )
        if (self.noise == "none") != (self.noise_level == 0):
            raise RequestError("give a kind of noise and a noise level above 0 together, or neither")

    def grid(self, high: Grid) -> Grid:
        """The LR grid that this acquisition makes of the HR grid ``high``."""
        if self.sampling == "cells":
            return high.coarsened(self.factors)
        return Grid(
            size=tuple(len(_corner_samples(n, f)) for n, f in zip(high.size, self.factors, strict=True)),  # type: ignore[arg-type]
            spacing=tuple(d * f for d, f in zip(high.spacing, self.factors, strict=True)),  # type: ignore[arg-type]
            origin=high.origin,
            direction=high.direction,
        )

    def matrices(self, size: Sequence[int]) -> list[np.ndarray | None]:
        """For each axis of an HR array of ``size``: (n_LR, n_HR) float64 of blur and sampling, or None."""
        return [self._axis_matrix(n, f, kept) for n, f, kept in zip(size, self.factors, self.kspace, strict=True)]

    def _axis_matrix(self, n: int, factor: float, kept: float) -> np.ndarray | None:
        matrix = band_limit_matrix(n, n, kept) if kept < 1 else None
        if self.sampling == "cells":
            # whole voxels decide: a factor so near to 1 that no voxel is lost leaves the axis alone
            size = Grid((n, 1, 1)).coarsened((factor, 1, 1)).size[0]
            factor = n / size
        if factor > 1:
            if self.sampling == "cells":
                sampling = spline_matrix(n, size)
            else:
                sampling = spline_weights(_corner_samples(n, factor), n)
            if self.blur != "none":
                sigma = self.sigma if self.blur == "fixed" else factor / FWHM_PER_SIGMA
                sampling = sampling @ gaussian_matrix(n, sigma, self.radius)
            matrix = sampling if matrix is None else sampling @ matrix
        return matrix

    def apply(self, high: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """HR array [i, j, k] on a grid -> LR array on ``grid(...)`` of it, in HR's units and float type.

        ``rng`` draws the noise and is needed only where there is any.
        """
        low: np.ndarray = apply_along_axes(self.matrices(high.shape), high)
        if self.noise == "none":
            return low
        if rng is None:
            raise ValueError("noise needs a random generator")
        first, second = (rng.standard_normal(low.shape, dtype=np.float32) for _ in range(2))
        return self._with_noise(low, first, second, np.hypot)

    def apply_torch(self, high: Any, generator: Any = None) -> Any:
        """The same for a torch tensor [..., i, j, k], on its own device and with gradients."""
        import torch

        low = apply_along_axes(self.matrices(high.shape[-3:]), high)
        if self.noise == "none":
            return low
        first, second = (
            torch.randn(low.shape, generator=generator, dtype=low.dtype, device=low.device) for _ in range(2)
        )
        return self._with_noise(low, first, second, torch.hypot)

    def _with_noise(self, low: Any, first: Any, second: Any, magnitude: Any) -> Any:
        level = self.noise_level * (low.max() - low.min())
        if self.noise == "gaussian":
            return low + level * first
        return magnitude(low + level * first, level * second)

    def told(self) -> dict[str, Any]:
        """What was said of a scan, for the header of what was made of it."""
        sigma = {"sigma": self.sigma} if self.blur == "fixed" else {}
        return {"blur": self.blur, **sigma, "noise_level": self.noise_level}

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for a model card or a header."""
        return asdict(self)


def _corner_samples(n: int, factor: float) -> np.ndarray:
    """HR coordinates 0, s, 2 s, ... inside a line of ``n`` samples."""
    return np.arange(math.floor((n - 1) / factor) + 1) * factor
