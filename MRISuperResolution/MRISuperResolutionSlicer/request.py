"""What the user asks for, and everything that is still missing or wrong with it, in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.models.card import SPLINE, Card, catalogue
from MRISuperResolutionLib.pipeline.input_checks import contrast_named
from MRISuperResolutionLib.pipeline.model_selection import AUTO, Choice, choose
from MRISuperResolutionLib.pipeline.request import Plan, plan
from MRISuperResolutionLib.runtime.memory import GIB, available_memory

from .parameters import Blur, in_words_of_panel
from .quality_maps import Doubt, doubts_of
from .volume_nodes import SCALAR_VOLUME, check_volume, grid_of

if TYPE_CHECKING:
    from MRISuperResolutionLib.methods.base import Method

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Asked:
    """The choices as they stand on the panel, or in a call of the logic.

    ``scale`` and ``spacing`` are along the index axes i, j, k; of ``scale`` one number is enough.
    ``memory_limit`` in GiB; None: half of what is free. ``blur``: of the scanner, as the command line calls it; None:
    not told. ``doubts``: whether the volumes that tell where not to trust the result are asked for, too.
    """

    source: Any
    output: Any = None
    model: str = SPLINE
    scale: float | Sequence[float] | None = None
    spacing: Sequence[float] | None = None
    plane: str | None = None
    reference: Any = None
    register: bool = False
    device: str = "auto"
    precision: str = "auto"
    memory_limit: float | None = None
    blur: str | None = None
    doubts: bool = False

    def chosen(self) -> Card | Method:
        """The model: weights by their card, or a method; RequestError for one that is not there."""
        from MRISuperResolutionLib.models.registry import find_model

        if self.model == AUTO:
            return self.choice().card
        if not isinstance(self.model, str):
            raise RequestError(f"The model {self.model!r} is no name: give one such as {SPLINE}.")
        return find_model(self.model)

    @property
    def contrast(self) -> str | None:
        """Of the input, as its name tells; None in doubt."""
        return contrast_named(self.source.GetName() or "")

    def choice(self) -> Choice:
        """What stands for "auto": the shipped weights that suit the input, and why."""
        references = 0 if self.reference is None else 1
        scale, spacing = _numbers(self.scale), _numbers(self.spacing)
        return choose(catalogue(), grid_of(self.source), self.contrast, scale, spacing, self.plane, references)

    @property
    def needs_packages(self) -> bool:
        """Whether a network is to compute, for which Python packages may have to be installed."""
        return self.model == AUTO or isinstance(self.chosen(), Card)

    def plan(self) -> Plan:
        """The grid of the result; RequestError for what the model was not made for."""
        references = 0 if self.reference is None else 1
        grid, scale, spacing = grid_of(self.source), _numbers(self.scale), _numbers(self.spacing)
        if spacing is not None and len(spacing) != 3:
            raise RequestError(f"The spacing {self.spacing} is not three numbers: give mm along i, j, k.")
        return plan(grid, self.chosen(), scale, spacing, self.plane, references)

    def wanted_doubts(self) -> list[Doubt]:
        """The volumes that shall tell where not to trust the result; RequestError where the model can give none."""
        return doubts_of(self.chosen(), self.blur) if self.doubts else []

    def bytes_in_scene(self) -> int:
        """Memory that the result will take in Slicer, and the volumes that tell where not to trust it."""
        each = self.source.GetImageData().GetScalarSize()
        fine, own = math.prod(self.plan().target.size), math.prod(self.source.GetImageData().GetDimensions())
        sizes = {Doubt.EXPECTED_ERROR: fine, Doubt.UNEXPLAINED: own}
        return each * fine + FLOAT32_BYTES * sum(sizes[doubt] for doubt in self.wanted_doubts())

    def options(self) -> list[str]:
        """The options of the command line, but for the files."""
        options = ["--model", self.chosen().name if self.model == AUTO else self.model]
        for option, values in (("--spacing", self.spacing), ("--scale", self.scale)):
            numbers = _numbers(values)
            if numbers is not None:
                # repr gives all digits
                options += [option, *map(repr, numbers)]
        if self.plane is not None:
            options += ["--plane", self.plane]
        if self.register:
            options += ["--register"]
        if self.blur is not None:
            options += ["--blur", self.blur]
        if self.contrast and Doubt.EXPECTED_ERROR in self.wanted_doubts():
            options += ["--contrast", self.contrast]
        if self.memory_limit is not None:
            options += ["--max-memory", repr(float(self.memory_limit))]
        return [*options, "--device", self.device, "--precision", self.precision]


def problems(asked: Asked) -> list[str]:
    """A sentence for each thing that is missing or wrong; empty where the run can start."""
    found = [_problem(lambda: check_volume(asked.source))]
    if found == [None]:
        found.append(_problem(asked.plan))
        # a model that is not there has been told of
        found += [] if found[-1] else [_problem(lambda: _check_blur(asked)), _problem(lambda: check_memory(asked))]
    if asked.reference is not None:
        found.append(_problem(lambda: _check_reference(asked)))
    found.append(_problem(lambda: _check_output(asked)))
    found.append(_problem(lambda: _check_options(asked)))
    return [sentence for sentence in found if sentence]


def check(asked: Asked) -> None:
    """Raise RequestError with all that is missing or wrong."""
    found = problems(asked)
    if found:
        raise RequestError(" ".join(found))


def why_no_doubts(asked: Asked) -> str | None:
    """The sentence that says why no volume can tell where not to trust the result; None where one can."""
    return _problem(lambda: check_volume(asked.source)) or _problem(lambda: doubts_of(asked.chosen(), asked.blur))


def _problem(ask: Callable[[], Any]) -> str | None:
    try:
        ask()
    except RequestError as error:
        sentence = str(error)
        return in_words_of_panel(sentence[0].upper() + sentence[1:] + ("" if sentence.endswith((".", "?")) else "."))
    return None


def _check_reference(asked: Asked) -> None:
    check_volume(asked.reference, "reference")
    if asked.reference is asked.source:
        raise RequestError("The input cannot be its own reference: choose another contrast.")
    if asked.source is not None:
        grid_of(asked.reference, frame=asked.source)


def _check_output(asked: Asked) -> None:
    output = asked.output
    if output is None:
        return
    if output in (asked.source, asked.reference):
        raise RequestError(f"{output.GetName()} is both input and output: choose another output, or a new volume.")
    if output.GetClassName() != SCALAR_VOLUME or output.GetScene() is None:
        raise RequestError(f"{output.GetName()} cannot hold the result: choose a scalar volume of the scene.")


def _check_blur(asked: Asked) -> None:
    known = [blur.value for blur in Blur if blur.value]
    if asked.blur is None:
        return
    if asked.blur not in known:
        raise RequestError(f"The blur {asked.blur!r} is not known: give one of {', '.join(known)}, or leave it out.")
    model = asked.chosen()
    if not model.undoes:
        raise RequestError(f"The model {model.name} interpolates and undoes nothing: leave out the blur.")


def check_memory(asked: Asked) -> None:
    """Raise RequestError where Slicer has no memory for the result: to ask for more than there is would end it."""
    needed, free = asked.bytes_in_scene(), available_memory()
    if needed > free:
        raise RequestError(
            f"The result takes {needed / GIB:.1f} GiB of memory in Slicer, and {free / GIB:.1f} GiB are free: ask "
            "for a smaller factor, or close what is not needed."
        )


def _check_options(asked: Asked) -> None:
    if asked.register and asked.reference is None:
        raise RequestError("There is no reference to register: choose one, or do not ask for it.")
    limit = asked.memory_limit
    if limit is not None and not (math.isfinite(limit) and limit > 0):
        raise RequestError(f"The memory limit must be a positive number of GiB, not {limit}.")


def _numbers(values: Any) -> list[float] | None:
    """One number or several as a list of floats, so that numpy's are welcome too; None for None."""
    try:
        return None if values is None else [float(value) for value in np.ravel(values)]
    except (TypeError, ValueError) as error:
        raise RequestError(f"{values!r} is not a number or three: give numbers.") from error
