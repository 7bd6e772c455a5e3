"""Mirrored views of a scan: what a network makes of each, mirrored back, is averaged.

Where a network errs differently from one view to the next, the mean errs less (the self-ensemble of Timofte et al.
2016, "Seven ways to improve example-based single image super resolution"; they turn images, too, which voxels of
unequal edges forbid).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

View = tuple[slice, slice, slice]
"""Of an array's last three axes; mirrors back what it mirrored."""

AS_IT_IS, MIRRORED = slice(None), slice(None, None, -1)

FINER_FOR_TWO, FINER_FOR_FOUR = 12, 24
"""Voxels of the result to one of the scan from which on there are two views, and four: where a scan has so few voxels
that a network on its grid does no more work for a voxel of the result than for one of slices six times as thick."""


def views(factors: Sequence[float]) -> list[View]:
    """The views of a scan to be made finer by ``factors``, as it is first; no two differ along one axis alone."""
    # the same whatever their order
    finer = math.prod(sorted(factors))
    if finer < FINER_FOR_TWO:
        mirrored = [(0, 0, 0)]
    elif finer < FINER_FOR_FOUR:
        mirrored = [(0, 0, 0), (1, 1, 1)]
    else:
        mirrored = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    i, j, k = ([MIRRORED if view[axis] else AS_IT_IS for view in mirrored] for axis in range(3))
    return list(zip(i, j, k, strict=True))
