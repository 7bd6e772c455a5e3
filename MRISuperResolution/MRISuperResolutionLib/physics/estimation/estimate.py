"""What the scanner did, estimated from the whole scan, with the voxel's shape as the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...image.grid import Grid, Triple
from ...image.intensity import Normalisation
from ..acquisition import Acquisition
from ..encoding import FWHM_PER_SIGMA, Encoding, Gaussian, KSpace, SliceProfile, Window
from ..presets import GAUSSIAN, MULTISLICE, THREE_D
from .block import head_block
from .classifier import KINDS, load_classifier
from .spectra import features, noise_of_block
from .zero_fill import acquired_share

Source = Literal["stated", "estimated", "assumed"]

THICK = 1.8
"""Times the smallest spacing: an axis that is so much coarser lies across the slices of a 2D scan, most likely."""

SMALLEST = 24
"""Voxels along an axis below which a spectrum tells nothing."""

IN_PLANE_PRIOR = {"ends": 0.55, "hamming": 0.1, "blur": 0.15, "tukey": 0.1, "fermi": 0.1}
ACROSS_PRIOR = {"ends": 0.1, "hamming": 0.01, "blur": 0.87, "tukey": 0.01, "fermi": 0.01}
"""How often scanners encode an axis so."""

PROFILE, PROFILE_SPREAD = 1.0, 0.25
"""Of slice profiles' widths over the distance between slices, before the scan is looked at."""

NARROWEST, CAUTION = 0.2, 0.6
"""Voxels of the scan; and standard deviations by which a slice profile is taken for narrower than estimated: too
wide a profile does more harm than too narrow a one."""

GAUSSIAN_SPREAD = 0.1
"""Of the papers' Gaussian's width, in voxels of the scan, before the scan is looked at."""

ALIKE = 1.25
"""Axes whose spacings differ by less were encoded alike."""

DEPENDENCE = 0.5
"""What further axes count for that were encoded alike: they show the same head."""


@dataclass(frozen=True)
class AxisEstimate:
    """How one axis was encoded.

    kind         of ``classifier.KINDS``
    probability  of the kind
    width        full width at half maximum of a blur, in voxels of the scan, and its standard deviation
    share        of the Nyquist frequency that was acquired
    source       whether it was stated (header), estimated, or assumed since nothing else was to be had
    """

    kind: str
    probability: float
    width: float = 0.0
    width_deviation: float = 0.0
    share: float = 1.0
    across: bool = False
    source: Source = "estimated"

    def encoding(self, factor: float) -> Encoding:
        """As the forward operator takes it, at a factor."""
        if self.kind != "blur":
            windows: dict[str, Window] = {"ends": "none", "hamming": "hamming", "tukey": "tukey", "fermi": "fermi"}
            return KSpace(self.share, windows[self.kind])
        if self.across:
            return SliceProfile(max(NARROWEST, self.width - CAUTION * self.width_deviation))
        # nobody but the papers' simulation blurs so, by one fine voxel
        usual, precision = FWHM_PER_SIGMA / factor, (self.width_deviation / GAUSSIAN_SPREAD) ** 2
        width = (self.width + precision * usual) / (1 + precision)
        return Gaussian(width * factor / FWHM_PER_SIGMA)

    @property
    def words(self) -> str:
        """For a person: what was found, and how sure that is."""
        named = {"ends": "k-space ends", "hamming": "k-space under a Hamming window", "blur": "Gaussian blur"}
        named |= {"tukey": "k-space under a Tukey window", "fermi": "k-space under a Fermi window"}
        text = "slice profile" if self.kind == "blur" and self.across else named[self.kind]
        if self.kind == "blur":
            text += f" {self.width:.2f} +- {self.width_deviation:.2f} voxels wide"
        if self.share < 1:
            text += f", zero-filled beyond {100 * self.share:.0f} %"
        sure = f", probability {100 * self.probability:.0f} %" if self.source == "estimated" else ""
        return f"{text} ({self.source}{sure})"


@dataclass(frozen=True)
class Estimate:
    """Of the three axes, and the noise as a share of the scan's robust range."""

    axes: tuple[AxisEstimate, AxisEstimate, AxisEstimate]
    noise_level: float

    def acquisition(self, factors: Triple) -> Acquisition:
        """The acquisition that was estimated, for a volume ``factors`` times as fine."""
        i, j, k = (axis.encoding(factor) for axis, factor in zip(self.axes, factors, strict=True))
        return Acquisition(factors, (i, j, k)).with_noise(self.noise_level)

    def preset(self, factors: Triple) -> str:
        """The one of ``presets.PRESETS`` that is most like it where a volume is made finer by ``factors``."""
        finer = [axis for axis, factor in zip(self.axes, factors, strict=True) if factor > 1] or list(self.axes)
        blurred = [axis for axis in finer if axis.kind == "blur"]
        if any(axis.across for axis in blurred):
            return MULTISLICE
        return GAUSSIAN if len(blurred) > len(finer) / 2 else THREE_D

    @property
    def words(self) -> str:
        """In one line, axes that are alike together."""
        spoken: dict[str, list[str]] = {}
        for name, axis in zip("ijk", self.axes, strict=True):
            spoken.setdefault(axis.words, []).append(name)
        parts = [f"{', '.join(names)}: {words}" for words, names in spoken.items()]
        return "; ".join([*parts, f"noise {100 * self.noise_level:.1f} % of the range"])


def estimate(array: np.ndarray, grid: Grid, weights: Path, stated: Sequence[AxisEstimate | None] = ()) -> Estimate:
    """What the scanner did for ``array`` [i, j, k], any units, on ``grid``; under a second for a head.

    ``weights``: the folder of the classifier. ``stated``: what is known of each axis from elsewhere (a header), which
    is taken as it is.
    """
    # in the range of the head, so that units do not matter
    block = head_block(Normalisation.of(np.asarray(array)).apply(np.asarray(array)))
    likelihood, widths, deviations = load_classifier(weights)(features(block, grid.spacing))
    across = _across(grid)
    found: list[AxisEstimate | None] = [None, None, None]
    for group in _groups(grid, across):
        thick = group == [across]
        seen = [axis for axis in group if grid.size[axis] >= SMALLEST]
        kind, probability = _most_likely(likelihood[seen], ACROSS_PRIOR if thick else IN_PLANE_PRIOR)
        width, deviation = _width(widths[seen], deviations[seen], thick)
        for axis in group:
            share = acquired_share(block, axis) if kind != "blur" or not thick else 1.0
            source: Source = "estimated" if seen else "assumed"
            found[axis] = AxisEstimate(kind, probability, width, deviation, share, thick, source)
    for axis, known in enumerate(stated):
        found[axis] = known or found[axis]
    i, j, k = (axis for axis in found if axis is not None)
    sharp = all(axis.kind in ("ends", "tukey", "fermi") for axis in (i, j, k))
    return Estimate((i, j, k), min(1.0, noise_of_block(block, sharp)))


def zero_filled(found: Estimate) -> bool:
    """Whether any axis was filled with zeros."""
    return any(axis.share < 1 for axis in found.axes)


def filled_up(found: Estimate) -> Estimate:
    """The same of the scan once it was cropped to what was acquired."""
    i, j, k = (replace(axis, share=1.0) for axis in found.axes)
    return replace(found, axes=(i, j, k))


def _across(grid: Grid) -> int | None:
    """The axis across the slices; None where the voxels are about as long as wide."""
    axis = int(np.argmax(np.round(grid.spacing, 3)))
    others = [d for a, d in enumerate(grid.spacing) if a != axis]
    return axis if grid.spacing[axis] >= THICK * min(others) and grid.spacing[axis] >= ALIKE * max(others) else None


def _groups(grid: Grid, across: int | None) -> list[list[int]]:
    """Axes that were encoded alike, each in one group."""
    groups: list[list[int]] = []
    for axis in sorted((a for a in range(3) if a != across), key=lambda a: grid.spacing[a]):
        if groups and grid.spacing[axis] < ALIKE * grid.spacing[groups[-1][0]]:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups if across is None else [*groups, [across]]


def _most_likely(likelihood: np.ndarray, prior: dict[str, float]) -> tuple[str, float]:
    """The kind of axes that were encoded alike, and its probability."""
    count = len(likelihood)
    weight = (1 + DEPENDENCE * (count - 1)) / count if count else 0.0
    posterior = np.log([prior[kind] for kind in KINDS]) + weight * likelihood.sum(axis=0)
    posterior = np.exp(posterior - np.logaddexp.reduce(posterior))
    best = int(np.argmax(posterior))
    return KINDS[best], float(posterior[best])


def _width(widths: np.ndarray, deviations: np.ndarray, thick: bool) -> tuple[float, float]:
    """Mean and standard deviation of the width of axes that were blurred alike; with the prior, of slices."""
    precision = list(1 / deviations**2 * (1 + DEPENDENCE * (len(widths) - 1)) / max(1, len(widths)))
    values = list(widths)
    if thick or not values:
        values.append(PROFILE)
        precision.append(1 / PROFILE_SPREAD**2)
    total = sum(precision)
    mean = sum(p * v for p, v in zip(precision, values, strict=True)) / total
    return float(np.clip(mean, 0.2, 2.0)), float(total**-0.5)
