"""The road from a volume to the same volume at a higher resolution; shell, Slicer and tests all take it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..image.grid import Grid
from ..image.intensity import Normalisation, to_type, without_outliers
from ..image.linear_operators import resample
from ..image.volume import Volume, check_image
from ..io.arrays import InMemory, Pieces, Room, Source, Where, planes_at_once, spline
from ..io.provenance import provenance
from ..methods.base import Method
from ..models.card import SPLINE, Card
from ..models.registry import find_model
from ..physics.acquisition import Acquisition
from ..physics.estimation.estimate import Estimate
from ..physics.forward_operator import ForwardOperator
from ..runtime.device import Computing
from ..runtime.memory import memory_limit
from ..runtime.progress import PREPARED, Progress, Silent, Stage
from .classical_reconstruction import by_method
from .memory_requirements import needs
from .network_reconstruction import by_network
from .registration import on_grid
from .request import Plan, plan
from .scan_acquisition import AUTO, with_acquisition

WITHOUT_CONSISTENCY = "data consistency is left out: the result would not fit into memory as a whole"


@dataclass(frozen=True)
class Outcome:
    """What came of a volume, all in its units; float32 but for the ``result``, which has its scalar type.

    unexplained     on the input's grid: the input less a scan of the result; None where nothing is known of the scan
    expected_error  on the result's grid: what nine of ten voxels' errors, noise left out, are expected to stay below;
                    None where the model does not tell
    """

    result: Volume
    unexplained: Volume | None = None
    expected_error: Volume | None = None


@dataclass(frozen=True)
class Told:
    """The same without the result, whose ``header`` it is that is left of it."""

    header: dict[str, str]
    unexplained: Volume | None = None
    expected_error: Volume | None = None


def upscale(volume: Volume, model: str = SPLINE, **options: Any) -> Volume:
    """The result of ``upscale_in_full``, which says what the ``options`` are."""
    return upscale_in_full(volume, model, **({"expect_errors": False} | options)).result


def upscale_in_full(
    volume: Volume,
    model: str = SPLINE,
    *,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: Sequence[Volume] = (),
    expect_errors: bool = True,
    **options: Any,
) -> Outcome:
    """``volume`` at a higher resolution, in memory, with what is known of its errors; see ``upscale_into``."""
    target = plan(volume.grid, find_model(model), scale, spacing, plane, len(references)).target
    room = InMemory(target, volume.array.dtype)
    asked = {"scale": scale, "spacing": spacing, "plane": plane, "references": references}
    told = upscale_into(room, volume, model, expect_errors=expect_errors, **asked, **options)  # type: ignore[arg-type]
    return Outcome(Volume(room.array, target, told.header), told.unexplained, told.expected_error)


def upscale_into(
    room: Room,
    volume: Volume,
    model: str = SPLINE,
    *,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: Sequence[Volume] = (),
    register: bool = False,
    acquisition: Acquisition | Estimate | str | None = AUTO,
    expect_errors: bool = False,
    contrast: str | None = None,
    computing: Computing = Computing(),
    progress: Progress | None = None,
) -> Told:
    """``volume`` at a higher resolution, over exactly the same box, in its own units and scalar type, put into
    ``room`` (see ``files.room_in_file``) piece by piece; with what is known of its errors.

    model       the name of a method (see ``methods.METHODS``) or of shipped weights (``weights.catalogue``), or a
                .safetensors path
    scale       factor for all axes (2D models: in the plane) or three for i, j, k; real numbers from 1 up
    spacing     mm along i, j, k instead of a scale
    plane       for 2D models: "axial", "coronal" or "sagittal" (default: the plane of the thick slices)
    references  other contrasts of the subject for models that take them, on any grid; ``register`` aligns
                them to ``volume`` first
    acquisition what the scanner did: "auto", estimated from the scan (see ``physics.estimation``); one of
                ``physics.presets.PRESETS`` or the path of a file; an Acquisition at the factors of the result; None:
                blind. Methods undo it, networks on the scan's own grid are conditioned on it, and what a network
                makes is changed so that it accounts for ``volume``, as closely as the noise allows (see
                ``physics.data_consistency``). A scan that was zero-filled is cropped to what was acquired first
    expect_errors
                whether to compute the errors to expect, of models that tell them; it takes up to a fifth of the time
    contrast    of ``volume`` (T1w, T2w, FLAIR), if it is known: what errors to expect depends on it
    progress    is told how far the work is; may raise ``Cancelled``

    The header of the result says how it was made. ``volume`` is left as it was. Raises RequestError for a
    volume or a request that cannot be served, OutOfMemory where the work does not fit.
    """
    progress = progress or Silent()
    for image in (volume, *references):
        check_image(image)
    chosen = find_model(model)
    plan_ = plan(volume.grid, chosen, scale, spacing, plane, len(references))
    progress.report(0.0, "preparing")
    scan = with_acquisition(volume, chosen, plan_, acquisition)
    given, volume, plan_, acquisition = volume, scan.volume, scan.plan, scan.acquisition
    if acquisition:
        # sizes that do not fit are refused before the work starts
        ForwardOperator(acquisition, plan_.target.size, volume.grid.size)
        if scan.optional and not _fits(chosen, plan_, references, expect_errors, room, computing):
            scan = replace(scan, messages=(*scan.messages, WITHOUT_CONSISTENCY))
            acquisition = None
    if isinstance(chosen, Card):
        kept = int(room.bytes_voxel * math.prod(plan_.target.size))
        run = by_network(chosen, plan_, acquisition, computing, progress, kept, expect_errors, contrast)
    else:
        run = by_method(chosen, plan_, acquisition, computing, progress)
    needed = needs(
        chosen,
        plan_,
        told=acquisition is not None,
        references=len(references),
        expect_errors=expect_errors,
        room_bytes=room.bytes_voxel,
    )
    needed.check(memory_limit(computing.max_memory))
    normalisation = Normalisation.of(volume.array)
    low, outliers = normalisation.apply(volume.array), None
    if isinstance(chosen, Card):
        low, beyond = without_outliers(low)
        outliers = None if beyond is None else spline(beyond, plan_.target.size)
    # references of volumes lie where the result will, those of slices where the slices do
    grid = plan_.target if plan_.slice_axis is None else plan_.source
    others = _on_grid(references, grid, volume if register else None, progress)
    further: dict[str, Any] = {"references": len(references), "registered": register} if references else {}
    if scan.found and acquisition:
        further |= {"acquisition_source": "estimated", "acquisition_found": scan.found.words}

    def header(made: dict[str, Any]) -> dict[str, str]:
        return provenance("Computed by super-resolution", made | further)

    def begin(made: dict[str, Any]) -> Pieces:
        return InUnits(room.begin(header(made)), normalisation, given.array.dtype, outliers)

    for message in scan.messages:
        progress.say(message)
    found = run(low, others, begin)
    made = found.made | further
    return Told(
        header(made),
        _differences(found.unexplained, given.grid, normalisation, "Unexplained by super-resolution", made),
        _differences(found.expected_error, plan_.target, normalisation, "Expected error of super-resolution", made),
    )


class InUnits:
    """Takes normalised voxels and hands them on to ``pieces`` in the units of the input, as its ``dtype``.

    ``outliers`` is added to them, if there is any: what the network was not given of the scan, interpolated.
    """

    def __init__(
        self, pieces: Pieces, normalisation: Normalisation, dtype: np.dtype, outliers: Source | None = None
    ) -> None:
        self.pieces, self.normalisation, self.dtype, self.outliers = pieces, normalisation, dtype, outliers

    def __setitem__(self, where: Where, values: np.ndarray) -> None:
        rows, columns, planes = where
        first = planes.start or 0
        for some in planes_at_once(values.shape):
            here = (rows, columns, slice(first + some.start, first + some.stop))
            normalised = values[:, :, some]
            if self.outliers is not None:
                normalised = normalised + self.outliers[here]
            self.pieces[here] = to_type(self.normalisation.undo(normalised, self.dtype), self.dtype)


def _differences(
    array: np.ndarray | None, grid: Grid, normalisation: Normalisation, action: str, made: dict[str, Any]
) -> Volume | None:
    """Normalised differences as a volume in the units of the input."""
    if array is None:
        return None
    if array.shape != grid.size:
        # of a scan that was cropped to what was acquired
        array = np.ascontiguousarray(resample(array, grid.size))
    return Volume(normalisation.undo_difference(array), grid, provenance(action, made))


def _fits(
    model: Card | Method, plan_: Plan, references: Sequence[Volume], errors: bool, room: Room, computing: Computing
) -> bool:
    """Whether the result fits into memory as a whole."""
    needed = needs(
        model,
        plan_,
        told=True,
        references=len(references),
        expect_errors=errors,
        room_bytes=room.bytes_voxel,
    )
    return needed.fits(memory_limit(computing.max_memory))


def _on_grid(
    references: Sequence[Volume], grid: Grid, moving_to: Volume | None, progress: Progress
) -> list[np.ndarray]:
    """The references as float32 [i, j, k] on ``grid``, aligned to ``moving_to`` first if there is one."""
    share = PREPARED / max(1, len(references))
    stages = [Stage(progress, share * n, share * (n + 1), "aligning the reference") for n in range(len(references))]
    return [on_grid(r, grid, moving_to, stage.report) for r, stage in zip(references, stages, strict=True)]
