"""compare methods on volumes that are degraded and brought back: tables of PSNR, SSIM, time and memory, pictures

Writes scores.csv, scores.md and a picture of each kind of case to a folder. What was computed is kept there: a run
that was interrupted, or is asked for one method more, does no work twice.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...evaluation.degradations import PROTOCOLS, Degradation
from .degrade import refuse_unused
from .upscale import add_computing_arguments, computing, refuse_both

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...dataset.subjects import Truth
    from ...evaluation.case import Case
    from ...evaluation.score import Score
    from ...physics.acquisition import Acquisition


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is degraded."""
    parser.add_argument(
        "data", nargs="*", metavar="DATA", help="volumes: a folder, a pattern, a BIDS tree or a manifest (CSV, TSV)"
    )
    parser.add_argument("--data-folder", type=Path, metavar="PATH", help="that the paths of a manifest start from")
    parser.add_argument("--contrasts", nargs="+", default=[], metavar="NAME", help="to compare on")


def add_degradation_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say how (see ``protocols.Degradation``)."""
    parser.add_argument(
        "--protocol",
        nargs="+",
        choices=list(PROTOCOLS),
        help="degrade as these papers do, or volumes as we do; the options below override them",
    )
    parser.add_argument("--factors", nargs="+", metavar="F", help="as 2 or 1,1,3 (i, j, k); default: 2")
    parser.add_argument(
        "--planes", nargs="+", choices=("axial", "coronal", "sagittal"), help="degrade slices of these"
    )
    parser.add_argument(
        "--acquisition",
        metavar="NAME",
        help="what the scanner does: 3d (k-space ends at the voxels), 2d-multislice (a slice profile along the axis "
        "with the largest factor), gaussian (the papers' blur of one fine voxel; default), or a JSON file",
    )
    # how earlier versions described the papers' blur
    parser.add_argument("--blur", choices=("fixed", "thickness", "none"), help=argparse.SUPPRESS)
    parser.add_argument("--sigma", type=float, metavar="X", help=argparse.SUPPRESS)
    parser.add_argument("--radius", type=int, metavar="N", help=argparse.SUPPRESS)
    parser.add_argument("--kspace", type=float, metavar="X", help=argparse.SUPPRESS)
    parser.add_argument("--noise", type=float, metavar="X", help="Rician, as a share of the range")
    parser.add_argument(
        "--sampling", choices=("cells", "corners"), help="corners: every Nth sample, as the papers; default: cells"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    parser.add_argument("--list", action="store_true", help="print the names of the methods, one a line")
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME",
        help="default: all; spline is always there. NAME+consistent: what the network NAME makes, changed so that it "
        "explains the scan; NAME+untold, NAME+sharp, NAME+sigma=X: told nothing of the scan, or of no blur or one of "
        "X fine voxels and the usual noise, whatever they were",
    )
    add_degradation_arguments(parser)
    parser.add_argument("--everywhere", action="store_true", help="compare all voxels, not those of tissue alone")
    parser.add_argument("--out", type=Path, default=Path("comparison"), metavar="FOLDER", help="default: comparison")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that compute (default: 1)")
    add_computing_arguments(parser)


def run(options: argparse.Namespace) -> None:
    from ...errors import RequestError
    from ...evaluation.compare import compare
    from ...evaluation.entrants import check, listed
    from ...evaluation.figures import empty_figure
    from ...evaluation.metrics import check_packages
    from ...evaluation.tables import csv_text, markdown
    from ...io.atomic import write_whole
    from ...models.card import SPLINE

    if options.list:
        print("\n".join(listed()))
        return
    if not options.data:
        raise RequestError("there is nothing to compare on: name volumes, a folder or a manifest")
    if options.jobs < 1:
        raise RequestError(f"--jobs must be 1 or more, not {options.jobs}")
    methods = list(dict.fromkeys([SPLINE, *(options.methods or listed())]))
    check(methods)
    check_packages()
    empty_figure(1, 1)
    cases = make_cases(options)
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
    _draw(cases, scores, options.out)
    print(text)


def _draw(cases: Sequence[Case], scores: Sequence[Score], folder: Path) -> None:
    """A picture of the first case of each kind."""
    from ...evaluation.comparison_figure import draw
    from ...io.atomic import write_whole

    for case in reversed({case.label: case for case in reversed(cases)}.values()):
        name = re.sub(r"[^A-Za-z0-9.]+", "-", case.label).lower()
        write_whole(folder / f"{name}.png", draw(case, [score for score in scores if score.case == case.key]))


def _degradations(options: argparse.Namespace) -> list[Degradation]:
    """Those of the protocols, with the options that are given in place of their settings."""
    given = {entry.name: getattr(options, entry.name) for entry in fields(Degradation)}
    bases = [PROTOCOLS[name] for name in options.protocol or ()] or [Degradation()]
    return [replace(base, **{name: value for name, value in given.items() if value is not None}) for base in bases]


def make_cases(options: argparse.Namespace) -> list[Case]:
    """What the options of data and degradation ask for; what several protocols ask for, once."""
    from ...evaluation.case import cases
    from ...image.grid import factors_named

    refuse_both(options)
    degradations = _degradations(options)
    for degradation in degradations:
        refuse_unused(degradation.blur, options.sigma, options.radius)
    truths = _truths(options)
    found: dict[tuple[str, str], Case] = {}
    for degradation in degradations:
        factors = [factors_named(text) for text in degradation.factors]
        for case in cases(truths, factors, degradation.planes, _settings(degradation), degradation.noise):
            found.setdefault((case.truth.subject, case.key), case)
    return list(found.values())


def _truths(options: argparse.Namespace) -> list[Truth]:
    """The volumes; of data that is split, those that validate."""
    from ...dataset.load import gather
    from ...errors import RequestError

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


def _settings(degradation: Degradation) -> Acquisition | str:
    from ...physics.presets import acquisition_of_blur

    if degradation.acquisition is not None:
        return degradation.acquisition
    return acquisition_of_blur(
        degradation.blur,
        (1, 1, 1),
        degradation.sigma,
        degradation.radius,
        (degradation.kspace,) * 3,
        noise="rician" if degradation.noise else "none",
        noise_level=degradation.noise,
        sampling=degradation.sampling,
    )
