"""make a brain-like phantom, degrade it, run shipped models, and show what comes out

Writes the volumes and one picture (truth, input, spline, result, differences, and what the result
does not explain of the input) to a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .upscale import add_computing_arguments, computing

if TYPE_CHECKING:
    from ...evaluation.figures import Row
    from ...image.volume import Volume
    from ...models.card import Card
    from ...runtime.device import Computing

SMALLEST_SIZE = 32
"""Fewer voxels than this along an axis show no brain."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="FOLDER", help="to write to (default: demo)"
    )
    parser.add_argument(
        "--size", nargs=3, type=int, default=(128, 160, 128), metavar="N", help="of the phantom, in voxels"
    )
    parser.add_argument(
        "--models", nargs="+", metavar="NAME", help="shipped weights (default: of each kind the quickest)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier demo wrote")
    add_computing_arguments(parser)


def run(options: argparse.Namespace) -> None:
    from ...errors import RequestError
    from ...evaluation.figures import compare
    from ...models.card import catalogue, find_card, weights_folder

    if options.out.exists() and not options.overwrite:
        raise RequestError(f"{options.out} is there already: choose another --out or say --overwrite")
    if min(options.size) < SMALLEST_SIZE:
        raise RequestError(f"--size must be {SMALLEST_SIZE} voxels or more along each axis, not {min(options.size)}")
    cards = _quickest(catalogue())
    if not cards:
        raise RequestError(f"there are no weights in {weights_folder()}: install them first")
    if options.models:
        cards = [find_card(name) for name in options.models]
    how = computing(options)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [_try(card, options.out, options.size, how) for card in cards]
    compare(rows, options.out / "demo.png")
    print(f"volumes and picture: {options.out / 'demo.png'}")


def _quickest(cards: list[Card]) -> list[Card]:
    """Of each kind of network the one that computes least, of volumes rather than slices; in the order of the
    names. What is for thick slices alone is left out: all else is shown twice as fine."""
    cards = [card for card in cards if not card.cells.thick]
    ordered = sorted(cards, key=lambda card: (-card.dimensions, card.cost["operations"]))
    first = {card.architecture["name"]: card for card in reversed(ordered)}
    return sorted(first.values(), key=lambda card: card.name)


def _try(card: Card, folder: Path, size: tuple[int, int, int], how: Computing) -> Row:
    """Degrade the phantom as ``card`` says, bring it back with spline and with the model, print the figures."""
    from ...evaluation.figures import Row, repeated
    from ...evaluation.metrics import voxel_errors
    from ...image.volume import Volume
    from ...io import write_volume
    from ...models.card import SPLINE
    from ...physics.acquisition import Acquisition
    from ...pipeline.upscale import upscale

    factors = card.usual_factors
    truth = _phantom(card.contrasts[0], size, max(factors))
    plane = "axial" if card.dimensions == 2 else None
    shown = "x".join(f"{f:g}" for f in factors)
    acquisition = Acquisition.gaussian(factors, card.acquisition["sigma"], card.acquisition["radius"])
    low = Volume(acquisition.apply(truth.array), acquisition.grid(truth.grid))
    results = {
        SPLINE: upscale(low, SPLINE, scale=factors),
        card.name: upscale(
            low,
            card.name,
            scale=factors,
            plane=plane,
            references=_references(card, truth),
            acquisition=acquisition if card.restoring else None,
            computing=how,
        ),
    }
    write_volume(truth, folder / f"{card.name}-truth.nii.gz", overwrite=True)
    write_volume(low, folder / f"{card.name}-input.nii.gz", overwrite=True)
    for name, result in results.items():
        figures = voxel_errors(result, truth)
        psnr, ssim = figures["psnr_db"], figures["ssim"]
        print(f"{card.contrasts[0]}, factors {shown}: {name:<14} PSNR {psnr:.2f} dB, SSIM {ssim:.4f}")
        write_volume(result, folder / f"{card.name}-by-{name}.nii.gz", overwrite=True)
    return Row(
        title=f"{card.contrasts[0]} at 1/{shown}",
        truth=truth.array,
        source=repeated(low.array, truth.grid.size),
        spline=results[SPLINE].array,
        result=results[card.name].array,
        axis=2,
        number=truth.grid.size[2] // 2,
        spacing=truth.grid.spacing,
        unexplained=repeated(low.array - acquisition.apply(results[card.name].array), truth.grid.size),
    )


def _references(card: Card, truth: Volume) -> list[Volume]:
    """The phantom in as many other contrasts as the card's network takes."""
    from ...image.phantom import INTENSITIES, brain_phantom
    from ...image.volume import Volume

    others = [contrast for contrast in INTENSITIES if contrast != card.contrasts[0]]
    return [Volume(brain_phantom(truth.grid.size, other), truth.grid) for other in others[: card.references]]


def _phantom(contrast: str, size: tuple[int, int, int], factor: float) -> Volume:
    """A phantom whose size is a multiple of ``factor``, right-anterior-superior, head-sized."""
    from ...image.grid import Grid
    from ...image.phantom import HEAD_MM, brain_phantom
    from ...image.volume import Volume

    whole = tuple(n - n % int(factor) for n in size)
    spacing = tuple(mm / n for mm, n in zip(HEAD_MM, whole, strict=True))
    grid = Grid(whole, spacing, direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))  # type: ignore[arg-type]
    return Volume(brain_phantom(whole, contrast), grid)
