"""How a network on a scan's grid takes the scan's voxels, and how fine what it gives is; needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..image.grid import Size

WIDTHS = 7
"""Conditions of networks that know a blur by its width alone: three factors, three widths, the noise."""

RESPONSES = WIDTHS + 12
"""Conditions of networks that are given what the scan kept of four frequencies along each axis, too."""


@dataclass(frozen=True)
class Cells:
    """Along each axis, that with the largest factor last.

    together    voxels of the scan that the network takes for one, each in a channel of its own
    fine        cells of what it gives in each voxel of the scan
    conditions  numbers that it is given of the acquisition (see ``restoration.conditions``)
    """

    together: Size
    fine: Size
    conditions: int = WIDTHS

    @property
    def factors(self) -> Size:
        """Cells of what the network gives to one voxel of its own."""
        i, j, k = (one * other for one, other in zip(self.together, self.fine, strict=True))
        return i, j, k

    @property
    def thick(self) -> bool:
        """Whether it is for slices that stay as fine in their plane as they are."""
        return self.together == OF_THICK_SLICES.together

    @property
    def voxels(self) -> int:
        """Of the scan, in one of the network's."""
        return math.prod(self.together)

    @property
    def count(self) -> int:
        """Of what the network gives, in one of its voxels."""
        return math.prod(self.factors)

    def taken(self, size: Sequence[int]) -> tuple[int, ...]:
        """Voxels of the network along each axis of a scan of ``size``, the last of which may reach beyond it."""
        return tuple(-(-n // edge) for n, edge in zip(size, self.together, strict=True))


EACH = Cells((1, 1, 1), (3, 3, 3))

OF_THICK_SLICES = Cells((2, 2, 1), (1, 1, 3))
"""In their plane slices are as fine as the result is to be: four voxels are so close that one place will do."""


def cells_of(architecture: dict[str, Any]) -> Cells:
    """Those of the network that ``networks.build`` makes of it."""
    cells = OF_THICK_SLICES if architecture.get("thick_slices") else EACH
    return replace(cells, conditions=RESPONSES) if architecture.get("response") else cells
