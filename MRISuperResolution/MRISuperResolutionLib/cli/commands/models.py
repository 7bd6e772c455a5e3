"""list the shipped weights and their cards"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...models.card import Card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the cards as a JSON list")
    parser.add_argument("--baselines", action="store_true", help="those too that only comparisons need")


def run(options: argparse.Namespace) -> None:
    import json

    from ...errors import RequestError
    from ...models.card import baselines, catalogue, weights_folder

    cards = [*catalogue(), *baselines()] if options.baselines else catalogue()
    if not cards:
        raise RequestError(
            f"there are no weights in {weights_folder()}: install them again, or correct MRISR_WEIGHTS"
        )
    if options.json:
        print(json.dumps([card.describe() for card in cards], indent=2))
        return
    for card in cards:
        print(_text(card))


def _text(card: Card) -> str:
    blur = ", ".join(f"{key} {value}" for key, value in card.acquisition.items() if value is not None)
    lines = [
        f"{card.name}: {card.summary}",
        f"  {card.dimensions}D {card.architecture['name']}, {_factors(card)}, {card.references} references, "
        f"{', '.join(card.contrasts)}, results of {card.spacing_mm[0]:g} to {card.spacing_mm[1]:g} mm",
        f"  learned to undo: {blur}",
        f"  licence {card.licence}; {card.bytes / 1e6:.1f} MB; sha256 {card.sha256}",
        "  learned from:",
        *(f"    {text}" for text in dict.fromkeys(_data(data) for data in card.training["data"])),
        *(f"  from step {step['from_step']} by: {step['command']}" for step in card.training["commands"]),
        "  on subjects it never saw, PSNR in dB and SSIM (of spline):",
        *(f"    {_figure(figure, card.restoring)}" for figure in card.figures),
    ]
    return "\n".join(lines)


def _factors(card: Card) -> str:
    if "in_plane" in card.factors:
        return f"factor {card.factors['in_plane']:g} in the plane"
    axes = "the axes of the plane" if card.dimensions == 2 else "the axes"
    return f"factors along {axes} {card.range_text}"


def _data(data: dict[str, Any]) -> str:
    return f"{data['subject']} {data['contrast']} ({data['licence']}; {data['source']})"


def _figure(figure: dict[str, Any], tells: bool) -> str:
    """``tells``: whether such networks may be told of the scan, and were if the figure does not say."""
    factors = "x".join(f"{f:g}" for f in figure["factors"])
    subject, contrast = figure["subject"], figure["contrast"]
    psnr = f"{figure['psnr_db']:.2f} ({figure['spline_psnr_db']:.2f})"
    ssim = f"{figure['ssim']:.4f} ({figure['spline_ssim']:.4f})"
    precision = figure.get("precision", "float32")
    known = ", told nothing" if tells and not figure.get("told", True) else ""
    computed = f" in {precision}" if precision != "float32" else ""
    return f"{subject} {contrast} {factors}{known}: {psnr}, {ssim}{computed}"
