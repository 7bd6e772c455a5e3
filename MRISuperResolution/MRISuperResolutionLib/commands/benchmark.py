"""measure how fast this machine computes, beside plain PyTorch and MONAI in the same run

Each model makes a phantom of the stated size twice as fine (2D models: by their own factor in the plane). The share
of the peak is that of this machine's own convolutions, measured first. MONAI joins where it is installed
(pip install "MRISuperResolution[benchmark]").
"""

from __future__ import annotations

import argparse
from typing import Any

SIZE, QUICK_SIZE = (160, 192, 160), (64, 80, 64)

REPEAT = 3

SMALLEST = 16
"""Voxels along an axis of the phantom."""

MODELS = ("recnn10-multimodal", "recnn20", "dggrn-t1w-x2")

QUICK_MODELS = ("recnn10-multimodal", "dggrn-t1w-x2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..device import PRECISIONS

    parser.add_argument("--models", nargs="+", metavar="NAME", help=f"default: {' '.join(MODELS)}")
    parser.add_argument(
        "--size",
        nargs=3,
        type=int,
        metavar=("I", "J", "K"),
        help=f"of the results; default: {' '.join(map(str, SIZE))}",
    )
    parser.add_argument(
        "--repeat", type=int, metavar="N", help=f"runs that the median is taken of; default: {REPEAT}"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision",
        nargs="+",
        default=["float32", "bfloat16"],
        choices=[name for name in PRECISIONS if name != "auto"],
        help="default: float32 bfloat16",
    )
    parser.add_argument("--max-memory", type=float, metavar="GIB", help="that the process may take")
    parser.add_argument("--alone", action="store_true", help="neither plain PyTorch nor MONAI")
    parser.add_argument("--training", action="store_true", help="measure training steps instead")
    parser.add_argument(
        "--memory",
        nargs="+",
        type=float,
        metavar="GIB",
        help="measure whole runs that may take so much memory instead, methods too, each in a process of its own",
    )
    parser.add_argument("--quick", action="store_true", help="a small volume, once: within three minutes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    import json
    from dataclasses import asdict

    from ..benchmarking.bounded import bounded_runs
    from ..benchmarking.report import bounded_markdown, markdown, training_markdown
    from ..benchmarking.run import Setting, benchmark, machine
    from ..benchmarking.training import training_steps

    models = options.models or (QUICK_MODELS if options.quick else MODELS)
    i, j, k = options.size or (QUICK_SIZE if options.quick else SIZE)
    repeat = options.repeat if options.repeat is not None else 1 if options.quick else REPEAT
    # a scan has half as many voxels along each axis
    _check((i, j, k), repeat, 2 * SMALLEST if options.memory else SMALLEST)
    size: dict[str, Any] = {"size": [i, j, k]}
    if options.training:
        steps = list(training_steps(models, options.precision))
        facts, table = {"training": [asdict(s) for s in steps]}, training_markdown(machine(), steps)
    elif options.memory:
        runs = list(bounded_runs(models, (i, j, k), options.memory))
        facts, table = size | {"bounded": [asdict(r) for r in runs]}, bounded_markdown(machine(), runs)
    else:
        setting = Setting((i, j, k), repeat, options.device, options.max_memory, not options.alone)
        results = list(benchmark(models, options.precision, setting))
        facts, table = size | {"results": [asdict(r) for r in results]}, markdown(machine(), (i, j, k), results)
    print(json.dumps({"machine": machine(), **facts}) if options.json else table)


def _check(size: tuple[int, int, int], repeat: int, smallest: int) -> None:
    from ..errors import RequestError

    if min(size) < smallest:
        raise RequestError(
            f"a size of {' x '.join(map(str, size))} voxels is too small: give {smallest} or more along each axis"
        )
    if repeat < 1:
        raise RequestError(f"--repeat is {repeat}: give 1 or more")
