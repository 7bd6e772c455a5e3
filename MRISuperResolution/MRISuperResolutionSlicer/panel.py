"""The widgets of the panel, kept in step with the parameter node and with the scene.

Widgets that show one parameter are connected by Slicer itself; here is what depends on several: the model,
what applies to it, what is missing, and what the result will be.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.util import VTKObservationMixin

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.pipeline.input_checks import warnings
from MRISuperResolutionLib.runtime.memory import GIB

from . import speed
from .cost_estimate import outlook
from .model_list import Model, offered
from .parameters import Resolution
from .quality_maps import Doubt
from .request import Asked, problems, why_no_doubts
from .volume_nodes import check_volume, grid_of

DIRECTIONS = ("left-right", "posterior-anterior", "inferior-superior")
APPLY, CANCEL = "Apply", "Cancel"
READY = "Compute the volume at a higher resolution."

DOUBTS = {
    Doubt.EXPECTED_ERROR: "The expected error, in colours over the result: nine of ten voxels should be nearer to "
    "the truth than it says, noise left out, as the network learned from heads whose truth is known.",
    Doubt.UNEXPLAINED: "The unexplained part, a volume beside the result: what a scan of the result would lack (red) "
    "or have too much (blue) of the input; blurred as you say under Advanced, else as wide as the input's voxels.",
}
NOT_KNOWN = (
    "What they cannot know: heads unlike those that the network learned from, a rare lesion for one, and a scanner "
    "that blurred otherwise than told. Where nothing is shown the result can still be wrong."
)
BLUR = (
    "How the scanner blurred, if you know it: the result is then made to explain the scan. Not told: what a network "
    "makes is left as it is. None: all that the scan holds is kept, the safest choice, with the least gain. A blur "
    "told wider than it was sharpens what is sharp."
)
NO_BLUR = "This model interpolates and undoes no blur."


class Panel(VTKObservationMixin):
    """``ui`` holds the widgets by name; ``follow`` gives the parameter node that they show."""

    def __init__(self, ui: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self.parameters: Any = None
        self.models: list[Model] = []
        self.is_running = False
        self._updating = False
        ui.progressBar.visible = False
        ui.statusLabel.visible = False
        ui.overlayButton.visible = False
        self._list_models()
        ui.modelComboBox.currentIndexChanged.connect(self._on_model)
        ui.inPlaneComboBox.currentIndexChanged.connect(self._on_in_plane)
        ui.isotropicButton.clicked.connect(self._on_isotropic)

    def follow(self, parameters: Any) -> None:
        """Show ``parameters`` from now on; None: nothing for now."""
        self.removeObservers()
        self.parameters = parameters
        if parameters is not None and not parameters.model and self.models:
            parameters.model = self.models[0].names[0]
        self.update()

    def asked(self) -> Asked:
        """What the panel asks for: the choices that apply to the model."""
        p, model = self.parameters, self.model
        slices = model is not None and model.dimensions == 2
        by_spacing = p.resolution == Resolution.SPACING
        takes_reference = model is not None and model.references > 0
        asked = Asked(
            source=p.inputVolume,
            output=p.outputVolume,
            model=p.model,
            scale=p.scaleInPlane if slices else None if by_spacing else (p.scaleI, p.scaleJ, p.scaleK),
            spacing=(p.spacingI, p.spacingJ, p.spacingK) if by_spacing and not slices else None,
            plane=p.plane.value if slices else None,
            reference=p.referenceVolume if takes_reference else None,
            register=p.registerReference and takes_reference and p.referenceVolume is not None,
            device=p.device.value if model is not None and model.cards else "auto",
            precision=p.precision.value if model is not None and model.cards else "auto",
            memory_limit=p.memoryLimit or None,
            blur=p.blur.value if model is not None and model.cards else None,
        )
        return replace(asked, doubts=p.doubts and why_no_doubts(asked) is None)

    @property
    def model(self) -> Model | None:
        """The entry of the model in the parameter node; None for one that is not installed."""
        return next((model for model in self.models if self.parameters.model in model.names), None)

    def update(self) -> None:
        """Bring all widgets up to date with the parameter node and the scene."""
        if self.parameters is None or self._updating or self.is_running:
            return
        self._updating = True
        try:
            self._watch_volumes()
            self._show_model()
            self._show_axes()
            self._show_doubts()
            self._show_outlook()
        finally:
            self._updating = False

    def show_running(self, running: bool) -> None:
        """Apply becomes Cancel while a run is under way."""
        self.is_running = running
        self.ui.applyButton.text = CANCEL if running else APPLY
        self.ui.progressBar.visible = running
        self.ui.progressBar.value = 0
        for group in (self.ui.volumesCollapsibleButton, self.ui.methodCollapsibleButton):
            group.enabled = not running
        self.ui.advancedCollapsibleButton.enabled = not running
        if running:
            self.ui.applyButton.enabled = True
            self.ui.applyButton.toolTip = "End the computation; nothing will be changed."
        else:
            self.update()

    def show_waiting(self, waiting: bool) -> None:
        """As while a run is under way, but there is nothing to cancel."""
        self.show_running(waiting)
        if waiting:
            self.ui.progressBar.visible = self.ui.applyButton.enabled = False
            self.ui.applyButton.text = APPLY

    def show_progress(self, fraction: float, step: str, seconds_left: float | None) -> None:
        """``fraction`` (0 to 1) is done, ``step`` is under way."""
        self.ui.progressBar.value = round(100 * fraction)
        left = "" if seconds_left is None else f", {duration(seconds_left)} left"
        self.say(f"{step[:1].upper()}{step[1:]}{left}")

    def say(self, text: str) -> None:
        """The line under the progress bar."""
        self.ui.statusLabel.text = text
        self.ui.statusLabel.visible = bool(text)

    def offer_overlay(self, offered: bool) -> None:
        """The button that hides and shows what lies over the result, pressed at first."""
        self.ui.overlayButton.visible = self.ui.overlayButton.checked = offered

    def _watch_volumes(self) -> None:
        """Follow what happens to the chosen volumes: a node that is being loaded gets its voxels later."""
        # all of them: to remove a method alone would keep the nodes, and their voxels, for ever
        self.removeObservers()
        for node in dict.fromkeys((self.parameters.inputVolume, self.parameters.referenceVolume)):
            if node is not None:
                for event in (
                    vtk.vtkCommand.ModifiedEvent,
                    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
                    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
                ):
                    self.addObserver(node, event, self._on_volume)

    def _on_volume(self, *_: Any) -> None:
        self.update()

    def _list_models(self) -> None:
        try:
            self.models = offered()
        except RequestError as error:
            self.say(str(error))
        for model in self.models:
            self.ui.modelComboBox.addItem(model.title)

    def _on_model(self, *_: Any) -> None:
        index = self.ui.modelComboBox.currentIndex
        if self.parameters is None or self._updating or index < 0:
            return
        model = self.models[index]
        if self.parameters.model not in model.names:
            self.parameters.model = model.names[0]
            if model.dimensions == 2:
                self._take_in_plane(model.in_plane[0])

    def _on_in_plane(self, *_: Any) -> None:
        index = self.ui.inPlaneComboBox.currentIndex
        if self.parameters is not None and not self._updating and index >= 0 and self.model is not None:
            self._take_in_plane(self.model.in_plane[index])

    def _take_in_plane(self, choice: tuple[float, str]) -> None:
        with slicer.util.NodeModify(self.parameters):
            self.parameters.scaleInPlane, self.parameters.model = choice

    def _on_isotropic(self, *_: Any) -> None:
        node = self.parameters.inputVolume
        if node is None:
            return
        p, finest = self.parameters, min(node.GetSpacing())
        p.resolution = Resolution.SPACING
        p.spacingI = p.spacingJ = p.spacingK = finest

    def _show_model(self) -> None:
        ui, model = self.ui, self.model
        ui.modelComboBox.currentIndex = -1 if model is None else self.models.index(model)
        slices = model is not None and model.dimensions == 2
        ui.modelDescriptionLabel.text = "" if model is None else self._described(model)
        by_spacing = self.parameters.resolution == Resolution.SPACING
        for name, shown in {
            "resolution": not slices,
            "axes": not slices,
            "scale": not slices and not by_spacing,
            "spacing": not slices and by_spacing,
            "isotropic": not slices,
            "inPlane": slices,
        }.items():
            self._row(name, shown)
        ui.planeComboBox.enabled = slices
        if slices and model is not None:
            self._show_in_plane(model)
        self._show_reference(model)
        computes = model is not None and bool(model.cards)
        for box in (ui.deviceComboBox, ui.precisionComboBox, ui.blurComboBox):
            box.enabled = computes
        ui.blurComboBox.toolTip = _paragraphs([BLUR if computes else NO_BLUR])

    def _described(self, model: Model) -> str:
        """What the model is for; of the automatic one, what it would take and why."""
        if model.automatic and self._grid() is not None:
            try:
                return f"Takes {self.asked().choice().why}."
            except RequestError:
                # it stands among what is wrong
                pass
        return f"For {model.summary}."

    def _show_in_plane(self, model: Model) -> None:
        box, chosen = self.ui.inPlaneComboBox, (self.parameters.scaleInPlane, self.parameters.model)
        box.clear()
        for factor, _ in model.in_plane:
            box.addItem(f"{factor:g} times finer in the plane")
        box.currentIndex = model.in_plane.index(chosen) if chosen in model.in_plane else -1

    def _show_reference(self, model: Model | None) -> None:
        takes = model is not None and model.references > 0
        ui = self.ui
        ui.referenceSelector.enabled = takes
        ui.registerCheckBox.enabled = takes and self.parameters.referenceVolume is not None
        ui.referenceNoteLabel.text = "" if takes else "This model takes no reference."
        ui.referenceNoteLabel.visible = not takes

    def _show_doubts(self) -> None:
        asked = replace(self.asked(), doubts=True)
        why_not = why_no_doubts(asked)
        self.ui.doubtsCheckBox.enabled = why_not is None
        told = [why_not] if why_not else [*(DOUBTS[doubt] for doubt in asked.wanted_doubts()), NOT_KNOWN]
        self.ui.doubtsCheckBox.toolTip = _paragraphs(told)

    def _row(self, name: str, shown: bool) -> None:
        """Show or hide the label and the field called ``name``."""
        for part in ("Label", "ComboBox", "Widget", "Button"):
            widget = getattr(self.ui, name + part, None)
            if widget is not None:
                widget.visible = shown

    def _show_axes(self) -> None:
        grid = self._grid()
        for axis, label in enumerate((self.ui.axisILabel, self.ui.axisJLabel, self.ui.axisKLabel)):
            name = "ijk"[axis]
            label.text = name if grid is None else f"{name} ({DIRECTIONS[_direction(grid, axis)]})"

    def _grid(self) -> Grid | None:
        try:
            check_volume(self.parameters.inputVolume)
        except RequestError:
            return None
        return grid_of(self.parameters.inputVolume)

    def _show_outlook(self) -> None:
        ui, asked = self.ui, self.asked()
        wrong = problems(asked)
        if self.model is None:
            wrong = [f"The model {self.parameters.model} is not installed here: choose another."]
        elif self.model.needs_reference and asked.reference is None:
            wrong = [s for s in wrong if "reference(s) given" not in s] + [
                "No reference volume is chosen: choose one."
            ]
        ui.applyButton.enabled = not wrong
        ui.applyButton.toolTip = _paragraphs(wrong or [READY])
        ui.forecastLabel.text = "" if wrong else self._forecast(asked)
        cautions = [] if wrong else self._warnings(asked)
        if asked.source is not None and wrong:
            cautions = wrong
        ui.warningLabel.text = "\n".join(cautions)
        ui.warningLabel.visible = bool(cautions)

    def _forecast(self, asked: Asked) -> str:
        plan = asked.plan()
        told = outlook(asked, grid_of(asked.source), plan)
        size = " x ".join(map(str, plan.target.size))
        spacing = " x ".join(f"{d:.3g}" for d in plan.target.spacing)
        seconds = told.seconds(speed.rate(asked.device))
        # the process that computes has ended when its result is read
        memory = max(told.memory, asked.bytes_in_scene())
        return (
            f"Result: {size} voxels of {spacing} mm. Takes about {memory / GIB:.1f} GiB of memory and "
            f"{duration(seconds)} on {speed.where(asked.device)}."
        )

    def _warnings(self, asked: Asked) -> list[str]:
        return warnings(asked.chosen(), grid_of(asked.source), asked.plan(), asked.contrast)


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _paragraphs(sentences: Sequence[str]) -> str:
    """A tool tip; Slicer makes one paragraph of plain text."""
    return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)


def _direction(grid: Grid, axis: int) -> int:
    return int(np.argmax(np.abs(np.reshape(grid.direction, (3, 3))[:, axis])))
