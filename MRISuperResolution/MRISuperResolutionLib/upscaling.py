"""The road from a volume to the same volume at a higher resolution; shell, Slicer and tests all take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .acquisition import Acquisition
from .by_method import by_method
from .by_network import by_network
from .device import Computing
from .grid import Grid
from .intensity import Normalisation, to_type
from .methods.scan import Scan
from .models import find_model
from .progress import PREPARED, Progress, Silent, Stage
from .provenance import provenance
from .reference import on_grid
from .request import plan
from .volume import Volume, check_image
from .weights import SPLINE, Card


@dataclass(frozen=True)
class Outcome:
    """What came of a volume, all in its units; float32 but for the ``result``, which has its scalar type.

    unexplained     on the input's grid: the input less a scan of the result; None where nothing is known of the scan
    expected_error  on the result's grid: what nine of ten voxels' errors are expected to stay below; None where the
                    model does not tell
    """

    result: Volume
    unexplained: Volume | None = None
    expected_error: Volume | None = None


def upscale(volume: Volume, model: str = SPLINE, **options: Any) -> Volume:
    """The result of ``upscale_in_full``, which says what the ``options`` are."""
    return upscale_in_full(volume, model, **options).result


def upscale_in_full(
    volume: Volume,
    model: str = SPLINE,
    *,
    scale: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    plane: str | None = None,
    references: Sequence[Volume] = (),
    register: bool = False,
    acquisition: Acquisition | None = None,
    computing: Computing = Computing(),
    progress: Progress | None = None,
) -> Outcome:
    """``volume`` at a higher resolution, over exactly the same box, in its own units and scalar type; with what is
    known of its errors.

    model       the name of a method (see ``methods.METHODS``) or of shipped weights (``weights.catalogue``), or a
                .safetensors path
    scale       factor for all axes (2D models: in the plane) or three for i, j, k; real numbers from 1 up
    spacing     mm along i, j, k instead of a scale
    plane       for 2D models: "axial", "coronal" or "sagittal" (default: the plane of the thick slices)
    references  other contrasts of the subject for models that take them, on any grid; ``register`` aligns
                them to ``volume`` first
    acquisition how ``volume`` came from what is sought, if that is known: methods undo it (default: the papers'
                blur), networks on the scan's own grid too (default: ``restoration.usual_scan``), and what another
                network makes is changed so that it explains ``volume``, as closely as the noise allows (see
                ``methods.consistency.made_consistent``)
    progress    is told how far the work is; may raise ``Cancelled``

    The header of the result says how it was made. ``volume`` is left as it was. Raises RequestError for a
    volume or a request that cannot be served, OutOfMemory where the work does not fit.
    """
    progress = progress or Silent()
    for image in (volume, *references):
        check_image(image)
    chosen = find_model(model)
    plan_ = plan(volume.grid, chosen, scale, spacing, plane, len(references))
    computed = by_network if isinstance(chosen, Card) else by_method
    if acquisition:
        # sizes that do not fit are refused before the work starts
        Scan(acquisition, plan_.target.size, volume.grid.size)
    run = computed(chosen, plan_, acquisition, computing, progress)  # type: ignore[arg-type]
    progress.report(0.0, "preparing")
    normalisation = Normalisation.of(volume.array)
    low = normalisation.apply(volume.array)
    # references of volumes lie where the result will, those of slices where the slices do
    grid = plan_.target if plan_.slice_axis is None else plan_.source
    others = _on_grid(references, grid, volume if register else None, progress)
    found = run(low, others)
    made = found.made | ({"references": len(references), "registered": register} if references else {})
    progress.report(0.95, "original units")
    array = to_type(normalisation.undo(found.high), volume.array.dtype)
    return Outcome(
        Volume(array, plan_.target, provenance("Computed by super-resolution", made)),
        _differences(found.unexplained, volume.grid, normalisation, "Unexplained by super-resolution", made),
        _differences(found.expected_error, plan_.target, normalisation, "Expected error of super-resolution", made),
    )


def _differences(
    array: np.ndarray | None, grid: Grid, normalisation: Normalisation, action: str, made: dict[str, Any]
) -> Volume | None:
    """Normalised differences as a volume in the units of the input."""
    if array is None:
        return None
    return Volume(normalisation.undo_difference(array), grid, provenance(action, made))


def _on_grid(
    references: Sequence[Volume], grid: Grid, moving_to: Volume | None, progress: Progress
) -> list[np.ndarray]:
    """The references as float32 [i, j, k] on ``grid``, aligned to ``moving_to`` first if there is one."""
    share = PREPARED / max(1, len(references))
    stages = [Stage(progress, share * n, share * (n + 1), "aligning the reference") for n in range(len(references))]
    return [on_grid(r, grid, moving_to, stage.report) for r, stage in zip(references, stages, strict=True)]
