"""What the spectrum of a scan tells of each axis: numbers from which its encoding is estimated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft, ndimage

from .block import Block

BANDS = 16
"""Of an axis' spectrum, from 0 to its Nyquist frequency."""

REFERENCE = slice(3, 7)
"""Bands that the others are compared with: of anatomy, hardly of any blur."""

OWN = ((0.3, 0.5), (0.5, 0.7), (0.7, 0.85), (0.85, 1.0))
ACROSS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75))
"""Ranges of an axis' own frequency, and of the higher one of the others."""

COARSE, FINE = (0.3, 0.5), ((0.5, 0.65), (0.7, 0.85), (0.86, 1.0))
"""Ranges of an axis' frequency in which orientations are compared."""

WEDGES = ((0.25, 0.55), (0.55, 1.0))
"""Slopes of the details that are looked at: of another axis' frequency over the axis' own."""

LEAST = 0.02
"""Share of a band's power that is left at least when the noise is taken off."""

CORNER = 0.8
"""Of the Nyquist frequency: where beyond it along all axes a scan holds noise alone."""

QUIET_BAND, MIDDLE_BAND, QUIET_SHARE = (0.6, 1.0), (0.3, 0.6), 0.25
"""Frequencies along all axes, and share of the voxels, of which the noise in tissue is taken; and a middle range."""

QUIET_OF_NORMAL = 0.31864
"""Below which the absolute values of QUIET_SHARE of normal numbers of variance 1 lie."""

ANATOMY = 0.31
"""What heads without noise whose k-space ends hold in the first range over what they hold in the second (the median
of fourteen training heads; 0.16 to 0.37)."""

HALF_MEDIAN = 0.4549
"""Median of the square of a normal number of variance 1."""


def noise_floor(cosines: np.ndarray) -> float:
    """Power of the noise in each cosine, from those of high frequency along all axes at once."""
    high = [np.flatnonzero(_frequency(n) > CORNER) for n in cosines.shape]
    corner = cosines[np.ix_(*high)]
    return float(np.median(corner**2)) / HALF_MEDIAN


def noise_of_block(block: Block, sharp: bool = False) -> float:
    """Standard deviation of the noise in tissue, in the units of the scan.

    From what is left of high frequency along all axes, where tissue is quiet: noise is everywhere, edges are not.
    Where the scan is ``sharp``, anatomy reaches there too: its share of what a middle range holds is taken off.
    """
    fine = _quiet(block, *QUIET_BAND)
    anatomy = ANATOMY * _quiet(block, *MIDDLE_BAND) if sharp else 0.0
    return float(np.sqrt(max(0.0, fine**2 - anatomy**2))) * block.scale


def _quiet(block: Block, low: float, high: float) -> float:
    """Standard deviation of what a range of frequencies along all axes holds in the quiet share of the tissue."""
    kept = np.ones((1, 1, 1))
    for axis, n in enumerate(block.cosines.shape):
        held = (_frequency(n) > low) & (_frequency(n) <= high)
        kept = kept * np.expand_dims(held, [a for a in range(3) if a != axis])
    fine = np.abs(fft.idctn(block.cosines * kept, norm="ortho"))
    inside = block.weight > 0.99
    quiet = np.quantile(fine[inside] if inside.any() else fine, QUIET_SHARE)
    return float(quiet / QUIET_OF_NORMAL / np.sqrt(max(kept.mean(), 1e-9)))


def spectrum(power: np.ndarray, axis: int) -> np.ndarray:
    """(BANDS,) mean power along ``axis`` of ``power``, the squares of cosines; bands without one are filled in."""
    line = power.mean(axis=tuple(a for a in range(3) if a != axis))
    band = np.minimum((_frequency(len(line)) * BANDS).astype(int), BANDS - 1)
    count = np.bincount(band, minlength=BANDS)
    total = np.bincount(band, line, minlength=BANDS)
    there = np.flatnonzero(count)
    return np.interp(np.arange(BANDS), there, total[there] / count[there])


def features(block: Block, spacing: Sequence[float]) -> np.ndarray:
    """(3, FEATURES): for each axis, what a classifier is given. Logarithms are to the base of 10."""
    power = block.cosines**2
    floor = noise_floor(block.cosines)
    lines = [spectrum(power, axis) for axis in range(3)]
    clean = [np.log10(np.maximum(line - floor, LEAST * line)) for line in lines]
    oriented = orientation(block.array)
    rows = []
    for axis in range(3):
        reference = clean[axis][REFERENCE].mean()
        others, share = _other_axes(clean, spacing, axis)
        rows.append(
            np.concatenate(
                [
                    clean[axis] - reference,
                    others,
                    [share, np.log10(floor + 1e-30) - reference],
                    np.log10(lines[axis][BANDS // 2 :]) - reference,
                    _joint(power, floor, axis) - reference,
                    _sparsity(block, axis),
                    oriented[axis],
                    np.clip(oriented[axis, 2] / np.clip(oriented[axis, 1], 0.1, 3), -1, 2)[None],
                    np.clip(oriented[axis, 1] / np.clip(oriented[axis, 0], 0.1, 3), -1, 2)[None],
                ]
            )
        )
    return np.clip(np.stack(rows), -8, 8)


def _frequency(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


def _other_axes(clean: Sequence[np.ndarray], spacing: Sequence[float], axis: int) -> tuple[np.ndarray, float]:
    """(BANDS,) how far the axis' spectrum lies above those of the others at the same frequency in the world, as far
    as these reach, 0 beyond; and the share of its bands that are compared."""
    own = (np.arange(BANDS) + 0.5) / BANDS / spacing[axis]
    difference, compared = np.zeros(BANDS), np.zeros(BANDS)
    for other in (a for a in range(3) if a != axis):
        place = own * spacing[other] * BANDS - 0.5
        there = (place <= BANDS - 1) & (place >= 0)
        theirs = np.interp(place, np.arange(BANDS), clean[other])
        difference += np.where(there, clean[axis] - theirs, 0)
        compared += there
    compared_bands = compared > 0
    difference[compared_bands] /= compared[compared_bands]
    low = compared_bands & (np.arange(BANDS) < REFERENCE.stop)
    if low.any():
        # anatomy differs from axis to axis; only the shape counts
        difference[compared_bands] -= difference[low].mean()
    return difference, float(compared_bands.mean())


def _joint(power: np.ndarray, floor: float, axis: int) -> np.ndarray:
    """Log of the power in ranges of the axis' own frequency and of the others'."""
    moved = np.moveaxis(power, axis, 0)
    own, second, third = (_frequency(n) for n in moved.shape)
    across = np.maximum(second[:, None], third[None])
    found = []
    for low, high in OWN:
        plane = moved[(own >= low) & (own < high)].mean(axis=0)
        for lower, upper in ACROSS:
            part = plane[(across >= lower) & (across < upper)]
            mean = float(part.mean()) if part.size else floor
            found.append(np.log10(max(mean - floor, LEAST * mean, 1e-30)))
    return np.array(found)


def _sparsity(block: Block, axis: int) -> np.ndarray:
    """How sparse the scan's details are in ranges of the axis' frequency: log of mean over root mean square."""
    found = []
    frequency = _frequency(block.cosines.shape[axis])
    inside = block.weight > 0.5
    along = fft.dct(block.array, axis=axis, norm="ortho")
    for low, high in OWN:
        kept = np.expand_dims((frequency >= low) & (frequency < high), [a for a in range(3) if a != axis])
        part = fft.idct(along * kept, axis=axis, norm="ortho")
        values = np.abs(part[inside]) if inside.any() else np.abs(part).ravel()
        found.append(5 * np.log10(values.mean() / np.sqrt(np.mean(values**2) + 1e-30) + 1e-9))
    return np.array(found)


def orientation(array: np.ndarray) -> np.ndarray:
    """(3, 3): for each axis, in three ranges of its frequency, how far fine detail is oriented as coarse detail is.

    Detail beyond the Nyquist frequency comes back mirrored, that is oriented the other way: sampling after a blur
    shows here, and k-space that ends does not. 1: all of it is oriented alike; 0: as much the other way.
    """
    found = np.zeros((3, 3))
    for axis in range(3):
        for other in (a for a in range(3) if a != axis):
            found[axis] += _oriented(np.moveaxis(array, (3 - axis - other, axis, other), (0, 1, 2))) / 2
    return found


def _oriented(slices: np.ndarray) -> np.ndarray:
    """The mean over both wedges of (alpha - beta) / (alpha + beta), where fine energy of one orientation is alpha
    times the coarse one of the same orientation and beta times that of the other, voxel by voxel."""
    count = len(slices)
    spectra = fft.fft2(slices[count // 5 : count - count // 5 : max(1, count // 12)])
    own, other = np.meshgrid(*(2 * fft.fftfreq(n) for n in slices.shape[1:]), indexing="ij")
    slope = other / np.maximum(own, 1e-9)

    def energies(low: float, high: float, wedge: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        along = (own >= low) & (own < high)
        masks = (along & (sign * slope >= wedge[0]) & (sign * slope < wedge[1]) for sign in (1, -1))
        one, two = (ndimage.gaussian_filter(np.abs(fft.ifft2(spectra * m)) ** 2, (0, 2, 2)) for m in masks)
        return one - two, one + two

    found = np.zeros(3)
    for wedge in WEDGES:
        difference, total = energies(*COARSE, wedge)
        total = total - total.mean()
        for number, (low, high) in enumerate(FINE):
            fine_difference, fine_total = energies(low, high, wedge)
            same = (fine_difference * difference).sum() / ((difference**2).sum() + 1e-30)
            both = ((fine_total - fine_total.mean()) * total).sum() / ((total**2).sum() + 1e-30)
            found[number] += float(np.clip(same / (both + 1e-30), -1, 2)) / len(WEDGES)
    return found
