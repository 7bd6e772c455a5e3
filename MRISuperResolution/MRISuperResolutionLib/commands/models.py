"""list the shipped weights and their cards"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..weights import Card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the cards as a JSON list")


def run(options: argparse.Namespace) -> None:
    import json

    from ..weights import catalogue

    cards = catalogue()
    if options.json:
        print(json.dumps([card.describe() for card in cards], indent=2))
        return
    for card in cards:
        print(_text(card))


def _text(card: Card) -> str:
    lines = [
        f"{card.name}: {card.summary}",
        f"  contrasts {', '.join(card.contrasts)}; {card.dimensions}D; factors {card.factors}; "
        f"references {card.references}",
        f"  licence {card.licence}; {card.bytes / 1e6:.1f} MB; sha256 {card.sha256}",
    ]
    lines += [
        f"  {f['subject']} {f['factors']}: PSNR {f['psnr_db']:.2f} dB (spline {f['spline_psnr_db']:.2f}), "
        f"SSIM {f['ssim']:.4f} (spline {f['spline_ssim']:.4f})"
        for f in card.figures
    ]
    return "\n".join(lines)
