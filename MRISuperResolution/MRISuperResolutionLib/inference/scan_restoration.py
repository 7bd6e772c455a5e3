"""What NullSpaceNet is given of a scan, and the volume that its detail makes: consistent with what is known of
the scan.

Works on numpy arrays and on torch tensors alike; all steps are matrices along the axes (see ``operators``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..image.grid import Triple, axes_by_factor
from ..image.linear_operators import resample
from ..networks.spec import EACH, RESPONSES, Cells
from ..physics.acquisition import Acquisition
from ..physics.data_consistency import DataConsistency, regularization_of
from ..physics.encoding import SliceProfile, like_gaussian
from ..physics.forward_operator import ForwardOperator
from .tta import AS_IT_IS, View

USUAL_NOISE = 0.01
"""Of a clinical scan, as a share of its range."""

UNKNOWN = -1.0
"""What stands in the conditions for a blur and a noise that are not known."""

NOISE_SCALE = 20
"""Brings a noise level of 5 % to 1."""

RESPONSE_AT = (0.5, 0.75, 1.0, 1.5)
"""Frequencies, in units of the scan's Nyquist frequency, at which a network is given what the scan kept."""


def usual_scan(factors: Triple) -> Acquisition:
    """What a scan of which nothing is known is compared with, to show the residual of a result: profiles as wide as
    its voxels, a little noise."""
    return Acquisition(factors, (SliceProfile(),) * 3, noise="rician", noise_level=USUAL_NOISE)


def sharp_scan(factors: Triple, noise_level: float = USUAL_NOISE) -> Acquisition:
    """A scan whose k-space ends at its own voxels."""
    return Acquisition.three_d(factors).with_noise(noise_level)


class Restoration:
    """A scan of ``low`` voxels that ``acquisition`` made of a volume of ``size`` voxels, undone by a network.

    Where nothing is known of the scan (None), the network sees for itself how sharp it is, and its detail stays as it
    is: a step that undoes a blur which never was does more harm than the detail does good.

    The network sees the axes in the order of their factors, the largest last, and the scan in its ``cells``.
    Intensities are normalised.
    Raises RequestError where the acquisition makes another size of ``size``, or a factor is out of range.
    """

    def __init__(
        self, acquisition: Acquisition | None, size: Sequence[int], low: Sequence[int], cells: Cells = EACH
    ) -> None:
        i, j, k = factors = [n / m for n, m in zip(size, low, strict=True)]
        self.told = acquisition is not None
        assumed = acquisition or usual_scan((i, j, k))
        self.operator = ForwardOperator(assumed, size, low)
        self.size, self.low, self.cells = tuple(size), tuple(low), cells
        self.order = axes_by_factor(factors)
        self.conditions = conditions(acquisition, factors, self.order, cells.conditions)

    def source(
        self, low: np.ndarray, references: Sequence[np.ndarray] = (), taken: int = 0, view: View = (AS_IT_IS,) * 3
    ) -> np.ndarray:
        """The network's input (voxels + conditions + cells taken, *space): of the scan [i, j, k] and of references
        over the same box, on any grid; zeros for those that lack. ``view``: of the space, of all of them."""
        images = [_gathered(low.transpose(self.order)[view], self.cells.together)]
        space = images[0].shape[1:]
        images += [np.full((1, *space), value, low.dtype) for value in self.conditions]
        fine = [n * self.cells.fine[self.order.index(axis)] for axis, n in enumerate(self.low)]
        for reference in references:
            images.append(_gathered(resample(reference, fine).transpose(self.order)[view], self.cells.factors))
        lacking = (taken - len(references)) * self.cells.count
        images += [np.zeros((lacking, *space), low.dtype)] * (lacking > 0)
        return np.concatenate(images)

    def within(self, made: Any) -> Any:
        """What the network gives (..., *cells), without what lies beyond the scan."""
        i, j, k = (n * self.cells.fine[number] for number, n in enumerate(self.low[axis] for axis in self.order))
        return made[..., :i, :j, :k]

    def volume(self, detail: Any, low: Any) -> Any:
        """The volume [i, j, k] of the detail (*cells) that the network gave and of the scan [i, j, k]."""
        return self.explaining(self.detailed(detail, low), low)

    def detailed(self, detail: Any, low: Any) -> Any:
        """The spline of the scan with the detail, as it is."""
        return resample(low, self.size) + resample(self._turned_back(detail), self.size)

    def explaining(self, high: Any, low: Any) -> Any:
        """The volume ``high``, changed as little as it takes to explain the scan; as it is where nothing is
        known of that."""
        if not self.told:
            return high
        return DataConsistency(self.operator).prox_l2(high, low, regularization_of(self.operator.noise_level))

    def missing(self, high: Any, low: Any) -> Any:
        """What the volume ``high`` does not explain of the scan, on the scan's grid; by the usual acquisition where
        nothing is known."""
        return self.operator.residual(high, low)

    def expected_error(self, doubt: Any) -> Any:
        """The errors to expect [i, j, k] of what the network says of them (*cells): their logarithm."""
        spread = resample(self._turned_back(doubt), self.size)
        return np.exp(spread) if isinstance(spread, np.ndarray) else spread.exp()

    def _turned_back(self, fine: Any) -> Any:
        """The axes in the order of the scan's, nothing beyond it."""
        fine = self.within(fine)
        back = [self.order.index(axis) for axis in range(3)]
        return fine.transpose(back) if isinstance(fine, np.ndarray) else fine.permute(back)


def conditions(
    acquisition: Acquisition | None, factors: Sequence[float], order: Sequence[int] = (0, 1, 2), count: int = 7
) -> list[float]:
    """The ``count`` numbers that a network is given of the scan, its axes in their ``order``: along each axis one
    over the factor; then the width of the blur over the scan's voxel (0: k-space ends); then the noise. ``UNKNOWN``
    for what is not known. Of networks with a ``response`` then, along each axis, what is kept at ``RESPONSE_AT``."""
    chosen = [factors[axis] for axis in order]
    scales = [1 / factor for factor in chosen]
    if acquisition is None:
        unknown = [0.0 if factor == 1 else UNKNOWN for factor in chosen]
        numbers = [*scales, *unknown, UNKNOWN]
        kept = [UNKNOWN] * (RESPONSES - len(numbers))
    else:
        axes = [(acquisition.axes[axis], factor) for axis, factor in zip(order, chosen, strict=True)]
        widths = [0.0 if factor == 1 else like_gaussian(encoding, factor) for encoding, factor in axes]
        numbers = [*scales, *widths, NOISE_SCALE * acquisition.noise_level]
        # axes that stay as they are have nothing to undo
        kept = [
            float(encoding.transfer(np.array(f), factor)) if factor > 1 else float(f <= 1)
            for encoding, factor in axes
            for f in RESPONSE_AT
        ]
    return (numbers + kept)[:count]


def _gathered(image: np.ndarray, edges: Sequence[int]) -> np.ndarray:
    """(*space) -> (all of a box of these ``edges``, *boxes): the values in each; the last of them are repeated beyond
    the image."""
    boxes = [-(-n // edge) for n, edge in zip(image.shape, edges, strict=True)]
    beyond = [(0, box * edge - n) for box, edge, n in zip(boxes, edges, image.shape, strict=True)]
    i, j, k = boxes
    di, dj, dk = edges
    parts = np.pad(image, beyond, mode="edge").reshape(i, di, j, dj, k, dk).transpose(1, 3, 5, 0, 2, 4)
    return parts.reshape(-1, *boxes)
