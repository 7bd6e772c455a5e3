"""measure how fast this machine computes, beside plain PyTorch and MONAI in the same run

Each model makes a phantom of the stated size twice as fine, or by --factors (2D models: by their own in the plane).
The share of the peak is that of this machine's own convolutions, measured first. MONAI joins where it is installed
(pip install "MRISuperResolution[benchmark]").
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...image.grid import Triple

SIZE, QUICK_SIZE = (160, 192, 160), (64, 80, 64)

REPEAT = 3

SMALLEST = 16
"""Voxels along an axis of the phantom."""

MODELS = ("recnn10-multimodal", "recnn20", "dggrn-t1w-x2")

QUICK_MODELS = ("recnn10-multimodal", "dggrn-t1w-x2")

PRECISIONS = ("float32", "bfloat16")

GROWING = "recnn10-t1w"
"""Whose cost is followed as it grows."""

SMALLEST_GROWN, LARGEST_GROWN, QUICK_GROWN = 48, 160, 64
"""Voxels along the largest cube: at least, and usually."""

WITHOUT_EFFECT = {
    "training": ("size", "factors", "repeat", "device", "max_memory", "alone", "memory", "growth"),
    "memory": ("repeat", "device", "precision", "max_memory", "alone", "growth"),
    "growth": ("factors", "device", "precision", "max_memory", "alone"),
}
"""Options that say nothing of what another one measures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ...runtime.device import PRECISIONS as KNOWN

    parser.add_argument("--models", nargs="+", metavar="NAME", help=f"default: {' '.join(MODELS)}")
    parser.add_argument(
        "--size",
        nargs=3,
        type=int,
        metavar=("I", "J", "K"),
        help=f"of the results; default: {' '.join(map(str, SIZE))}",
    )
    parser.add_argument(
        "--factors",
        metavar="F",
        help="how many times finer volumes become, as 1,1,3 along i, j, k; default: 2",
    )
    parser.add_argument(
        "--repeat", type=int, metavar="N", help=f"runs that the median is taken of; default: {REPEAT}"
    )
    parser.add_argument("--device", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=[name for name in KNOWN if name != "auto"],
        help=f"default: {' '.join(PRECISIONS)}",
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
    parser.add_argument(
        "--growth",
        type=Path,
        metavar="FILE.png",
        help="draw how time and memory of one 3D ReCNN on the CPU grow instead: with the voxels, up to a cube of "
        f"--size (default: {LARGEST_GROWN} along each axis), with layers, memory and threads; nothing is background",
    )
    parser.add_argument("--quick", action="store_true", help="a small volume, once: within three minutes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    import json
    from dataclasses import asdict

    from ...benchmark.memory_limited_run import bounded_runs
    from ...benchmark.report import BOUNDED_COLUMNS, COLUMNS, TRAINING_COLUMNS, table
    from ...benchmark.throughput import Setting, benchmark, machine
    from ...benchmark.training_speed import training_steps
    from ...models.card import USUAL_FACTOR

    _refuse_unused(options)
    if options.growth:
        _grow(options)
        return
    models = options.models or (QUICK_MODELS if options.quick else MODELS)
    i, j, k = options.size or (QUICK_SIZE if options.quick else SIZE)
    repeat = _repeat(options)
    factors = _factors(options.factors)
    # a scan has fewer voxels
    finer = factors or (USUAL_FACTOR,) * 3 if options.memory else (1.0,) * 3
    _check((i, j, k), repeat, [math.ceil(SMALLEST * factor) for factor in finer])
    precisions = options.precision or PRECISIONS
    size: dict[str, Any] = {"size": [i, j, k]}
    if options.training:
        steps = list(training_steps(models, precisions))
        facts, text = {"training": [asdict(s) for s in steps]}, table(machine(), TRAINING_COLUMNS, steps)
    elif options.memory:
        runs = list(bounded_runs(models, (i, j, k), options.memory, factors))
        facts, text = size | {"bounded": [asdict(r) for r in runs]}, table(machine(), BOUNDED_COLUMNS, runs)
    else:
        setting = Setting(
            (i, j, k),
            repeat,
            options.device or "auto",
            options.max_memory,
            not options.alone,
            factors=factors,
        )
        results = list(benchmark(models, precisions, setting))
        facts, text = (
            size | {"results": [asdict(r) for r in results]},
            table(machine() | {"results of": f"{i} x {j} x {k} voxels"}, COLUMNS, results),
        )
    print(json.dumps({"machine": machine(), **facts}) if options.json else text)


def _grow(options: argparse.Namespace) -> None:
    import json
    from dataclasses import asdict

    from ...benchmark.report import GROWTH_COLUMNS, SLOPE_COLUMNS, table
    from ...benchmark.scaling import growth, middle_edge, picture, slopes
    from ...benchmark.throughput import machine
    from ...errors import RequestError
    from ...evaluation.figures import empty_figure
    from ...io.atomic import write_whole
    from ...models.card import find_card

    if options.growth.suffix.lower() != ".png":
        raise RequestError(f"--growth draws a PNG: give {options.growth} the ending .png")
    edge, repeat = _edge_of_a_cube(options), _repeat(options)
    _check((edge,) * 3, repeat, [SMALLEST_GROWN] * 3)
    card = find_card(_one_model(options))
    empty_figure(1, 1)
    points = list(growth(card, edge, repeat))
    fixed, fitted = middle_edge(edge), slopes(points)
    named = f"{card.name}; layers, memory and threads at {fixed} x {fixed} x {fixed} voxels"
    write_whole(options.growth, picture(named, points))
    if options.json:
        facts = {"model": card.name, "edge": fixed, "points": [asdict(point) for point in points], "slopes": fitted}
        print(json.dumps({"machine": machine(), "growth": facts}))
    else:
        print(table(machine() | {"cost of": named}, GROWTH_COLUMNS, points))
        print(table({}, SLOPE_COLUMNS, list(fitted.items())))


def _factors(text: str | None) -> Triple | None:
    from ...image.grid import checked_factors, factors_named

    if text is None:
        return None
    numbers = factors_named(text)
    return checked_factors(numbers * 3 if len(numbers) == 1 else numbers)


def _edge_of_a_cube(options: argparse.Namespace) -> int:
    """Voxels along the largest cube; RequestError for a size that is none, or that nothing is half of."""
    from ...errors import RequestError

    usual = QUICK_GROWN if options.quick else LARGEST_GROWN
    edges = set(options.size or [usual])
    edge: int = edges.pop()
    if edges or edge % 2:
        raise RequestError("--growth makes cubes twice as fine: give --size the same even number along each axis")
    return edge


def _one_model(options: argparse.Namespace) -> str:
    from ...errors import RequestError

    model, *others = options.models or [GROWING]
    if others:
        raise RequestError(f"--growth follows one network: leave {', '.join(others)} out of --models")
    return str(model)


def _repeat(options: argparse.Namespace) -> int:
    return options.repeat if options.repeat is not None else 1 if options.quick else REPEAT


def _refuse_unused(options: argparse.Namespace) -> None:
    """Raise RequestError for an option that another one leaves without effect."""
    from ...errors import RequestError

    for measured, names in WITHOUT_EFFECT.items():
        for name in names if getattr(options, measured) else ():
            if getattr(options, name) not in (None, False):
                option = f"--{name.replace('_', '-')}"
                raise RequestError(f"{option} says nothing of what --{measured} measures: leave one of them out")


def _check(size: tuple[int, int, int], repeat: int, smallest: Sequence[int]) -> None:
    from ...errors import RequestError

    if any(n < least for n, least in zip(size, smallest, strict=True)):
        least = f"{smallest[0]}" if len(set(smallest)) == 1 else " x ".join(map(str, smallest))
        raise RequestError(
            f"a size of {' x '.join(map(str, size))} voxels is too small: give {least} or more along each axis"
        )
    if repeat < 1:
        raise RequestError(f"--repeat is {repeat}: give 1 or more")
