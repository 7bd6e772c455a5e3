"""How a scanner would have seen a high-resolution volume at a lower resolution: y = A x + n.

Training, evaluation, ``mrisr degrade``, data consistency and the estimate of what a scanner did all use this
description. Source: design, section 3; Du & He 2019, Eq. 1; Pham et al. 2017, Eq. 1; Gudbjartsson & Patz 1995, Magn.
Reson. Med. 34:910 (Rician noise).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from ..errors import RequestError
from ..image.grid import Grid, Triple, checked_factors
from ..image.intensity import ROBUST_PERCENTILES
from ..image.linear_operators import alike, apply_along_axes
from .artefacts import Artefacts, smooth_map
from .encoding import Encoding, Gaussian, KSpace, SliceProfile, cosine_matrix

Noise = Literal["none", "gaussian", "rician"]
Sampling = Literal["cells", "corners"]
Encodings = tuple[Encoding, Encoding, Encoding]


@dataclass(frozen=True)
class Acquisition:
    """What each axis of a scan kept of the head, and its noise. Axes whose factor is 1 are left alone (but for those
    that were zero-filled).

    factors      how many high-resolution voxels make one of the scan, along i, j, k (real, 1 to 16)
    axes         encoding of i, j, k
    ellipse      whether the corners of k-space, beyond the ellipse of its Fourier-encoded axes, were left out
    noise        "gaussian"; "rician", that of magnitude images; "none"
    noise_level  standard deviation as a share of the scan's robust range (see ``intensity``)
    noise_variation
                 how far the noise differs from place to place (parallel imaging), as a share of the level
    sampling     "cells": sample m of the scan at high-resolution coordinate (m + 1/2) s - 1/2; "corners": at m s, as
                 the papers decimate (the scan's grid then does not fill the box; the papers' blur alone)
    artefacts    what else a scan suffers, in simulation alone

    Raises RequestError for values that no scan has.

    >>> import numpy as np
    >>> thick = Acquisition((1, 1, 4), (KSpace(), KSpace(), SliceProfile()))
    >>> thick.apply(np.ones((8, 8, 16))).shape
    (8, 8, 4)
    """

    factors: Triple
    axes: Encodings = (KSpace(), KSpace(), KSpace())
    ellipse: bool = False
    noise: Noise = "none"
    noise_level: float = 0.0
    noise_variation: float = 0.0
    sampling: Sampling = "cells"
    artefacts: Artefacts = field(default_factory=Artefacts)

    def __post_init__(self) -> None:
        checked_factors(self.factors)
        for given, known in ((self.noise, Noise), (self.sampling, Sampling)):
            if given not in get_args(known):
                raise RequestError(f"unknown setting {given!r}: choose one of {', '.join(get_args(known))}")
        if len(self.axes) != 3:
            raise RequestError(f"an acquisition has three axes, not {len(self.axes)}: describe i, j and k")
        if not (math.isfinite(self.noise_level) and 0 <= self.noise_level <= 1):
            raise RequestError(
                f"the noise level must lie in [0, 1], not {self.noise_level:g}: give a share of the range"
            )
        if not (math.isfinite(self.noise_variation) and 0 <= self.noise_variation < 1):
            raise RequestError(f"the noise's variation must lie in [0, 1), not {self.noise_variation:g}")
        if self.noise == "none" and self.noise_level > 0:
            raise RequestError("give a kind of noise for a noise level above 0")
        if self.sampling == "corners" and not all(isinstance(axis, Gaussian) for axis in self.axes):
            raise RequestError("samples at the corners go with the papers' Gaussian blur alone")
        if self.ellipse and sum(isinstance(axis, KSpace) for axis in self.axes) < 2:
            raise RequestError("an ellipse of k-space needs two or three Fourier-encoded axes")

    @classmethod
    def gaussian(
        cls,
        factors: Triple,
        sigma: float = 1.0,
        radius: int | None = None,
        kept: Triple = (1.0, 1.0, 1.0),
        **further: Any,
    ) -> Acquisition:
        """The papers': a Gaussian of ``sigma`` high-resolution voxels along each axis (see ``encoding.Gaussian``)."""
        i, j, k = (Gaussian(sigma, radius, float(share)) for share in kept)
        return cls(factors, (i, j, k), **further)

    @classmethod
    def three_d(cls, factors: Triple, **further: Any) -> Acquisition:
        """A 3D scan: its k-space ends at its voxels."""
        return cls(factors, **further)

    @classmethod
    def multislice(
        cls, factors: Triple, axis: int, fwhm: float = 1.0, gap: float = 0.0, **further: Any
    ) -> Acquisition:
        """A 2D multislice scan: a profile across the slices, along ``axis``; k-space that ends within them."""
        i, j, k = (SliceProfile(fwhm, gap) if a == axis else KSpace() for a in range(3))
        return cls(factors, (i, j, k), **further)

    def with_factors(self, factors: Triple) -> Acquisition:
        """The same scanner at other factors."""
        return replace(self, factors=factors)

    def with_noise(self, level: float) -> Acquisition:
        """The same scan with Rician noise of ``level``."""
        return replace(self, noise="rician" if level else "none", noise_level=level)

    def grid(self, high: Grid) -> Grid:
        """The scan's grid, over the box of the high-resolution grid ``high`` (but for sampling at the corners)."""
        if self.sampling == "cells":
            return high.coarsened(self.factors)
        return Grid(
            size=tuple(len(_corner_samples(n, f)) for n, f in zip(high.size, self.factors, strict=True)),  # type: ignore[arg-type]
            spacing=tuple(d * f for d, f in zip(high.spacing, self.factors, strict=True)),  # type: ignore[arg-type]
            origin=high.origin,
            direction=high.direction,
        )

    def matrices(self, size: Sequence[int]) -> list[np.ndarray | None]:
        """For each axis of a high-resolution array of ``size``: (n_scan, n) float64, or None where nothing is done.

        The corners of k-space (``ellipse``) are left out afterwards: see ``kspace_mask``.
        """
        return [
            self._axis_matrix(axis, n, factor) for axis, n, factor in zip(self.axes, size, self.factors, strict=True)
        ]

    def _axis_matrix(self, axis: Encoding, n: int, factor: float) -> np.ndarray | None:
        if self.sampling == "corners":
            corners = _corner_samples(n, factor)
            assert isinstance(axis, Gaussian)
            return axis.matrix(n, len(corners), corners) if axis.acts(factor) else None
        # whole voxels decide: a factor so near to 1 that no voxel is lost leaves the axis alone
        low = Grid((n, 1, 1)).coarsened((factor, 1, 1)).size[0]
        return axis.matrix(n, low) if axis.acts(n / low) else None

    def kspace_mask(self, low: Sequence[int]) -> np.ndarray | None:
        """What the ellipse keeps of a scan of ``low`` voxels in its cosines, 0 or 1, broadcast over axes that are not
        Fourier-encoded; None where all is kept."""
        if not self.ellipse:
            return None
        radius = np.zeros((1, 1, 1))
        for number, (axis, n) in enumerate(zip(self.axes, low, strict=True)):
            if isinstance(axis, KSpace):
                place = np.arange(n) / n / axis.extent
                radius = radius + np.expand_dims(place**2, [a for a in range(3) if a != number])
        return (radius <= 1).astype(np.float64)

    def apply(self, high: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """High-resolution array [i, j, k] -> the scan's array, on ``grid(...)`` of its grid, in its units and float
        type.

        ``rng`` draws noise and artefacts and is needed only where there are any. Rician noise, of level 0 too, makes
        a magnitude image.
        """
        if rng is None and (self.noise_level > 0 or self.artefacts.random):
            raise ValueError("noise needs a random generator")
        low = self._linear(self.artefacts.before(high, rng))
        if rng is not None:
            low = self.artefacts.after(low, rng)
        return self.artefacts.rounded(self._with_noise(low, rng))

    def _linear(self, high: np.ndarray) -> np.ndarray:
        low: np.ndarray = apply_along_axes(self.matrices(high.shape), high)
        mask = self.kspace_mask(low.shape)
        return low if mask is None else masked_in_cosines(low, mask)

    def _with_noise(self, low: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        if self.noise == "none":
            return low
        if rng is None or not self.noise_level:
            return np.abs(low) if self.noise == "rician" else low
        first, second = (rng.standard_normal(low.shape, dtype=np.float32) for _ in range(2))
        lowest, highest = np.percentile(low, ROBUST_PERCENTILES)
        level: Any = low.dtype.type(self.noise_level * (highest - lowest))
        if self.noise_variation:
            level = level * smooth_map(low.shape, self.noise_variation, rng).astype(low.dtype)
        if self.noise == "gaussian":
            return low + level * first
        return np.hypot(low + level * first, level * second)

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for a model card, a header or a file (see ``physics.presets``)."""
        facts = asdict(self)
        facts["axes"] = [{"kind": type(axis).__name__, **asdict(axis)} for axis in self.axes]
        return facts


def masked_in_cosines(array: Any, mask: np.ndarray) -> Any:
    """``array`` [i, j, k], numpy or torch, with its cosines multiplied by ``mask``, along the axes that it spans."""
    cosines = [cosine_matrix(n) if m > 1 else None for n, m in zip(array.shape[-3:], mask.shape, strict=True)]
    spectrum = apply_along_axes(cosines, array)
    return apply_along_axes([None if c is None else c.T for c in cosines], spectrum * alike(mask, spectrum))


def _corner_samples(n: int, factor: float) -> np.ndarray:
    """High-resolution coordinates 0, s, 2 s, ... inside a line of ``n`` samples."""
    return np.arange(math.floor((n - 1) / factor) + 1) * factor
