"""Scores as tables: a CSV of all, and Markdown of means, gains over spline and their significance."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from ..models.card import SPLINE
from .score import Score

FEWEST_PAIRS = 6
"""With fewer pairs no Wilcoxon test can be significant at 5 % on both sides."""

SHOWN = (
    ("ssim", 4),
    ("ssim_slices", 4),
    ("nrmse", 4),
    ("gradient_error", 3),
    ("high_frequency_error", 3),
    ("unexplained", 5),
)
"""Metrics of the table of means beside PSNR, and their digits."""

HEAD = (
    *("method", "volumes", "PSNR dB", "gain dB"),
    *("SSIM", "SSIM 2D", "NRMSE", "gradient", "detail", "unexplained"),
    *("seconds", "most GiB"),
)


def csv_text(scores: Sequence[Score]) -> str:
    """One line a score, those of methods that were not made for a case included."""
    text = io.StringIO()
    rows = [score.facts() for score in scores]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown(scores: Sequence[Score], methods: Sequence[str]) -> str:
    """For each kind of case a table of means; then PSNR volume by volume, and Wilcoxon's test."""
    parts = ["# Comparison", MEANINGS]
    for label in dict.fromkeys(score.label for score in scores):
        chosen = [score for score in scores if score.label == label]
        parts += [f"## {label}", _means(chosen, methods), _volumes(chosen, methods)]
    tests = _tests(scores, methods)
    return "\n\n".join([*parts, "## Significance", tests]) + "\n"


MEANINGS = """Mean (standard deviation) over the volumes, inside the tissue (its two outermost voxels left out)
unless all voxels were asked for; gain: PSNR over that of the cubic spline on the same volumes. PSNR over the range
of the truth's intensities; SSIM with Gaussian weights of 1.5 voxels, in 3D, and in 2D of each axial slice. Gradient
and detail: root mean square of the error of the gradient's magnitude, and of the error above the input's Nyquist
limit, over that of the truth; 1 where nothing of it is restored. Unexplained: root mean square of the scan less a
scan of the result, over the scan's range. Limit: the PSNR of a result that is wrong in nothing but the truth's own
noise (estimated from third differences), which no scan at a lower resolution foretells. Seconds and memory are
those of the machine that computed them. A dash: the method was not made for it."""


def _means(scores: Sequence[Score], methods: Sequence[str]) -> str:
    spline = {score.case: score for score in _of(SPLINE, scores)}
    rows = []
    for method in methods:
        own = _of(method, scores)
        if not own:
            rows.append([method, *["-"] * (len(HEAD) - 1)])
            continue
        gains = [s.psnr_db - spline[s.case].psnr_db for s in own if s.case in spline]  # type: ignore[operator]
        memory = [s.peak_memory_gib for s in own if s.peak_memory_gib is not None]
        rows.append(
            [
                method,
                str(len(own)),
                _spread([s.psnr_db for s in own], 2),
                _spread(gains, 2),
                *(_spread([getattr(s, name) for s in own], digits) for name, digits in SHOWN),
                f"{np.mean([s.seconds for s in own]):.1f}",
                f"{max(memory):.2f}" if memory else "-",
            ]
        )
    return table(HEAD, rows)


def _volumes(scores: Sequence[Score], methods: Sequence[str]) -> str:
    subjects = list(dict.fromkeys((score.subject, score.case) for score in scores))
    found = {(score.case, score.method): score.psnr_db for score in scores}
    limits = {score.case: score.limit_db for score in scores if score.limit_db is not None}
    rows = [
        [subject, *(_decibels(found.get((case, m))) for m in methods), _decibels(limits.get(case))]
        for subject, case in subjects
    ]
    return "PSNR in dB:\n\n" + table(["subject", *methods, "limit"], rows)


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _tests(scores: Sequence[Score], methods: Sequence[str]) -> str:
    """p of Wilcoxon's signed-rank test, both sides, on the PSNR of all cases that both methods served."""
    found = {m: {score.case: score.psnr_db for score in _of(m, scores)} for m in methods}
    rows = []
    for one in methods:
        row = [one]
        for other in methods:
            both = [(found[one][c], found[other][c]) for c in found[one] if c in found[other]]
            differences = np.array([a - b for a, b in both if a is not None and b is not None])
            if one == other or len(differences) < FEWEST_PAIRS or not differences.any():
                row.append("-")
            else:
                sign = "+" if np.median(differences) > 0 else "-"
                row.append(f"{sign}{stats.wilcoxon(differences).pvalue:.1e}")
        rows.append(row)
    words = (
        "p of Wilcoxon's signed-rank test on PSNR, all cases that both served; + where the method of the line is "
        f"the better one. A dash: fewer than {FEWEST_PAIRS} pairs."
    )
    return f"{words}\n\n{table(['method', *methods], rows)}"


def _of(method: str, scores: Iterable[Score]) -> list[Score]:
    return [score for score in scores if score.method == method and score.psnr_db is not None]


def _spread(values: Sequence[float | None], digits: int) -> str:
    numbers = np.array([value for value in values if value is not None])
    if not numbers.size:
        return "-"
    deviation = numbers.std(ddof=1) if len(numbers) > 1 else 0.0
    return f"{numbers.mean():.{digits}f} ({deviation:.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
