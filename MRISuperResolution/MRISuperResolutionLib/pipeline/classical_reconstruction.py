"""A volume at a higher resolution by a method that needs no weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import RequestError
from ..io.arrays import EVERYWHERE, Pieces, Source, planes_at_once
from ..methods.base import Method, Piecewise, assumed_acquisition
from ..physics.acquisition import Acquisition
from ..physics.forward_operator import ForwardOperator
from ..physics.presets import provenance_fields
from ..runtime.device import Computing
from ..runtime.progress import PREPARED, Progress, Stage
from .request import Plan


def by_method(
    method: Method, plan_: Plan, acquisition: Acquisition | None, computing: Computing, progress: Progress
) -> Run:
    """What computes with a method, once all that can be refused has been."""
    if computing.device not in ("auto", "cpu") or computing.precision not in ("auto", "float32"):
        raise RequestError(
            f"the model {method.name} computes on the CPU in float32, not with device {computing.device} and "
            f"precision {computing.precision}: leave them out"
        )
    assumed = acquisition or assumed_acquisition(plan_.factors)
    stage = Stage(progress, PREPARED, 0.95, "computing")
    made = {
        "model": method.name,
        "sha256": None,
        "factors": plan_.factors,
        "plane": None,
        "device": "cpu",
        "precision": "float32",
        **(provenance_fields(assumed) if method.undoes else {}),
    }

    def run(low: np.ndarray, references: list[np.ndarray], begin: Begin) -> Computed:
        size = plan_.target.size
        if isinstance(method, Piecewise):
            _copy(method.source(low, size), begin(made), stage)
            return Computed(made)
        high = method.upscale(low, size, acquisition=assumed, references=references, report=stage.report)
        begin(made)[EVERYWHERE] = high
        return Computed(made, ForwardOperator(assumed, size, low.shape).residual(high, low) if acquisition else None)

    return run


def _copy(source: Source, pieces: Pieces, stage: Stage) -> None:
    for planes in planes_at_once(source.shape):
        stage.report(planes.start / source.shape[2])
        pieces[:, :, planes] = source[:, :, planes]


@dataclass(frozen=True)
class Computed:
    """What is known of a result besides its voxels; float32 [i, j, k], normalised.

    made            how it was made, for the header
    unexplained     on the input's grid: the input less a scan of the result; None where nothing is known of the scan
    expected_error  on the target grid, not negative: what nine of ten voxels' errors, noise left out, are expected
                    to stay below; None where the model does not tell
    """

    made: dict[str, Any] = field(default_factory=dict)
    unexplained: np.ndarray | None = None
    expected_error: np.ndarray | None = None


Begin = Callable[[dict[str, Any]], Pieces]
"""From how the result is made to where its normalised voxels are to be put. Begins anew when called again."""

Run = Callable[[np.ndarray, list[np.ndarray], Begin], Computed]
"""From the input's normalised values and the references on their grid to what is computed."""
