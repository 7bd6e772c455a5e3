"""What a study found, as a table and as a picture of the curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ..evaluation.figures import empty_figure
from ..evaluation.tables import table
from .run import Finding
from .studies import Study


def csv_text(findings: Sequence[Finding]) -> str:
    """One line a value."""
    text = io.StringIO()
    gains = _gains(findings)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["value", "parameters", *(f"{gain} db" for gain in gains), "seconds_per_step"])
    for finding in findings:
        figures = [finding.gains.get(gain) for gain in gains]
        writer.writerow([finding.value, finding.parameters, *figures, finding.seconds_step])
    return text.getvalue()


def markdown(name: str, study: Study, findings: Sequence[Finding]) -> str:
    gains = _gains(findings)
    rows = []
    for finding in findings:
        figures = [f"{finding.gains[gain]:+.2f}" if gain in finding.gains else "-" for gain in gains]
        seconds = "-" if finding.seconds_step is None else f"{finding.seconds_step:.2f}"
        rows.append([finding.value, f"{finding.parameters:,}", *figures, seconds])
    words = (
        "Mean gain in PSNR over cubic spline on the validation volumes' middle, in dB. Seconds are those of the "
        "machine that trained."
    )
    head = [name, "parameters", *gains, "seconds a step"]
    return f"# {name}\n\n{study.about}.\n\n{words}\n\n{table(head, rows)}\n"


def picture(name: str, findings: Sequence[Finding]) -> bytes:
    """A PNG of the mean gain at the factors that each was trained for, as it grew."""
    figure = empty_figure(9, 5)
    axes = figure.subplots()
    for finding in findings:
        axes.plot(*finding.curve, marker=".", label=finding.value)
    axes.axhline(0, color="0.6")
    axes.set_title(name)
    axes.set_xlabel("step")
    axes.set_ylabel("gain over spline, dB")
    axes.grid(color="0.9")
    axes.legend()
    content = io.BytesIO()
    figure.savefig(content, dpi=100)
    return content.getvalue()


def _gains(findings: Sequence[Finding]) -> list[str]:
    """Names of all gains, in the order in which they come first."""
    return list(dict.fromkeys(gain for finding in findings for gain in finding.gains))
