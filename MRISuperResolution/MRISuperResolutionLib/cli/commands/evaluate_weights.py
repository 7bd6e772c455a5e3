"""measure what weights reach under each acquisition that scanners make

PSNR in tissue beside the cubic spline and sinc, on volumes that they never saw; by default, as a user runs them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .upscale import add_computing_arguments, computing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", nargs="+", metavar="NAME", help="shipped weights, or .safetensors files")
    parser.add_argument(
        "--data", required=True, metavar="DATA", help="a folder, a pattern, a BIDS tree or a manifest"
    )
    parser.add_argument("--data-folder", type=Path, metavar="PATH", help="that the paths of a manifest start from")
    parser.add_argument("--subjects", nargs="+", metavar="NAME", help="of the data; default: those that validate")
    parser.add_argument("--crop", type=int, default=96, metavar="N", help="middle voxels that are used (default: 96)")
    parser.add_argument("--write", action="store_true", help="put the figures into the cards")
    add_computing_arguments(parser)


def run(options: argparse.Namespace) -> None:
    import json
    from dataclasses import replace

    from ...dataset.load import gather
    from ...evaluation.acquisition_scores import scores
    from ...io.atomic import write_whole
    from ...models.card import find_card

    cards = [find_card(name) for name in options.weights]
    folder = options.data_folder
    given = gather(str(folder), Path(options.data)) if folder else gather(options.data)
    validating = [truth for truth in given if truth.split == "validate"] or given
    if options.subjects:
        validating = [truth for truth in given if truth.subject in options.subjects]
    for card in cards:
        rows: list[dict[str, Any]] = []
        for row in scores(card, validating, options.crop, computing(options)):
            rows.append(row)
            gain, sinc = (row[key] - row["spline_psnr_db"] for key in ("psnr_db", "sinc_psnr_db"))
            factors = "x".join(f"{f:g}" for f in row["factors"])
            print(
                f"{card.name} {row['subject']} {row['contrast']} {factors} {row['acquisition']} "
                f"noise {row['noise']:g}: spline {row['spline_psnr_db']:.2f}, sinc {sinc:+.2f}, it {gain:+.2f} dB",
                flush=True,
            )
        if options.write:
            facts = replace(card, measured=rows).describe()
            write_whole(card.path.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
