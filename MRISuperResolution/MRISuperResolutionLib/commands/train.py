"""train a network and export its weights with their card

The run's folder holds the log and the checkpoints. Started again with the same folder, training goes on
where it stopped; a finished run is exported at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SETTINGS = (
    "patch",
    "batch",
    "patches_per_block",
    "loss",
    "steps",
    "learning_rate",
    "schedule",
    "gradient_clip",
    "precision",
    "sigma",
    "sigma_spread",
    "noise",
    "smoothing",
    "radius",
    "seed",
    "validate_every",
)
"""Options that stand in place of the protocol's settings of the same name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", required=True, help="recnn or dggrn: the papers' settings")
    parser.add_argument("--name", required=True, help="of the weights")
    parser.add_argument("--summary", required=True, help="one line on what the weights are good for")
    parser.add_argument(
        "--manifest", required=True, type=Path, help="CSV that lists the volumes (see training/truth.py)"
    )
    parser.add_argument("--data", required=True, type=Path, help="folder that the manifest's paths start from")
    parser.add_argument("--folder", required=True, type=Path, help="of the run: log and checkpoints")
    parser.add_argument(
        "--start", metavar="MODEL", help="start from shipped weights or a .safetensors file; a deeper network is fine"
    )
    parser.add_argument("--export", required=True, type=Path, help="folder that the weights and their card go to")
    settings = parser.add_argument_group("settings in place of the protocol's")
    settings.add_argument(
        "--factors",
        nargs="+",
        metavar="F",
        help="mixed in training, as 2,2,2 or 1,1,1.5-3; a range is drawn from uniformly",
    )
    settings.add_argument(
        "--architecture", nargs="+", metavar="KEY=N", help="sizes of the network, as layers=20 filters=64"
    )
    settings.add_argument("--patch", type=int, help="voxels along the side")
    settings.add_argument("--batch", type=int, help="patches in a step")
    settings.add_argument("--patches-per-block", type=int, help="patches cut from one simulated block or slice")
    settings.add_argument("--loss", choices=("mse", "relative"))
    settings.add_argument("--steps", type=int)
    settings.add_argument("--learning-rate", type=float)
    settings.add_argument("--schedule", choices=("step", "cosine"))
    settings.add_argument("--gradient-clip", type=float)
    settings.add_argument("--precision", choices=("float32", "bfloat16"))
    settings.add_argument("--sigma", type=float, help="of the blur, in HR voxels")
    settings.add_argument("--sigma-spread", type=float, help="how far the blur of half of the blocks may differ")
    settings.add_argument("--noise", type=float, help="most Rician noise of half of the blocks, a share of the range")
    settings.add_argument("--smoothing", type=float, help="largest sigma of a blur of the truth, in HR voxels")
    settings.add_argument("--radius", type=int, help="HR voxels that the blur kernel reaches")
    settings.add_argument("--seed", type=int)
    settings.add_argument("--validate-every", type=int, metavar="STEPS")
    parser.add_argument(
        "--validate-factors",
        nargs="+",
        default=["2,2,2", "1,1,3"],
        metavar="F",
        help="of 3D networks, for log and card",
    )
    parser.add_argument("--no-bar", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> None:
    from ..errors import RequestError
    from ..training.export import export
    from ..training.protocol import PRESETS, lowest, parse_factors, preset
    from ..training.run import noted_commands, train
    from ..training.truth import read_manifest

    overrides = {key: getattr(options, key) for key in SETTINGS}
    if options.factors:
        overrides["factors"] = tuple(parse_factors(text) for text in options.factors)
    protocol = preset(options.protocol, **overrides)
    if options.architecture:
        try:
            sizes = {key: int(number) for key, number in (text.split("=") for text in options.architecture)}
        except ValueError:
            raise RequestError(f"cannot read {options.architecture}: write sizes as layers=20 filters=64") from None
        protocol = preset(options.protocol, **overrides, architecture=PRESETS[options.protocol].architecture | sizes)
    factors = [lowest(parse_factors(text)) for text in options.validate_factors]
    truths = read_manifest(options.manifest, options.data)
    network = train(protocol, truths, options.folder, factors, _command(options), options.start, not options.no_bar)
    commands = noted_commands(options.folder)
    card = export(network, options.name, options.summary, protocol, truths, factors, commands, options.export)
    print(f"{card.path}: {card.bytes / 1e6:.1f} MB, {card.licence}")
    for figure in card.figures:
        gain = figure["psnr_db"] - figure["spline_psnr_db"]
        print(f"  {figure['subject']} {figure['factors']}: {gain:+.2f} dB over spline")


def _command(options: argparse.Namespace) -> str:
    """The command line, for the card: where somebody keeps their data is left out."""
    import shlex
    import sys

    return shlex.join(["mrisr", *("DATA" if word == str(options.data) else word for word in sys.argv[1:])])
