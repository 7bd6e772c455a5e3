"""What a way to a higher resolution that needs no trained weights has to offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..image.grid import LARGEST_FACTOR, Triple
from ..io.arrays import Source
from ..physics.acquisition import Acquisition


class Method(ABC):
    """A method by its ``name``; ``summary`` tells users in one line what it does.

    references   how many other contrasts of the head it can use; it never needs them
    bytes_voxel  memory that it takes for each voxel of the result, the result itself not counted
    undoes       whether it makes use of the acquisition
    piecewise    whether it is ``Piecewise``
    """

    name: str
    summary: str
    references: int = 0
    bytes_voxel: int = 0
    undoes: bool = True
    piecewise: bool = False

    # what a card says of a network, so that both are asked for in the same way
    dimensions = 3
    references_optional = True
    restoring = False
    trust: dict[str, Any] = {}  # noqa: RUF012
    factors = {"lowest": 1.0, "highest": LARGEST_FACTOR}  # noqa: RUF012

    @abstractmethod
    def upscale(
        self,
        low: np.ndarray,
        size: Sequence[int],
        *,
        acquisition: Acquisition,
        references: Sequence[np.ndarray] = (),
        report: Callable[[float], None] = lambda share: None,
    ) -> np.ndarray:
        """float32 [i, j, k] of ``low``'s grid -> float32 on the grid of ``size`` cells over the same box.

        Intensities are normalised (about 0 to 1). ``acquisition`` is how ``low`` came from what is sought;
        ``references`` lie on the target grid, normalised too. ``report`` is told the share that is done and
        may raise to cancel. ``low`` is left as it was.
        """


class Piecewise(Method):
    """A method that gives any piece of the result by itself."""

    piecewise = True

    @abstractmethod
    def source(self, low: np.ndarray, size: Sequence[int]) -> Source:
        """What ``upscale`` makes, computed where it is asked for."""


def assumed_acquisition(factors: Triple) -> Acquisition:
    """The acquisition that is undone where the user says nothing of the scan: the papers' blur of sigma 1."""
    return Acquisition.gaussian(factors)
