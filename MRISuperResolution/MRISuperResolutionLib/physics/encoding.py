"""How one axis of a scan was encoded, and the matrix that takes the high-resolution line to the scan's samples.

Frequencies are in units of the scan's Nyquist frequency (1: half a cycle a voxel of the scan), lengths in the unit
that each class names. Lines go on beyond their faces as in a mirror, so that every encoding but the papers' is exact
in cosines: what it keeps of the cosine of frequency f is ``transfer(f)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from scipy import fft

from ..errors import RequestError
from ..image.linear_operators import band_limit_matrix, gaussian_matrix, spline_matrix, spline_weights

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))

Window = Literal["none", "hamming", "tukey", "fermi"]
Shape = Literal["gaussian", "boxcar", "sinc"]

MIDDLE = 0.5
"""Of the Nyquist frequency: where the Gaussian that is like an encoding is compared with it."""

TUKEY_TAPER = 0.5
"""Share of the acquired half-line over which Tukey's window falls as a cosine."""

FERMI_RADIUS, FERMI_WIDTH = 0.9, 0.05
"""Shares of the acquired half-line at which Fermi's window is 1/2, and over which it falls by a factor e."""

SINC_TAPER = 0.3
"""Of a sinc-shaped pulse: the share of the slice's width over which its profile rises and falls."""

SIGMA_RANGE = (0.01, 100.0)
"""High-resolution voxels: no blur at all, and no image left."""


@dataclass(frozen=True)
class KSpace:
    """An axis whose k-space ends: phase- or frequency-encoded, as every axis of a 3D scan and those of a 2D slice.

    extent   share of the voxel's Nyquist frequency up to which signal was acquired; below 1 the rest is zero-filled
    window   filter against ringing over the acquired part
    decay    T2 decay along a long echo train that begins at the centre: the signal at the edge is exp(-decay)
    partial  partial Fourier, share of the line that was acquired (1/2, 1]; what lacks is zero, so that the mean of
             both halves, which is what a real image keeps, is half as strong there
    """

    extent: float = 1.0
    window: Window = "none"
    decay: float = 0.0
    partial: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.extent <= 1:
            raise RequestError(f"the acquired share of k-space must lie in (0, 1], not {self.extent:g}")
        if self.window not in get_args(Window):
            raise RequestError(f"unknown k-space window {self.window!r}: choose one of {', '.join(get_args(Window))}")
        if not (math.isfinite(self.decay) and 0 <= self.decay <= 10):
            raise RequestError(f"the decay at the edge of k-space must lie in [0, 10], not {self.decay:g}")
        if not 0.5 < self.partial <= 1:
            raise RequestError(f"the share of a partial Fourier line must lie in (0.5, 1], not {self.partial:g}")

    def transfer(self, frequency: np.ndarray, factor: float) -> np.ndarray:
        """What is kept at ``frequency``; nothing beyond ``extent``."""
        place = np.asarray(frequency) / self.extent
        kept = _window(self.window, place) * np.exp(-self.decay * place)
        kept = np.where(place > 2 * self.partial - 1 + 1e-9, kept / 2, kept) if self.partial < 1 else kept
        return np.where(place <= 1 + 1e-9, kept, 0.0)

    def acts(self, factor: float) -> bool:
        """Whether anything is to be undone; the window of an axis that stays as it is does not count."""
        return factor > 1 or self.extent < 1

    def matrix(self, n_high: int, n_low: int) -> np.ndarray:
        """(n_low, n_high) float64: the mirrored line's frequencies up to its end, sampled at the cell centres."""
        return _sampled(self, n_high, n_low)


@dataclass(frozen=True)
class SliceProfile:
    """The axis across the slices of a 2D multislice scan: each sample is a mean over the slice's profile.

    fwhm   full width at half maximum of the profile, in slice thicknesses (0.7 to 1.3 on real scanners)
    gap    between slices, in slice thicknesses; negative where they overlap
    shape  of the profile: Gaussian, boxcar, or that of a short sinc-shaped pulse (a boxcar with soft edges)
    """

    fwhm: float = 1.0
    gap: float = 0.0
    shape: Shape = "gaussian"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fwhm) and 0 < self.fwhm <= 4):
            raise RequestError(f"the slice profile's width must lie in (0, 4] slice thicknesses, not {self.fwhm:g}")
        if not (math.isfinite(self.gap) and -0.5 <= self.gap <= 2):
            raise RequestError(f"the gap must lie between -0.5 and 2 slice thicknesses, not {self.gap:g}")
        if self.shape not in get_args(Shape):
            raise RequestError(f"unknown slice profile {self.shape!r}: choose one of {', '.join(get_args(Shape))}")

    @property
    def width(self) -> float:
        """Full width at half maximum in voxels of the scan, that is in distances between slices."""
        return self.fwhm / (1 + self.gap)

    def transfer(self, frequency: np.ndarray, factor: float) -> np.ndarray:
        """The Fourier transform of the profile; frequencies beyond 1 alias."""
        cycles = np.asarray(frequency) / 2  # a voxel of the scan
        if self.shape == "gaussian":
            return np.exp(-2 * (np.pi * cycles * self.width / FWHM_PER_SIGMA) ** 2)
        edge = SINC_TAPER * self.width if self.shape == "sinc" else 0.0
        return np.sinc(cycles * self.width) * np.sinc(cycles * edge)

    def acts(self, factor: float) -> bool:
        return factor > 1

    def matrix(self, n_high: int, n_low: int) -> np.ndarray:
        """(n_low, n_high) float64: the mirrored line under the profile, sampled at the cell centres."""
        return _sampled(self, n_high, n_low)


@dataclass(frozen=True)
class Gaussian:
    """The papers' blur, which no scanner makes: a Gaussian of ``sigma`` high-resolution voxels, then cubic sampling.

    sigma   0: none, only sampling
    radius  high-resolution voxels that the kernel reaches to each side (1: the 3 x 3 of Du & He); None: 4 sigma
    kept    share of the high-resolution line's spectrum that is kept first (GAN-CIRCLE: 1/2 along two axes)

    Source: Pham et al. 2017, section 3.1; Du & He 2019, section 4.2; Lyu et al. 2018, section II.1.
    """

    sigma: float = 1.0
    radius: int | None = None
    kept: float = 1.0

    def __post_init__(self) -> None:
        if self.sigma != 0 and not SIGMA_RANGE[0] <= self.sigma <= SIGMA_RANGE[1]:
            raise RequestError(
                f"the blur sigma is {self.sigma:g}: give fine voxels, from {SIGMA_RANGE[0]:g} to {SIGMA_RANGE[1]:g}"
            )
        if self.radius is not None and self.radius < 0:
            raise RequestError(f"the kernel radius must not be negative, not {self.radius}: give fine voxels")
        if not 0 < self.kept <= 1:
            raise RequestError(f"the kept share of k-space must lie in (0, 1], not {self.kept:g}")

    def transfer(self, frequency: np.ndarray, factor: float) -> np.ndarray:
        """The Gaussian's Fourier transform; frequencies beyond 1 alias. Cubic sampling's own loss is left out."""
        cycles = np.asarray(frequency) / 2 / factor  # a high-resolution voxel
        return np.where(2 * cycles <= self.kept, np.exp(-2 * (np.pi * cycles * self.sigma) ** 2), 0.0)

    def acts(self, factor: float) -> bool:
        return factor > 1 or self.kept < 1

    def matrix(self, n_high: int, n_low: int, corners: np.ndarray | None = None) -> np.ndarray:
        """(n_low, n_high) float64; sampled at the cell centres, or at ``corners`` (high-resolution coordinates)."""
        matrix = band_limit_matrix(n_high, n_high, self.kept) if self.kept < 1 else None
        if n_low < n_high:
            sampling = spline_matrix(n_high, n_low) if corners is None else spline_weights(corners, n_high)
            if self.sigma:
                sampling = sampling @ gaussian_matrix(n_high, self.sigma, self.radius)
            matrix = sampling if matrix is None else sampling @ matrix
        return np.eye(n_high) if matrix is None else matrix


Encoding = KSpace | SliceProfile | Gaussian


def like_gaussian(encoding: Encoding, factor: float) -> float:
    """Standard deviation, in voxels of the scan, of the Gaussian that keeps as much of half the Nyquist frequency."""
    if isinstance(encoding, Gaussian):
        return encoding.sigma / factor
    kept = float(encoding.transfer(np.array(MIDDLE), factor))
    return math.sqrt(max(0.0, -2 * math.log(max(kept, 1e-6)))) / (np.pi * MIDDLE)


def cosine_matrix(n: int) -> np.ndarray:
    """(n, n) float64, orthonormal: row k is the cosine of frequency k / n Nyquist, mirrored at the faces (DCT-II)."""
    return _cosines(n)


@lru_cache(maxsize=64)
def _cosines(n: int) -> np.ndarray:
    return np.asarray(fft.dct(np.eye(n), axis=0, norm="ortho"))


@lru_cache(maxsize=256)
def _sampled(encoding: KSpace | SliceProfile, n_high: int, n_low: int) -> np.ndarray:
    cosines = cosine_matrix(n_high)
    frequency = np.arange(n_high) / n_low
    kept = encoding.transfer(frequency, n_high / n_low)
    held = kept != 0
    centres = (np.arange(n_low) + 0.5) / n_low
    heights = np.where(frequency > 0, math.sqrt(2 / n_high), math.sqrt(1 / n_high))
    samples = np.cos(np.pi * np.outer(centres, np.arange(n_high)[held])) * (heights * kept)[held]
    return np.asarray(samples @ cosines[held])


def _window(name: Window, place: np.ndarray) -> np.ndarray:
    """The window at ``place`` of the acquired half-line, 1 being its end."""
    windows: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "none": np.ones_like,
        "hamming": lambda x: 0.54 + 0.46 * np.cos(np.pi * x),
        "tukey": lambda x: 0.5 + 0.5 * np.cos(np.pi * np.clip((x - (1 - TUKEY_TAPER)) / TUKEY_TAPER, 0, 1)),
        "fermi": lambda x: 1 / (1 + np.exp((x - FERMI_RADIUS) / FERMI_WIDTH)),
    }
    return windows[name](np.asarray(place, np.float64))
