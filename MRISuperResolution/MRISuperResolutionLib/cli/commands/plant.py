"""plant small lesions and vessels in true volumes, degrade, bring back: what is found, what erased, what invented?

Prints a table and writes it to a file: for each method and each size, down to below the scan's voxel, the share that
is found, the contrast and the volume that are left, and how many structures there are that nobody planted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import compare
from .upscale import add_computing_arguments, computing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    compare.add_data_arguments(parser)
    parser.add_argument("--methods", nargs="+", metavar="NAME", required=True, help="see mrisr compare --list")
    compare.add_degradation_arguments(parser)
    parser.add_argument("--count", type=int, default=70, metavar="N", help="structures in a volume (default: 70)")
    parser.add_argument(
        "--contrast", type=float, default=0.15, metavar="X", help="as a share of the volume's range (default: 0.15)"
    )
    parser.add_argument("--out", type=Path, metavar="MD", help="file for the table")
    add_computing_arguments(parser)


def run(options: argparse.Namespace) -> None:
    import sys

    from ...errors import RequestError
    from ...evaluation.detectability.report import markdown
    from ...evaluation.detectability.study import Planting, harvests
    from ...evaluation.entrants import check
    from ...io.atomic import write_whole

    if not options.data:
        raise RequestError("there is nothing to plant in: name volumes, a folder or a manifest")
    if options.count < 1 or not 0 < options.contrast <= 1:
        raise RequestError("give --count of 1 or more, and --contrast above 0 and at most 1")
    check(options.methods)
    found = []
    cases = compare.make_cases(options)
    for harvest in harvests(cases, options.methods, Planting(options.count, options.contrast), computing(options)):
        found.append(harvest)
        print(f"{harvest.subject} {harvest.label} {harvest.method}", file=sys.stderr)
    text = markdown(found)
    if options.out:
        write_whole(options.out, text + "\n")
    print(text)
