"""simulate how a scanner would have seen a volume at a lower resolution

Blur, sample, add noise (y = D H x + n); axes whose factor is 1 are left alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .upscale import refuse_both, refuse_to_replace

if TYPE_CHECKING:
    from ...image.grid import Grid, Triple
    from ...physics.acquisition import Acquisition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="HR", type=Path, help="the volume to degrade")
    parser.add_argument("output", metavar="LR", type=Path, help="the volume to write")
    parser.add_argument(
        "--scale", nargs="+", type=float, required=True, metavar="S", help="one factor, or three for i j k"
    )
    parser.add_argument(
        "--acquisition",
        metavar="NAME",
        help="what the scanner does: 3d (k-space ends at the voxels), 2d-multislice (a slice profile along the axis "
        "with the largest factor), gaussian (the papers' blur of one fine voxel; default), or a JSON file",
    )
    # how earlier versions described the papers' blur
    parser.add_argument("--blur", choices=("fixed", "thickness", "none"), help=argparse.SUPPRESS)
    parser.add_argument("--sigma", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--radius", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--kspace", nargs=3, type=float, metavar="SHARE", help=argparse.SUPPRESS)
    parser.add_argument("--noise", choices=("none", "gaussian", "rician"), default="none")
    parser.add_argument("--noise-level", type=float, default=0.0, help="standard deviation as a share of the range")
    parser.add_argument("--seed", type=int, help="of the noise, 0 or above (default: 0)")
    parser.add_argument(
        "--sampling", choices=("cells", "corners"), default="cells", help="corners: as the papers decimate"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace LR if it is there")


def run(options: argparse.Namespace) -> None:
    import sys

    import numpy as np

    from ...errors import RequestError
    from ...image.intensity import exact_type, to_type
    from ...image.volume import SMALLEST_SIZE, Volume, check_image
    from ...io import check_output, read_volume, write_volume
    from ...io.provenance import provenance

    if len(options.scale) not in (1, 3):
        raise RequestError(f"{len(options.scale)} factors are given: give one, or three for the axes i, j, k")
    refuse_both(options)
    refuse_unused(options.blur or "fixed", options.sigma, options.radius)
    if options.seed is not None and (options.noise == "none" or options.seed < 0):
        raise RequestError(f"--seed {options.seed} needs to be 0 or above, and --noise to go with it")
    refuse_to_replace([options.input], options.output)
    factors = tuple(options.scale * 3 if len(options.scale) == 1 else options.scale)
    high = read_volume(options.input)
    check_image(high)
    if options.noise == "rician" and high.array.min() < 0:
        raise RequestError(
            f"{options.input} has negative values, and Rician noise is that of magnitudes: take --noise gaussian"
        )
    acquisition = _acquisition(options, factors, high.grid)
    grid = acquisition.grid(high.grid)
    if min(grid.size) < SMALLEST_SIZE:
        raise RequestError(
            f"{options.input} at these factors leaves {' x '.join(map(str, grid.size))} voxels, and a volume needs "
            f"{SMALLEST_SIZE} or more along each axis: ask for smaller factors"
        )
    check_output(options.output, grid, high.array.dtype, options.overwrite)
    seed = None if options.noise == "none" else options.seed or 0
    low = acquisition.apply(high.array.astype(exact_type(high.array.dtype)), np.random.default_rng(seed))
    header = provenance("Simulated at low resolution", _facts(acquisition) | {"seed": seed})
    write_volume(Volume(to_type(low, high.array.dtype), grid, header), options.output, options.overwrite)
    if options.sampling == "cells" and any(
        n != m * f for n, m, f in zip(high.grid.size, grid.size, factors, strict=True)
    ):
        spacing = " ".join(f"{d:g}" for d in high.grid.spacing)
        print(
            f"{high.grid.size} voxels are no multiple of the factors: the result has {grid.size}; "
            f"--spacing {spacing} brings it back to this grid",
            file=sys.stderr,
        )


def _facts(acquisition: Acquisition) -> dict[str, object]:
    """How the scan was simulated, for its header."""
    from ...physics.presets import in_words

    return {
        "factors": acquisition.factors,
        "acquisition": in_words(acquisition),
        "noise": acquisition.noise,
        "noise_level": acquisition.noise_level,
        "sampling": acquisition.sampling,
    }


def _acquisition(options: argparse.Namespace, factors: Triple, high: Grid) -> Acquisition:
    """What the options describe, for a volume on the grid ``high``."""
    from dataclasses import replace

    from ...errors import RequestError
    from ...physics.presets import acquisition_named, acquisition_of_blur

    if (options.noise == "none") != (options.noise_level == 0):
        raise RequestError("give a kind of noise and a noise level above 0 together, or neither")
    noise = {"noise": options.noise, "noise_level": options.noise_level}
    if options.acquisition is None:
        return acquisition_of_blur(
            options.blur or "fixed",
            factors,
            1.0 if options.sigma is None else options.sigma,
            options.radius,
            tuple(options.kspace or (1.0, 1.0, 1.0)),
            sampling=options.sampling,
            **noise,
        )
    if options.sampling != "cells":
        raise RequestError(f"--sampling {options.sampling} is of the papers' blur: leave out --acquisition")
    made = acquisition_named(options.acquisition, factors, high.coarsened(factors))
    return made if options.noise == "none" else replace(made, **noise)


def refuse_unused(blur: str, sigma: float | None, radius: int | None) -> None:
    """Raise RequestError where ``sigma`` or ``radius`` is given, but is not of this ``blur``."""
    from ...errors import RequestError

    if sigma is not None and blur != "fixed":
        raise RequestError(f"--sigma is of the fixed blur, not of --blur {blur}: leave one of them out")
    if radius is not None and blur == "none":
        raise RequestError("--radius is of the blur, but --blur is none: leave one of them out")
