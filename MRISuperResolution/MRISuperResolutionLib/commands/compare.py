"""compare methods on volumes that are degraded and brought back: tables of PSNR, SSIM, time and memory

Writes scores.csv and scores.md to a folder. What was computed is kept there: a run that was interrupted, or is asked
for one method more, does no work twice.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .upscale import add_computing_arguments, computing

if TYPE_CHECKING:
    from ..acquisition import Acquisition
    from ..comparing.case import Case
    from ..training.truth import Truth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="*", metavar="DATA", help="volumes: a folder, a pattern, a BIDS tree or a manifest (CSV, TSV)"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the methods, one a line")
    parser.add_argument("--data-folder", type=Path, metavar="PATH", help="that the paths of a manifest start from")
    parser.add_argument("--contrasts", nargs="+", default=[], metavar="NAME", help="to compare on")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="default: all; spline is always there")
    parser.add_argument(
        "--factors", nargs="+", default=["2"], metavar="F", help="as 2 or 1,1,3 (i, j, k); default: 2"
    )
    parser.add_argument(
        "--planes", nargs="+", default=[], choices=("axial", "coronal", "sagittal"), help="degrade slices of these"
    )
    parser.add_argument("--sigma", type=float, default=1.0, metavar="X", help="of the blur, in HR voxels; default: 1")
    parser.add_argument("--radius", type=int, metavar="N", help="HR voxels that the kernel reaches")
    parser.add_argument(
        "--kspace", type=float, default=1.0, metavar="X", help="share of k-space that is kept along an axis"
    )
    parser.add_argument("--noise", type=float, default=0.0, metavar="X", help="Rician, as a share of the range")
    parser.add_argument("--everywhere", action="store_true", help="compare all voxels, not those of tissue alone")
    parser.add_argument("--out", type=Path, default=Path("comparison"), metavar="FOLDER", help="default: comparison")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that compute (default: 1)")
    add_computing_arguments(parser)


def run(options: argparse.Namespace) -> None:
    from ..comparing.contenders import check, listed
    from ..comparing.run import compare
    from ..comparing.tables import csv_text, markdown
    from ..errors import RequestError
    from ..files.whole import write_whole
    from ..weights import SPLINE

    if options.list:
        print("\n".join(listed()))
        return
    if not options.data:
        raise RequestError("there is nothing to compare on: name volumes, a folder or a manifest")
    if options.jobs < 1:
        raise RequestError(f"--jobs must be 1 or more, not {options.jobs}")
    methods = list(dict.fromkeys([SPLINE, *(options.methods or listed())]))
    check(methods)
    cases = _cases(options)
    scores = []
    found = compare(cases, methods, options.out / "scores", computing(options), options.everywhere, options.jobs)
    for score in found:
        scores.append(score)
        if score.psnr_db is not None:
            print(f"{score.subject} {score.label} {score.method}: {score.psnr_db:.2f} dB", file=sys.stderr)
    order = {case.key: number for number, case in enumerate(cases)}
    scores.sort(key=lambda score: (order[score.case], methods.index(score.method)))
    text = markdown(scores, methods)
    write_whole(options.out / "scores.csv", csv_text(scores))
    write_whole(options.out / "scores.md", text)
    print(text)


def _cases(options: argparse.Namespace) -> list[Case]:
    from ..comparing.case import cases

    factors = [_factors(text) for text in options.factors]
    return cases(_truths(options), factors, options.planes, _settings(options))


def _truths(options: argparse.Namespace) -> list[Truth]:
    """The volumes; of data that is split, those that validate."""
    from ..errors import RequestError
    from ..training.gather import gather

    truths: list[Truth] = []
    for data in options.data:
        folder = options.data_folder
        given = gather(str(folder), Path(data)) if folder else gather(data)
        validating = [truth for truth in given if truth.split == "validate"]
        truths += validating or given
    there = {truth.contrast for truth in truths}
    if missing := set(options.contrasts) - there:
        raise RequestError(f"no volume is {' or '.join(sorted(missing))}: choose from {', '.join(sorted(there))}")
    # the others may still be references
    return [truth for truth in truths if not options.contrasts or truth.contrast in options.contrasts]


def _settings(options: argparse.Namespace) -> Acquisition:
    from ..acquisition import Acquisition

    return Acquisition(
        (1, 1, 1),
        sigma=options.sigma,
        radius=options.radius,
        kspace=(options.kspace,) * 3,
        noise="rician" if options.noise else "none",
        noise_level=options.noise,
    )


def _factors(text: str) -> list[float]:
    from ..errors import RequestError

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise RequestError(f"cannot read the factors {text!r}: write one number or three, such as 2 or 1,1,3")
    return numbers
