"""What became of the planted structures, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .detection import FALSE_ALARMS, Verdict, share_found
from .lesion_insertion import SHAPES
from .study import Harvest

PER_CM3 = 100


def markdown(harvests: Sequence[Harvest]) -> str:
    """A table for each kind of case: found, contrast and volume left of each shape, and what was invented."""
    labels = list(dict.fromkeys(harvest.label for harvest in harvests))
    return "\n\n".join(_table(label, [h for h in harvests if h.label == label]) for label in labels)


def _table(label: str, harvests: Sequence[Harvest]) -> str:
    subjects = len({harvest.subject for harvest in harvests})
    methods = list(dict.fromkeys(harvest.method for harvest in harvests))
    shapes = [shape.name for shape in SHAPES]
    head = [
        f"{label}, {subjects} volume(s). Found (a false alarm in {FALSE_ALARMS:.0%} of the places without), contrast "
        "left, volume left; widths in voxels of the truth. Invented: blobs that are not there, in "
        f"{PER_CM3} cm3.",
        "",
        f"| method | {' | '.join(shapes)} | invented |",
        f"|{' --- |' * (len(shapes) + 2)}",
    ]
    return "\n".join([*head, *(_row(m, shapes, [h for h in harvests if h.method == m]) for m in methods)])


def _row(method: str, shapes: Sequence[str], harvests: Sequence[Harvest]) -> str:
    verdicts = [verdict for harvest in harvests for verdict in harvest.verdicts]
    cells = [_cell([v for v in verdicts if v.shape == shape]) for shape in shapes]
    searched = sum(h.searched_cm3 for h in harvests)
    rate = f"{PER_CM3 * sum(h.invented for h in harvests) / searched:.2g}" if searched else ""
    return f"| {method} | {' | '.join(cells)} | {rate} |"


def _cell(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    contrast, volume = (float(np.median([getattr(v, name) for v in verdicts])) for name in ("contrast", "volume"))
    return f"{share_found(verdicts):.0%}, {contrast:.2f}, {volume:.2f}"
