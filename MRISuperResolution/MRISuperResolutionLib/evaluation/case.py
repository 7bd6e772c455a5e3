"""What the methods are compared on: a true volume and how it is degraded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np

from ..dataset.subjects import Truth
from ..errors import RequestError
from ..image.grid import Triple
from ..image.linear_operators import apply_along_axes, cell_centres, spline_weights
from ..image.volume import Volume, divisible
from ..physics.acquisition import Acquisition
from ..physics.encoding import Encoding, Gaussian, KSpace
from ..physics.presets import acquisition_named, in_words


@dataclass(frozen=True)
class Case:
    """A truth and the acquisition that it is degraded by; ``plane``: of the slices, where only they are degraded."""

    truth: Truth
    acquisition: Acquisition
    plane: str | None = None

    def pair(self) -> tuple[Volume, Volume]:
        """The truth in normalised units, and what the scanner would have seen of it, over the same box.

        Of cells, the truth loses voxels that fill no LR voxel. Of corners, as the papers decimate, it is brought to
        the grid that the LR voxels are the cells of: moved by (factor - 1) / 2 voxels, by cubic spline. The noise is
        the same whenever it is asked for.
        """
        rng = np.random.default_rng(0)
        if self.acquisition.sampling == "cells":
            high = divisible(self.truth.volume, self.acquisition.factors)
            return high, Volume(self.acquisition.apply(high.array, rng), self.acquisition.grid(high.grid))
        whole = self.truth.volume
        low = Volume(self.acquisition.apply(whole.array, rng), self.acquisition.grid(whole.grid))
        grid = low.grid.refined(self.acquisition.factors)
        matrices = [
            None if factor == 1 else spline_weights(cell_centres(m, n) * factor, whole_n)
            for m, n, whole_n, factor in zip(
                low.grid.size, grid.size, whole.grid.size, self.acquisition.factors, strict=True
            )
        ]
        return Volume(apply_along_axes(matrices, whole.array), grid), low

    @property
    def kept(self) -> Triple:
        """Share of the truth's Fourier line along i, j, k that the scanner's volume holds."""
        i, j, k = (
            getattr(axis, "kept", 1.0) / factor
            for axis, factor in zip(self.acquisition.axes, self.acquisition.factors, strict=True)
        )
        return i, j, k

    @property
    def factors_text(self) -> str:
        return "x".join(f"{f:g}" for f in self.acquisition.factors)

    @property
    def label(self) -> str:
        """What is degraded and how, without the subject: cases of one label are averaged."""
        plane = [self.plane] if self.plane else []
        return " ".join([self.truth.contrast, self.shape_text, *plane, *self._unusual])

    @property
    def _unusual(self) -> list[str]:
        """What differs from a Gaussian blur of one fine voxel, sampled in cells without noise."""
        made = self.acquisition
        acting = [axis for axis, factor in zip(made.axes, made.factors, strict=True) if axis.acts(factor)]
        words = (
            _unusual_blur(acting[0])
            if len(set(acting)) == 1 and isinstance(acting[0], Gaussian)
            else [in_words(made)]
        )
        if made.noise_level:
            words.append(f"noise {made.noise_level:g}")
        return [*words, *(["corners"] if made.sampling == "corners" else [])]

    @property
    def shape_text(self) -> str:
        """The factors; those of slices without that across them."""
        if self.plane is None:
            return self.factors_text
        axis = self.truth.volume.grid.slice_axis(self.plane)
        return "x".join(f"{f:g}" for a, f in enumerate(self.acquisition.factors) if a != axis)

    @cached_property
    def key(self) -> str:
        """A digest of the voxels, the grid and the degradation."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(np.ascontiguousarray(self.truth.volume.array).data)
        for array in (self.truth.companions[name] for name in sorted(self.truth.companions)):
            digest.update(np.ascontiguousarray(array).data)
        settings = {"grid": asdict(self.truth.volume.grid), "acquisition": self.acquisition.describe()}
        digest.update(json.dumps([settings, self.plane], sort_keys=True).encode())
        return digest.hexdigest()


def cases(
    truths: Sequence[Truth],
    factors: Sequence[Sequence[float]],
    planes: Sequence[str],
    settings: Acquisition | str,
    noise: float = 0.0,
) -> list[Case]:
    """Every truth under every degradation in which it is true.

    factors   one number each (all axes; the axes of the slices where there are ``planes``) or three along i, j, k
    planes    degrade slices of these planes; none: volumes
    settings  all of the acquisition but its factors, or its name (see ``physics.presets``), with Rician ``noise``

    Raises RequestError where no truth can be used so, and for three factors of slices.
    """
    if planes and any(len(shape) != 1 for shape in factors):
        raise RequestError("slices have one factor, for both of their axes: give single numbers, or leave out planes")
    found = [c for truth in truths for shape in factors for c in _cases(truth, shape, planes, settings, noise)]
    if not found:
        raise RequestError("none of the volumes is true along the axes that are degraded: choose planes or others")
    return found


def _cases(
    truth: Truth, shape: Sequence[float], planes: Sequence[str], settings: Acquisition | str, noise: float
) -> Iterator[Case]:
    if not planes:
        i, j, k = shape if len(shape) == 3 else list(shape) * 3
        if own := truth.degradable((i, j, k)):
            yield Case(truth, _acquisition(settings, own, truth, noise))
        return
    for plane in (plane for plane in planes if plane in truth.planes):
        axis = truth.volume.grid.slice_axis(plane)
        made = _acquisition(settings, _but_across(axis, (shape[0],) * 3), truth, noise)
        first, second, third = (
            _untouched(encoding) if a == axis else encoding for a, encoding in enumerate(made.axes)
        )
        yield Case(truth, replace(made, axes=(first, second, third)), plane)


def _unusual_blur(axis: Gaussian) -> list[str]:
    """What differs from a Gaussian blur of one fine voxel."""
    words = [f"k-space {axis.kept:g}"] * (axis.kept < 1) + [f"sigma {axis.sigma:g}"] * (axis.sigma != 1)
    return [*words, *([f"radius {axis.radius}"] if axis.radius is not None else [])]


def _untouched(encoding: Encoding) -> Encoding:
    """Of an axis that stays as it is."""
    return Gaussian(0.0) if isinstance(encoding, Gaussian) else KSpace()


def _acquisition(settings: Acquisition | str, factors: Triple, truth: Truth, noise: float) -> Acquisition:
    if isinstance(settings, Acquisition):
        return settings.with_factors(factors)
    made = acquisition_named(settings, factors, truth.volume.grid.coarsened(factors))
    return made.with_noise(noise) if noise else made


def _but_across(axis: int, values: Triple) -> Triple:
    i, j, k = (1.0 if a == axis else float(x) for a, x in enumerate(values))
    return i, j, k
