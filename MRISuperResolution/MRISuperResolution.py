"""MRI Super-Resolution: the scripted module of 3D Slicer.

It shows the panel and runs the command line of ``MRISuperResolutionLib`` in a child process; how, stands in
``MRISuperResolutionSlicer``. Nothing here computes on voxels, and nothing here needs torch.
"""

from typing import Annotated, get_type_hints

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.io.provenance import KEY
from MRISuperResolutionLib.models.card import SPLINE, catalogue
from MRISuperResolutionSlicer import dependencies, sample_data, speed
from MRISuperResolutionSlicer.cost_estimate import outlook
from MRISuperResolutionSlicer.job import Job
from MRISuperResolutionSlicer.panel import Panel, duration
from MRISuperResolutionSlicer.parameters import Blur, Device, Labelled, Plane, Precision, Resolution
from MRISuperResolutionSlicer.quality_maps import Doubt
from MRISuperResolutionSlicer.request import Asked, check
from MRISuperResolutionSlicer.slice_views import Comparison
from MRISuperResolutionSlicer.volume_nodes import SCALAR_VOLUME

DEFAULT_MODEL = "recnn10-t1w"


class MRISuperResolution(ScriptedLoadableModule):
    """What Slicer's module list tells of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MRI Super-Resolution")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering")]
        parent.dependencies = []
        parent.contributors = ["The MRISuperResolution developers"]
        parent.helpText = _(
            "Brings brain MRI volumes to a higher resolution: ReCNN on the whole volume, DGGRN slice by slice. "
            "For research use only, not for diagnosis: detail that a network adds is an estimate."
        )
        parent.acknowledgementText = _(
            "DGGRN: X. Du and Y. He, Applied Sciences 9(22), 4874, 2019. "
            "ReCNN: C.-H. Pham et al., Computerized Medical Imaging and Graphics 77, 101647, 2019."
        )
        slicer.app.startupCompleted.connect(sample_data.register)


@parameterNodeWrapper
class MRISuperResolutionParameterNode:
    """All choices of the panel, saved with the scene.

    ``model`` is what the command line calls it; the panel puts its first one in the place of none.
    ``scale*`` and ``spacing*`` (mm) are along the index axes of the input; which of them holds, ``resolution`` says;
    ``scaleInPlane`` is that of models of slices.
    ``memoryLimit`` in GiB, 0: half of what is free. With ``doubts`` come volumes that tell where not to trust the
    result.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    model: str = ""
    resolution: Resolution = Resolution.FACTOR
    scaleI: Annotated[float, WithinRange(1, 16)] = 2
    scaleJ: Annotated[float, WithinRange(1, 16)] = 2
    scaleK: Annotated[float, WithinRange(1, 16)] = 2
    scaleInPlane: Annotated[float, WithinRange(1, 16)] = 2
    spacingI: Annotated[float, WithinRange(0.001, 20)] = 1
    spacingJ: Annotated[float, WithinRange(0.001, 20)] = 1
    spacingK: Annotated[float, WithinRange(0.001, 20)] = 1
    plane: Plane = Plane.ACQUIRED
    referenceVolume: vtkMRMLScalarVolumeNode
    registerReference: bool = False
    doubts: bool = False
    blur: Blur = Blur.NOT_TOLD
    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    memoryLimit: Annotated[float, WithinRange(0, 4096)] = 0


class MRISuperResolutionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: choices, Apply that becomes Cancel, progress, the comparison afterwards."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self.job = None
        self.comparison = None
        self._parameterNode = None
        self._guiTag = None

    def setup(self):
        """Called when the user opens the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MRISuperResolution.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MRISuperResolutionLogic()
        self.panel = Panel(self.ui)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.ui.applyButton.clicked.connect(self.onApply)
        self.ui.overlayButton.clicked.connect(self.onOverlay)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes and when the module is reloaded."""
        if self.job is not None:
            # its widgets are about to go
            self.job.on_progress = self.job.on_finished = None
            self.job.cancel()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        """Called each time the user opens the module."""
        self.initializeParameterNode()
        self.panel.update()

    def onSceneStartClose(self, caller, event):
        self.forgetComparison()
        self.setParameterNode(None)

    def onNodeRemoved(self, caller, event):
        if self.comparison is not None and not self.comparison.is_there:
            self.forgetComparison()

    def forgetComparison(self):
        """Volumes that have left the scene would stay in memory."""
        self.comparison = None
        if self.job is not None and not self.job.is_running:
            self.job = None
        self.panel.offer_overlay(False)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        """Follow the scene's parameter node; take its first volume where no input is chosen yet."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            # label maps are scalar volumes too
            self._parameterNode.inputVolume = next(
                (v for v in volumes if v.GetClassName() == SCALAR_VOLUME and not v.GetHideFromEditors()), None
            )

    def setParameterNode(self, parameterNode):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            # connectGui of Slicer 5.6 returns no tag: what it connects could never be disconnected
            widgets = {widget.property("SlicerParameterName"): widget for widget in vars(self.ui).values()}
            widgets = {name: widget for name, widget in widgets.items() if name}
            self._guiTag = parameterNode.connectParametersToGui(widgets)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self.panel.follow(parameterNode)

    def onParameterNodeModified(self, caller=None, event=None):
        self.panel.update()

    def onApply(self, checked=False):
        """Start the computation, or end it: the button is then called Cancel."""
        if self.job is not None and self.job.is_running:
            self.panel.say(_("Ending the computation..."))
            self.job.cancel()
            return
        try:
            if self.panel.asked().needs_packages and not self.packagesAreReady():
                self.panel.say(_("Nothing was installed and nothing computed."))
                return
            if self._parameterNode is None:
                self.panel.say(_("The scene was closed: nothing was computed."))
                return
            # what is asked for may have changed while packages were installed
            self.job = self.logic.start(self.panel.asked(), self.panel.show_progress, self.onFinished)
            self.panel.show_running(True)
        except RequestError as error:
            self.panel.say(str(error))
            slicer.util.errorDisplay(str(error))

    def packagesAreReady(self):
        """Ask and install what is missing; nothing else can be asked for meanwhile, though the window stays alive."""

        def ask(question):
            answer = slicer.util.confirmOkCancelDisplay(question)
            if answer:
                self.panel.say(_("Installing Python packages..."))
            return answer

        self.panel.show_waiting(True)
        try:
            return dependencies.ready(ask)
        finally:
            self.panel.show_waiting(False)

    def onFinished(self, job):
        """Show the result beside the input, or say what went wrong."""
        self.panel.show_running(False)
        if job.error:
            self.panel.say(job.error)
            if not job.cancelled:
                slicer.util.errorDisplay(job.error)
            return
        ready = _("{name} is ready, computed in {time}{messages}.").format(
            name=job.output.GetName(),
            time=duration(job.seconds),
            messages=f" ({'; '.join(job.messages)})" if job.messages else "",
        )
        doubts = ", ".join(node.GetName() for node in job.doubts.values())
        told = _("Where not to trust it: {volumes}.").format(volumes=doubts) if doubts else ""
        self.panel.say(f"{ready} {told}".strip())
        error = job.doubts.get(Doubt.EXPECTED_ERROR)
        self.comparison = Comparison(job.output, job.asked.source, error)
        self.panel.offer_overlay(error is not None)
        self.comparison.show(overlay=error is not None, fit=True)

    def onOverlay(self, checked=False):
        """Show or hide the expected error over the result."""
        self.comparison.show(overlay=self.ui.overlayButton.checked)


class MRISuperResolutionLogic(ScriptedLoadableModuleLogic):
    """The same without a panel, for the Python console and for other modules."""

    def getParameterNode(self):
        node = super().getParameterNode()
        for name, kind in get_type_hints(MRISuperResolutionParameterNode).items():
            if issubclass(kind, Labelled) and node.GetParameter(name) not in kind.__members__:
                # a choice that another version of the module offered
                node.UnsetParameter(name)
        return MRISuperResolutionParameterNode(node)

    def process(
        self,
        inputVolume,
        outputVolume=None,
        model=DEFAULT_MODEL,
        scale=None,
        spacing=None,
        plane=None,
        referenceVolume=None,
        registerReference=False,
        device="auto",
        wait=True,
        onProgress=None,
        onFinished=None,
        precision="auto",
        maxMemory=None,
        blur=None,
        doubts=False,
    ):
        """Bring ``inputVolume`` to a higher resolution.

        :param outputVolume: scalar volume node that is overwritten; None: a new one
        :param model: "spline" or the name of shipped weights, as ``catalogue()`` lists them
        :param scale: one factor (2D models: in the plane) or three along the index axes; default 2
        :param spacing: mm along the three index axes, instead of a scale
        :param plane: for 2D models "axial", "coronal" or "sagittal"; default: the plane of the thick slices
        :param referenceVolume: another contrast of the same head, for models that take one
        :param registerReference: align the reference to the input first
        :param device: "auto", "cpu", "cuda", "cuda:N" or "mps"
        :param wait: return the output node when it is there; else return a job at once, with ``cancel()``
        :param onProgress: called with the fraction done (0 to 1), the step, and the seconds left or None
        :param onFinished: called with the job, whose ``output`` is the node or ``error`` says why there is none
        :param precision: "auto", "float32", "bfloat16" or "float16"
        :param maxMemory: GiB that the computation may take; default: half of what is free
        :param blur: of the scanner, if known: "thickness" (as wide as its voxels), "fixed" (one fine voxel) or
            "none" (sharp to its own voxels)
        :param doubts: add the volumes, of those that the model can give, that tell where not to trust the result: its
            node refers to them by "MRISuperResolution.expected-error" and "MRISuperResolution.unexplained"
        :raises RequestError: (a ValueError) where something is missing or wrong, before anything is started
        :raises RuntimeError: where a run that was waited for failed or was cancelled
        """
        asked = Asked(
            inputVolume, outputVolume, model, scale, spacing, plane, referenceVolume, registerReference, device,
            precision, maxMemory, blur, doubts,
        )  # fmt: skip
        check(asked)
        if asked.needs_packages:
            dependencies.ready()
        job = self.start(asked, onProgress, onFinished)
        return job.wait() if wait else job

    def start(self, asked, onProgress=None, onFinished=None):
        """The job, under way, that does what is ``asked``; see ``process``."""

        def finished(job):
            if not job.error and asked.needs_packages:
                speed.remember(asked.device, expected, job.seconds)
            if onFinished:
                onFinished(job)

        job = Job(asked, onProgress, finished)
        # the input may be another when it ends
        expected = outlook(asked, job.grid, job.plan)
        job.start()
        return job


class MRISuperResolutionTest(ScriptedLoadableModuleTest):
    """Runs every shipped model on a phantom of its own through the logic: geometry, gain, provenance."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_models()

    def test_models(self):
        cards = catalogue()
        self.assertTrue(cards, "no weights are installed")
        for card in cards:
            self._try(card)

    def _try(self, card):
        from MRISuperResolutionSlicer import self_test

        case = self_test.make_case(card)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 12.5)
        transform.SetMatrixTransformToParent(matrix)
        case.source.SetAndObserveTransformNodeID(transform.GetID())
        logic = MRISuperResolutionLogic()
        result = logic.process(
            case.source,
            blur="fixed",
            model=card.name,
            scale=case.factors,
            plane=case.plane,
            referenceVolume=case.reference,
            device="cpu",
        )
        spline = logic.process(case.source, model=SPLINE, scale=case.factors)
        gain = self_test.psnr(result, case) - self_test.psnr(spline, case)
        self.delayDisplay(f"{card.name}: {gain:+.2f} dB over spline")
        self.assertGreater(gain, 0.5)
        self.assertLess(abs(self_test.bounds(result) - self_test.bounds(case.source)).max(), 1e-6)
        self.assertEqual(result.GetTransformNodeID(), transform.GetID())
        self.assertEqual(result.GetAttribute(f"{KEY}.sha256"), card.sha256)
        self.assertIn("research use only", result.GetDescription())
