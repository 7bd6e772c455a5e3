"""The figures of a benchmark as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .memory_limited_run import Bounded
from .scaling import Point
from .throughput import Result
from .training_speed import Steps

COLUMNS: dict[str, Callable[[Result], str]] = {
    "model": lambda r: r.model,
    "device": lambda r: r.device,
    "precision": lambda r: r.precision,
    "seconds": lambda r: f"{r.seconds:.2f}",
    "million voxels/s": lambda r: f"{r.voxels_per_s / 1e6:.3f}",
    "skipped": lambda r: f"{r.skipped_share:.0%}",
    "share of peak": lambda r: f"{r.share_of_peak:.0%}",
    "redundant": lambda r: f"{r.redundant_share:.0%}",
    "peak GiB": lambda r: _text(r.peak_memory_gib, ".2f"),
    "deviation": lambda r: _text(r.deviation, ".1e"),
    "plain float32": lambda r: _text(r.speedup_over_plain, ".2f"),
    "MONAI's defaults, float32": lambda r: _text(r.speedup_over_monai_default, ".2f"),
    "MONAI's best": lambda r: _text(r.speedup_over_monai_best, ".2f"),
}
"""Of the table: from a result to its text; the last three say how many times longer others take."""


TRAINING_COLUMNS: dict[str, Callable[[Steps], str]] = {
    "model": lambda s: s.model,
    "precision": lambda s: s.precision,
    "batch": lambda s: str(s.batch),
    "patch": lambda s: str(s.patch),
    "seconds a step": lambda s: f"{s.seconds:.2f}",
    "patches/s": lambda s: f"{s.patches_per_s:.2f}",
    "share of peak": lambda s: f"{s.share_of_peak:.0%}",
    "hours for the paper's 640,000 patches": lambda s: f"{s.hours_of_the_papers_patches:.1f}",
}
"""Of the table of training steps."""


BOUNDED_COLUMNS: dict[str, Callable[[Bounded], str]] = {
    "model": lambda b: b.model,
    "million voxels": lambda b: f"{b.voxels / 1e6:.1f}",
    "may take GiB": lambda b: f"{b.max_memory_gib:g}",
    "peak GiB": lambda b: f"{b.peak_gib:.2f}",
    "forecast GiB": lambda b: f"{b.forecast_gib:.2f}",
    "seconds": lambda b: f"{b.seconds:.1f}",
    "forecast seconds": lambda b: f"{b.forecast_seconds:.1f}",
}
"""Of the table of runs in a bounded memory."""


GROWTH_COLUMNS: dict[str, Callable[[Point], str]] = {
    "cause": lambda p: p.cause,
    "so large": lambda p: f"{p.large:.6g}",
    "seconds": lambda p: f"{p.seconds:.3g}",
    "GiB": lambda p: _text(p.gib, ".3g"),
}
"""Of the table of what cost grows with."""


SLOPE_COLUMNS: dict[str, Callable[[tuple[str, dict[str, float | None]]], str]] = {
    "cause": lambda s: s[0],
    "seconds grow with its power": lambda s: _text(s[1]["seconds"], ".2f"),
    "GiB with": lambda s: _text(s[1]["gib"], ".2f"),
}
"""Of the table of how it grows."""


def table(facts: Mapping[str, Any], columns: Mapping[str, Callable[[Any], str]], entries: Sequence[Any]) -> str:
    """Markdown: what measured, and what, in a line; then a row for each entry."""
    named = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    rows = [list(columns), ["---"] * len(columns), *([text(entry) for text in columns.values()] for entry in entries)]
    return "\n".join([named, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
