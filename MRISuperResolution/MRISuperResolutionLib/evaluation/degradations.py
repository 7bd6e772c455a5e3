"""The degradations of the papers, and our own, by name; needs neither numpy nor torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Degradation:
    """How truths are degraded: ``factors`` as texts such as "2" or "2,2,3", and what ``mrisr compare`` calls
    ``planes``, ``acquisition`` (a name or a file; None: the papers' blur), ``blur``, ``sigma``, ``radius``,
    ``kspace``, ``noise`` and ``sampling``."""

    factors: tuple[str, ...] = ("2",)
    planes: tuple[str, ...] = ()
    acquisition: str | None = None
    blur: str = "fixed"
    sigma: float = 1.0
    radius: int | None = None
    kspace: float = 1.0
    noise: float = 0.0
    sampling: str = "cells"


PROTOCOLS = {
    # our own: volumes, at the factors of the papers' tables
    "volumes": Degradation(factors=("2", "3", "4")),
    # section 4.2: slices of three planes, a Gaussian kernel of 3 x 3 with a standard deviation of 1, then every 2nd,
    # 3rd or 4th sample
    "du2019": Degradation(
        factors=("2", "3", "4"), planes=("sagittal", "coronal", "axial"), radius=1, sampling="corners"
    ),
    # section 3.1 and Table 1: Gaussian of standard deviation 1. How they sample they do not say: here cells
    "pham2017": Degradation(factors=("2", "2,2,3", "2,2.5,2", "2,3,3", "2.5", "3")),
    # Lyu et al., section II.1: the central quarter of the spectrum of T2w slices, the matrix size stays
    "mri-gan": Degradation(factors=("1",), planes=("axial",), kspace=0.5),
}
