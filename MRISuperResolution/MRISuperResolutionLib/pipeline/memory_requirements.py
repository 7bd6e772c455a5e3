"""What a request keeps in memory as a whole, beside the process and a network's feature maps; needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import OutOfMemory
from ..image.grid import Size
from ..inference.tta import views
from ..models.card import Card
from ..runtime.memory import GIB, process_memory
from .request import Plan

if TYPE_CHECKING:
    # the methods need scipy, which takes its time
    from ..methods.base import Method

WHOLE_BYTES = 13
"""Of each voxel of a result that is made as a whole: float32, and what it is made of."""

REFERENCE_BYTES = 4
"""Of each voxel of a reference on the grid of the result; one more is there while they are brought to it."""

DETAIL_BYTES = 4
"""Of each number that a network on a scan's grid adds; as many again while another view of the scan gives them, and
while they are brought to the grid of the result."""


@dataclass(frozen=True)
class Needs:
    """For a result of ``size`` voxels, ``bytes`` of memory, ``after`` of them only once a network has computed; and
    what would take less, in the words of a message."""

    size: Size
    bytes: int
    instead: tuple[str, ...]
    after: int = 0

    def fits(self, limit: int) -> bool:
        """Whether this process can take as much."""
        return process_memory() + self.bytes <= limit

    def check(self, limit: int) -> None:
        """Raise OutOfMemory, before the work starts, where this process cannot take as much."""
        needed = process_memory() + self.bytes
        if not self.fits(limit):
            *others, last = *self.instead, "ask for a smaller factor", "raise the memory limit (--max-memory)"
            raise OutOfMemory(
                f"a result of {' x '.join(map(str, self.size))} voxels needs {needed / GIB:.2f} GiB, and "
                f"{limit / GIB:.2f} GiB may be taken: {', '.join(others)} or {last}"
            )


def needs(
    model: Card | Method | None,
    plan_: Plan,
    *,
    told: bool = False,
    references: int = 0,
    expect_errors: bool = False,
    room_bytes: float = 0,
) -> Needs:
    """Of a network by its card, or a method (None: spline).

    told           whether something is said of the scan's blur
    references     how many are given
    expect_errors  whether the errors to expect are asked for
    room_bytes     that each voxel of the result takes where it is put (see ``rooms``): nothing in most files
    """
    per_voxel, instead = room_bytes, []
    if room_bytes:
        instead.append("write it as .nii, .nrrd or .mha, piece by piece")
    if references:
        per_voxel += REFERENCE_BYTES * (references + 1)
        instead.append("leave out the reference")
    if not (model is None or isinstance(model, Card) or model.piecewise):
        per_voxel += WHOLE_BYTES + model.bytes_voxel
        instead.append("choose an interpolation or a network")
    if isinstance(model, Card) and (told or model.restoring):
        per_voxel += WHOLE_BYTES
        instead.append("choose a network on the result's grid" if model.restoring else "leave out the blur")
    held, after = per_voxel * math.prod(plan_.target.size), 0
    if isinstance(model, Card) and model.restoring:
        cells = math.prod(model.cells.fine) * math.prod(plan_.source.size)
        detail = DETAIL_BYTES * cells * (2 if expect_errors and model.trust else 1)
        held += 2 * detail
        after = WHOLE_BYTES * math.prod(plan_.target.size) + (detail if len(views(plan_.factors)) == 1 else 0)
    return Needs(plan_.target.size, int(held), tuple(instead), after)
