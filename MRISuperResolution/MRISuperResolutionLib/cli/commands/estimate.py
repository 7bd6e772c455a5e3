"""print what the scanner did, estimated from a scan

For each axis: whether k-space ends at the voxel (and under which window), or a slice profile or another blur came
before the samples; which share was acquired where k-space was filled with zeros; the noise. What upscale uses by
default.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...image.volume import Volume
    from ...physics.estimation.estimate import Estimate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN", type=Path, help="a volume, or a folder with one DICOM series")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the spectrum of each axis, too")
    parser.add_argument("--save", type=Path, metavar="JSON", help="write the acquisition for --acquisition, too")
    parser.add_argument("--overwrite", action="store_true", help="replace the files if they are there")


def run(options: argparse.Namespace) -> None:
    import json

    from ...errors import RequestError
    from ...image.volume import check_image
    from ...io import read_volume
    from ...io.atomic import write_whole
    from ...physics.presets import acquisition_text
    from ...pipeline.scan_acquisition import estimated

    for path in (options.plot, options.save):
        if path and path.exists() and not options.overwrite:
            raise RequestError(f"{path} is there already: choose another name, or add --overwrite")
    volume = read_volume(options.input)
    check_image(volume)
    found = estimated(volume)
    if options.save:
        write_whole(options.save, acquisition_text(found.acquisition((1.0, 1.0, 1.0))))
    if options.plot:
        write_whole(options.plot, _plot(volume, found))
    if options.json:
        print(json.dumps(_facts(found)))
        return
    for name, axis in zip("ijk", found.axes, strict=True):
        print(f"{name}: {axis.words}")
    print(f"noise: {100 * found.noise_level:.1f} % of the range")


def _facts(found: Estimate) -> dict[str, Any]:
    axes = [
        {
            "kind": axis.kind,
            "probability": round(axis.probability, 4),
            "width_voxels": round(axis.width, 3) if axis.kind == "blur" else None,
            "width_deviation": round(axis.width_deviation, 3) if axis.kind == "blur" else None,
            "acquired_share": axis.share,
            "across_slices": axis.across,
            "source": axis.source,
        }
        for axis in found.axes
    ]
    return {"axes": axes, "noise_level": round(found.noise_level, 5)}


def _plot(volume: Volume, found: Estimate) -> bytes:
    """The power of each axis' frequencies, with the noise floor and where what was acquired ends."""
    import io

    import numpy as np

    from ...evaluation.figures import empty_figure
    from ...physics.estimation.block import head_block
    from ...physics.estimation.spectra import BANDS, noise_floor, spectrum

    block = head_block(volume.array)
    figure = empty_figure(7.0, 4.5)
    axes = figure.add_subplot()
    frequency = (np.arange(BANDS) + 0.5) / BANDS
    for number, (name, axis) in enumerate(zip("ijk", found.axes, strict=True)):
        power = 10 * np.log10(spectrum(block.cosines**2, number))
        (line,) = axes.plot(frequency, power, marker=".", label=f"{name}: {axis.words}")
        if axis.share < 1:
            axes.axvline(axis.share, color=line.get_color(), linestyle=":")
    axes.axhline(10 * np.log10(noise_floor(block.cosines)), color="grey", linestyle="--", label="noise")
    axes.set_xlabel("frequency / Nyquist frequency of the scan")
    axes.set_ylabel("power (dB)")
    axes.legend(fontsize="x-small")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
