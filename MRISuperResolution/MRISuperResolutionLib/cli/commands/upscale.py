"""bring a volume to a higher resolution

The result covers exactly the box of the input, in the input's units and scalar type.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...image.grid import Triple
    from ...image.volume import Volume
    from ...methods.base import Method
    from ...models.card import Card
    from ...physics.acquisition import Acquisition
    from ...runtime.device import Computing
    from ...runtime.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", metavar="IN", type=Path, help="a volume (.nii, .nii.gz, .nrrd, .mha) or a DICOM folder"
    )
    parser.add_argument("output", metavar="OUT", type=Path, help="the volume to write")
    parser.add_argument(
        "--model",
        required=True,
        help="spline, a name from `mrisr models`, a .safetensors file, or auto: the weights that suit the input",
    )
    parser.add_argument(
        "--contrast",
        metavar="NAME",
        help="of the input, for --model auto and --expected-error, where the file's name does not tell: T1w, T2w, "
        "FLAIR, PDw",
    )
    parser.add_argument(
        "--scale",
        nargs="+",
        type=float,
        metavar="S",
        help="one factor, or three for the axes i j k (default: 2)",
    )
    parser.add_argument(
        "--spacing", nargs=3, type=float, metavar=("X", "Y", "Z"), help="mm along i j k, instead of a scale"
    )
    parser.add_argument(
        "--plane", choices=("axial", "coronal", "sagittal"), help="for 2D models; default: the thick slices'"
    )
    parser.add_argument(
        "--reference",
        nargs="+",
        type=Path,
        default=[],
        metavar="REF",
        help="other contrasts of the same head",
    )
    parser.add_argument("--register", action="store_true", help="align the references to the input first")
    parser.add_argument(
        "--blur",
        choices=("fixed", "thickness", "none"),
        help="how the scanner blurred, if you know it: a Gaussian of --sigma, or one as wide as the input's voxels; "
        "none: its k-space ends at these, and all below is kept as it is. What a network makes is then changed so "
        "that it explains the scan; ibp, lrtv and nmu undo it (their default: fixed)",
    )
    parser.add_argument("--sigma", type=float, metavar="X", help="of the fixed blur, in fine voxels (default: 1)")
    parser.add_argument(
        "--noise-level",
        type=float,
        metavar="X",
        help="of the scan, as a share of its range: how closely to explain it (default with --blur: 0.01)",
    )
    parser.add_argument(
        "--unexplained",
        type=Path,
        metavar="FILE",
        help="write what the result does not explain of the input, on the input's grid, too: with --blur, or of "
        "models on the scan's grid, then by a blur as wide as the input's voxels",
    )
    parser.add_argument(
        "--expected-error",
        type=Path,
        metavar="FILE",
        help="write the error that nine of ten voxels of the result should stay below, noise left out, too: of "
        "models that tell",
    )
    add_computing_arguments(parser)
    parser.add_argument("--progress", choices=("auto", "bar", "json", "none"), default="auto")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")


def add_computing_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "float16"), default="auto")
    parser.add_argument(
        "--max-memory",
        type=float,
        metavar="GIB",
        help="memory that the process may take (default: half of what is free)",
    )


def computing(options: argparse.Namespace) -> Computing:
    """What ``add_computing_arguments`` took; RequestError for a memory limit that is no positive number."""
    from ...errors import RequestError
    from ...runtime.device import Computing

    if options.max_memory is not None and not (math.isfinite(options.max_memory) and options.max_memory > 0):
        raise RequestError(f"--max-memory must be positive, not {options.max_memory:g}: give GiB")
    return Computing(options.device, options.precision, options.max_memory)


def refuse_to_replace(inputs: Sequence[Path], output: Path) -> None:
    """Raise RequestError where ``output`` is one of ``inputs``, or lies in a DICOM folder that is: no scan is to be
    lost by a slip of the hand."""
    from ...errors import RequestError

    if output.exists() and any(path.exists() and path.samefile(output) for path in inputs):
        raise RequestError(f"{output} is both input and output: give the result another name")
    for path in inputs:
        if path.is_dir() and path.resolve() in output.resolve().parents:
            raise RequestError(f"{output} lies in the DICOM folder {path}, an input: write to another folder")


def run(options: argparse.Namespace) -> None:
    from ...runtime.progress import make_progress

    # the first sign of life comes before anything that takes time
    with contextlib.closing(make_progress(options.progress)) as progress:
        _upscale(options, progress)


def _upscale(options: argparse.Namespace, progress: Progress) -> None:
    import numpy as np

    from ...errors import RequestError
    from ...io import check_output, read_volume, room_in_file, write_volume
    from ...models.registry import find_model
    from ...pipeline.model_selection import AUTO
    from ...pipeline.request import plan
    from ...pipeline.upscale import upscale_into
    from ...runtime.cancellation import too_late

    if options.blur is None and (options.sigma is not None or options.noise_level is not None):
        raise RequestError("--sigma and --noise-level tell more of the blur: add --blur")
    if options.blur != "fixed" and options.sigma is not None:
        raise RequestError(f"--sigma is of the fixed blur, not of --blur {options.blur}: leave one of them out")
    if options.register and not options.reference:
        raise RequestError("--register aligns references, but none is given: add --reference")
    refuse_to_replace([options.input, *options.reference], options.output)
    how = computing(options)
    if options.contrast and options.model != AUTO and not options.expected_error:
        raise RequestError(
            "--contrast helps to choose weights and to tell errors: leave it out, or give --model auto or "
            "--expected-error"
        )
    contrast = _contrast(options)
    model = None if options.model == AUTO else find_model(options.model)
    progress.report(0.0, "reading")
    volume = read_volume(options.input)
    if model is None:
        model = _chosen(options, volume, contrast, progress)
    plan_ = plan(volume.grid, model, options.scale, options.spacing, options.plane, len(options.reference))
    acquisition = _acquisition(options, plan_.factors)
    check_output(options.output, plan_.target, volume.array.dtype, options.overwrite)
    _check_further(options, model, acquisition is not None)
    for path, grid in ((options.unexplained, volume.grid), (options.expected_error, plan_.target)):
        if path:
            refuse_to_replace([options.input, *options.reference], path)
            check_output(path, grid, np.dtype(np.float32), options.overwrite)
    with room_in_file(options.output, plan_.target, volume.array.dtype, options.overwrite) as room:
        told = upscale_into(
            room,
            volume,
            model.name if options.model == AUTO else options.model,
            scale=options.scale,
            spacing=options.spacing,
            plane=options.plane,
            references=[read_volume(path) for path in options.reference],
            register=options.register,
            acquisition=acquisition,
            expect_errors=options.expected_error is not None,
            contrast=contrast,
            computing=how,
            progress=progress,
        )
        progress.report(0.97, "writing")
        further = (options.unexplained, told.unexplained), (options.expected_error, told.expected_error)
        for path, made in further:
            if path and made:
                write_volume(made, path, options.overwrite)
    too_late()
    progress.report(1.0, "done")
    progress.done(
        {
            "output": str(options.output),
            "size": plan_.target.size,
            "spacing_mm": plan_.target.spacing,
            "provenance": told.header,
        }
    )


def _contrast(options: argparse.Namespace) -> str | None:
    """Of the input, as it is told or as the file's name has it; None in doubt."""
    from ...errors import RequestError
    from ...pipeline.input_checks import contrast_named

    contrast = contrast_named(options.contrast or options.input.name)
    if options.contrast and contrast is None:
        raise RequestError(f"the contrast {options.contrast} is not known: give T1w, T2w, FLAIR or PDw")
    return contrast


def _chosen(options: argparse.Namespace, volume: Volume, contrast: str | None, progress: Progress) -> Card:
    """The weights that suit the volume and what is asked; says why."""
    from ...models.card import catalogue
    from ...pipeline.model_selection import choose

    asked = (options.scale, options.spacing, options.plane, len(options.reference))
    choice = choose(catalogue(), volume.grid, contrast, *asked)
    progress.say(choice.why)
    return choice.card


def _check_further(options: argparse.Namespace, model: Card | Method, told: bool) -> None:
    """Raise RequestError for volumes that the model cannot give."""
    from ...errors import RequestError

    if options.unexplained and not (told or model.restoring):
        raise RequestError(f"what {model.name} does not explain of the scan depends on its blur: add --blur")
    if options.expected_error and not model.trust:
        raise RequestError(f"the model {model.name} expects no errors of itself: leave out --expected-error")
    paths = [path for path in (options.output, options.unexplained, options.expected_error) if path]
    if len({path.resolve() for path in paths}) < len(paths):
        raise RequestError("two volumes would be written to one file: give each another name")


def _acquisition(options: argparse.Namespace, factors: Triple) -> Acquisition | None:
    """How the scan came from what is sought, where the user tells."""
    if options.blur is None:
        return None
    from ...inference.scan_restoration import USUAL_NOISE, sharp_scan
    from ...physics.presets import acquisition_of_blur

    level = USUAL_NOISE if options.noise_level is None else options.noise_level
    if options.blur == "none":
        return sharp_scan(factors, level)
    return acquisition_of_blur(options.blur, factors, 1.0 if options.sigma is None else options.sigma).with_noise(
        level
    )
