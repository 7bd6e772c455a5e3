"""compare a result with the truth: PSNR, SSIM, NRMSE, geometry

Both must lie on the same grid; intensities are compared over the range of the truth. In JSON the PSNR of
volumes that do not differ, which is infinite, is null.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="SR", type=Path)
    parser.add_argument("truth", metavar="HR", type=Path)
    parser.add_argument("--mask", type=Path, metavar="M", help="compare where this volume is not zero")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    import json
    import math

    from ..files import read_volume
    from ..metrics import evaluate

    result, truth = read_volume(options.result), read_volume(options.truth)
    figures = evaluate(result, truth, read_volume(options.mask) if options.mask else None)
    if options.json:
        # JSON knows no infinity
        print(json.dumps({name: value if math.isfinite(value) else None for name, value in figures.items()}))
    else:
        for name, value in figures.items():
            print(f"{name:<18} {value:.6g}" if isinstance(value, float) else f"{name:<18} {value}")
