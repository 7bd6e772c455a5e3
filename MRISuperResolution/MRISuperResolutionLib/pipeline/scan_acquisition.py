"""Which acquisition a request works with: the one that is stated, or the one that is estimated from the scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from ..errors import RequestError
from ..image.grid import LARGEST_FACTOR, Grid, Triple
from ..image.volume import Volume
from ..methods.base import Method
from ..models.card import Card, own_folder
from ..physics.acquisition import Acquisition
from ..physics.estimation.estimate import Estimate, estimate, filled_up
from ..physics.presets import acquisition_named, in_words
from .request import Plan

AUTO = "auto"
"""The acquisition is estimated from the scan."""

LEAST_CUT = 0.05
"""Share of an axis' voxels that zero-filling must have added for the scan to be cropped."""


@dataclass(frozen=True)
class Scan:
    """A scan as it was acquired.

    volume, plan  on the grid of what was acquired
    acquisition   at the plan's factors; None: blind, or of no use to the model
    found         of the scan, if its acquisition was estimated
    optional      whether the result may do without data consistency
    messages      what a user is to be told of all this
    """

    volume: Volume
    plan: Plan
    acquisition: Acquisition | None = None
    found: Estimate | None = None
    optional: bool = False
    messages: tuple[str, ...] = ()


def estimated(volume: Volume) -> Estimate:
    """What the scanner did for ``volume`` (see ``physics.estimation``)."""
    return estimate(volume.array, volume.grid, own_folder())


def with_acquisition(
    volume: Volume, model: Card | Method, plan_: Plan, asked: Acquisition | Estimate | str | None
) -> Scan:
    """The scan for a ``model``, the acquisition as it was ``asked``: "auto" or what was found already, a name or a
    file, an Acquisition at the plan's factors, or None.

    Noise that a name leaves open is estimated. RequestError for an acquisition that is stated to an interpolation.
    """
    if not model.undoes:
        if not (asked in (None, AUTO) or isinstance(asked, Estimate)):
            raise RequestError(f"the model {model.name} interpolates and undoes nothing: leave out the acquisition")
        return Scan(volume, plan_)
    if asked is None or isinstance(asked, Acquisition):
        return Scan(volume, plan_, asked)
    if isinstance(asked, str) and asked != AUTO:
        stated = acquisition_named(asked, plan_.factors, volume.grid)
        if stated.noise == "none":
            stated = stated.with_noise(estimated(volume).noise_level)
        said = f"acquisition as stated: {in_words(stated)}, noise {100 * stated.noise_level:.1f} %"
        return Scan(volume, plan_, stated, messages=(said,))
    found = asked if isinstance(asked, Estimate) else estimated(volume)
    messages = [f"acquisition: {found.words}"]
    volume, plan_, found = _as_acquired(volume, model, plan_, found, messages)
    optional = isinstance(model, Card) and not model.restoring
    return Scan(volume, plan_, found.acquisition(plan_.factors), found, optional, tuple(messages))


def _as_acquired(
    volume: Volume, model: Card | Method, plan_: Plan, found: Estimate, messages: list[str]
) -> tuple[Volume, Plan, Estimate]:
    """The same for the scan that was cropped to what was acquired, where the model takes the factors of that."""
    grid = acquired_grid(volume.grid, found)
    factors = grid.factors_to(plan_.target)
    if grid.size == volume.grid.size or not _takes(model, factors):
        return volume, plan_, found
    messages.append(
        f"the scan was zero-filled: {' x '.join(map(str, grid.size))} of {' x '.join(map(str, volume.grid.size))} "
        "voxels were acquired, and are used"
    )
    volume, found = cropped(volume, found)
    source = grid if isinstance(model, Card) and model.restoring else plan_.source
    return volume, replace(plan_, source=source, factors=factors), found


def _takes(model: Card | Method, factors: Triple) -> bool:
    if max(factors) > LARGEST_FACTOR:
        return False
    return model.takes(factors) if isinstance(model, Card) and model.dimensions == 3 else not isinstance(model, Card)


def acquired_grid(grid: Grid, found: Estimate) -> Grid:
    """The grid of as many voxels as were acquired, over the same box: coarser where k-space was filled with zeros."""
    sizes = []
    for n, axis in zip(grid.size, found.axes, strict=True):
        kept = max(1, round(n * axis.share))
        sizes.append(kept if kept < (1 - LEAST_CUT) * n else n)
    return grid.with_size(sizes)


def cropped(volume: Volume, found: Estimate) -> tuple[Volume, Estimate]:
    """``volume`` on its ``acquired_grid`` (float32 where it is another than its own), and what was found of it."""
    grid = acquired_grid(volume.grid, found)
    if grid.size == volume.grid.size:
        return volume, found
    return Volume(fewer_cosines(volume.array, grid.size), grid, volume.header, volume.name), filled_up(found)


def fewer_cosines(array: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """``array`` [i, j, k] on the grid of ``size`` cells over the same box, no axis of which is finer: its lowest
    frequencies, as they are; float32."""
    made: np.ndarray = array.astype(np.float32)
    for axis, n in enumerate(size):
        held = made.shape[axis]
        if n < held:
            spectrum = fft.dct(made, axis=axis, norm="ortho")
            made = fft.idct(np.take(spectrum, range(n), axis), axis=axis, norm="ortho") * np.float32(
                np.sqrt(n / held)
            )
    return made
