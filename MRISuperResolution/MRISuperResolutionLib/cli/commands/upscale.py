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
    from ...image.grid import Grid, Triple
    from ...image.volume import Volume
    from ...methods.base import Method
    from ...models.card import Card
    from ...physics.acquisition import Acquisition
    from ...physics.estimation.estimate import Estimate
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
        "--acquisition",
        metavar="NAME",
        help="what the scanner did: auto, estimated from the scan (default); 3d: its k-space ends at the voxels; "
        "2d-multislice: slices with a profile as wide as they are thick; gaussian: the papers' blur of one fine "
        "voxel; or a JSON file. Networks and ibp, lrtv and nmu undo it, and the result accounts for the scan",
    )
    parser.add_argument(
        "--noise-level",
        type=float,
        metavar="X",
        help="of the scan, as a share of its range: how closely to account for it (default: estimated)",
    )
    # how earlier versions described the papers' blur
    parser.add_argument("--blur", choices=("fixed", "thickness", "none"), help=argparse.SUPPRESS)
    parser.add_argument("--sigma", type=float, metavar="X", help=argparse.SUPPRESS)
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

    from ...io import check_output, read_volume, room_in_file, write_volume
    from ...models.card import Card
    from ...models.registry import find_model
    from ...pipeline.model_selection import AUTO, harm
    from ...pipeline.request import plan
    from ...pipeline.upscale import upscale_into
    from ...runtime.cancellation import too_late

    _refuse_contradictions(options)
    refuse_to_replace([options.input, *options.reference], options.output)
    how = computing(options)
    contrast = _contrast(options)
    model = None if options.model == AUTO else find_model(options.model)
    progress.report(0.0, "reading")
    volume = read_volume(options.input)
    found = _found(options, volume, model)
    if model is None:
        model = _chosen(options, volume, contrast, found, progress)
    plan_ = plan(volume.grid, model, options.scale, options.spacing, options.plane, len(options.reference))
    acquisition = found or _acquisition(options, plan_.factors, volume.grid)
    if isinstance(model, Card) and (
        warning := harm(model, contrast, plan_.factors, _kind(options, found, plan_.factors))
    ):
        progress.say(f"warning: {warning}")
    check_output(options.output, plan_.target, volume.array.dtype, options.overwrite)
    _check_further(options, model)
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


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raise RequestError for options that do not go together."""
    from ...errors import RequestError

    refuse_both(options)
    if options.blur is None and options.sigma is not None:
        raise RequestError("--sigma tells more of the blur: add --blur fixed")
    if options.blur != "fixed" and options.sigma is not None:
        raise RequestError(f"--sigma is of the fixed blur, not of --blur {options.blur}: leave one of them out")
    if options.register and not options.reference:
        raise RequestError("--register aligns references, but none is given: add --reference")


def _contrast(options: argparse.Namespace) -> str | None:
    """Of the input, as it is told or as the file's name has it; None in doubt."""
    from ...errors import RequestError
    from ...pipeline.input_checks import contrast_named

    contrast = contrast_named(options.contrast or options.input.name)
    if options.contrast and contrast is None:
        raise RequestError(f"the contrast {options.contrast} is not known: give T1w, T2w, FLAIR or PDw")
    return contrast


def _found(options: argparse.Namespace, volume: Volume, model: Card | Method | None) -> Estimate | None:
    """What the scanner did, where it is to be estimated and the model makes use of it."""
    from dataclasses import replace

    from ...image.volume import check_image
    from ...pipeline.scan_acquisition import AUTO, estimated

    stated = options.blur is not None or options.acquisition not in (None, AUTO)
    if stated or not (model is None or model.undoes):
        return None
    check_image(volume)
    found = estimated(volume)
    return found if options.noise_level is None else replace(found, noise_level=options.noise_level)


def _kind(options: argparse.Namespace, found: Estimate | None, factors: Sequence[float]) -> str | None:
    """Which of the acquisitions that networks were measured under is most like the scan's."""
    from ...physics.presets import GAUSSIAN, PRESETS, THREE_D

    i, j, k = factors
    if found is not None:
        return found.preset((i, j, k))
    if options.blur is not None:
        return THREE_D if options.blur == "none" else GAUSSIAN
    return options.acquisition if options.acquisition in PRESETS else None


def _chosen(
    options: argparse.Namespace, volume: Volume, contrast: str | None, found: Estimate | None, progress: Progress
) -> Card | Method:
    """The model that suits the volume and what is asked; says why."""
    from ...models.card import catalogue
    from ...pipeline.model_selection import choose
    from ...pipeline.request import plan

    # of slices all that is asked for is finer in their plane
    factors = (1, 2, 2) if options.plane else plan(volume.grid, None, options.scale, options.spacing).factors
    asked = (options.scale, options.spacing, options.plane, len(options.reference))
    choice = choose(catalogue(), volume.grid, contrast, *asked, _kind(options, found, factors))
    progress.say(choice.why)
    return choice.card


def _check_further(options: argparse.Namespace, model: Card | Method) -> None:
    """Raise RequestError for volumes that the model cannot give."""
    from ...errors import RequestError

    if options.unexplained and not model.undoes:
        raise RequestError(f"the model {model.name} interpolates and undoes nothing: leave out --unexplained")
    if options.expected_error and not model.trust:
        raise RequestError(f"the model {model.name} expects no errors of itself: leave out --expected-error")
    paths = [path for path in (options.output, options.unexplained, options.expected_error) if path]
    if len({path.resolve() for path in paths}) < len(paths):
        raise RequestError("two volumes would be written to one file: give each another name")


def refuse_both(options: argparse.Namespace) -> None:
    """Raise RequestError where an acquisition is given together with what described one in earlier versions."""
    from ...errors import RequestError

    earlier = [name for name in ("blur", "sigma", "radius", "kspace") if getattr(options, name, None) is not None]
    if options.acquisition is not None and earlier:
        raise RequestError(f"--acquisition tells all that --{earlier[0]} tells: leave out --{earlier[0]}")


def _acquisition(options: argparse.Namespace, factors: Triple, grid: Grid) -> Acquisition | str:
    """What the options say of the scan; a name where the rest is to be estimated from it."""
    from ...inference.scan_restoration import USUAL_NOISE, sharp_scan
    from ...physics.presets import acquisition_named, acquisition_of_blur
    from ...pipeline.scan_acquisition import AUTO

    if options.blur is None:
        name: str = options.acquisition or AUTO
        if name == AUTO or options.noise_level is None:
            return name
        return acquisition_named(name, factors, grid).with_noise(options.noise_level)
    level = USUAL_NOISE if options.noise_level is None else options.noise_level
    if options.blur == "none":
        return sharp_scan(factors, level)
    return acquisition_of_blur(options.blur, factors, 1.0 if options.sigma is None else options.sigma).with_noise(
        level
    )
