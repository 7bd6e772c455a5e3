"""compare a result with the truth: PSNR, SSIM, NRMSE, edges, fine detail, a structure, geometry

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
    parser.add_argument(
        "--scale",
        nargs="+",
        type=float,
        metavar="S",
        help="of SR over its input, one factor or three for i j k: measures the detail that the input did not hold",
    )
    parser.add_argument(
        "--structure", type=Path, metavar="M", help="a lesion, say: measures its contrast and its volume"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    import json
    import math

    from ...evaluation.metrics import evaluate
    from ...io import read_volume

    kept = _kept(options.scale) if options.scale else None
    result, truth = read_volume(options.result), read_volume(options.truth)
    mask, structure = (read_volume(path) if path else None for path in (options.mask, options.structure))
    figures = evaluate(result, truth, mask, kept=kept, structure=structure)
    if options.json:
        # JSON knows no infinity
        known = {name: value is not None and math.isfinite(value) for name, value in figures.items()}
        print(json.dumps({name: value if known[name] else None for name, value in figures.items()}))
    else:
        for name, value in figures.items():
            print(f"{name:<20} {value:.6g}" if isinstance(value, float) else f"{name:<20} {value}")


def _kept(scale: list[float]) -> list[float]:
    """Share of the Fourier line along i, j, k that the input of that ``scale`` held."""
    from ...errors import RequestError
    from ...image.grid import checked_factors

    if len(scale) not in (1, 3):
        raise RequestError(f"{len(scale)} factors are given: give one, or three for the axes i, j, k")
    return [1 / factor for factor in checked_factors(scale * 3 if len(scale) == 1 else scale)]
