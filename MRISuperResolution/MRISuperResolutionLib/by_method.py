"""A volume at a higher resolution by a method that needs no weights."""

from __future__ import annotations

import numpy as np

from .computed import Begin, Computed, Run
from .device import Computing
from .errors import RequestError
from .methods.base import Method, Piecewise, assumed_acquisition
from .physics.acquisition import Acquisition
from .physics.forward_operator import ForwardOperator
from .physics.presets import provenance_fields
from .progress import PREPARED, Progress, Stage
from .request import Plan
from .rooms import EVERYWHERE, Pieces, planes_at_once
from .sources import Source


def by_method(
    method: Method, plan_: Plan, acquisition: Acquisition | None, computing: Computing, progress: Progress
) -> Run:
    """What computes with a method, once all that can be refused has been."""
    if computing.device not in ("auto", "cpu") or computing.precision not in ("auto", "float32"):
        raise RequestError(
            f"the model {method.name} computes on the CPU in float32, not with device {computing.device} and "
            f"precision {computing.precision}: leave them out"
        )
    if acquisition and not method.undoes:
        raise RequestError(f"the model {method.name} interpolates and undoes nothing: leave out the blur")
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
