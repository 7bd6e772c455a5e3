"""The rig against a small module of its own: it does what Slicer does and refuses the rest."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

MODULE = """
import enum
from typing import Annotated

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class Plane(enum.Enum):
    AXIAL = "axial"
    CORONAL = "coronal"

    def label(self):
        return self.value.title()


@parameterNodeWrapper
class Parameters:
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    plane: Plane
    factor: Annotated[float, WithinRange(1, 3)] = 2
    model: Annotated[str, Choice(["fast", "good"])] = "good"
    overwrite: bool


class Tiny(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Tiny")
        self.parent.categories = ["Testing"]
        self.started = False
        slicer.app.connect("startupCompleted()", self.onStarted)

    def onStarted(self):
        self.started = True


class TinyWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.applied = 0
        self.cleaned = False

    def setup(self):
        super().setup()
        widget = slicer.util.loadUI(self.resourcePath("UI/Tiny.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = TinyLogic()
        self.ui.applyButton.clicked.connect(self.onApply)
        self.ui.applyButton.text = _("Apply")
        self.parameters = None
        self.connect()

    def connect(self):
        self.parameters = Parameters(self.logic.getParameterNode())
        self.tag = self.parameters.connectGui(self.ui)

    def onApply(self):
        self.applied += 1

    def cleanup(self):
        self.parameters.disconnectGui(self.tag)
        self.cleaned = True


class TinyLogic(ScriptedLoadableModuleLogic):
    pass
"""

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Tiny</class><widget class="qMRMLWidget" name="Tiny"><layout class="QVBoxLayout" name="all">
<item><widget class="ctkCollapsibleButton" name="inputs"><property name="text"><string>Inputs</string></property>
 <layout class="QFormLayout" name="form">
  <item row="0" column="0"><widget class="QLabel" name="label">
   <property name="text"><string>Volume:</string></property></widget></item>
  <item row="0" column="1"><widget class="qMRMLNodeComboBox" name="selector">
   <property name="nodeTypes"><stringlist notr="true"><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
   <property name="showChildNodeTypes"><bool>false</bool></property>
   <property name="addEnabled"><bool>false</bool></property>
   <property name="removeEnabled"><bool>false</bool></property>
   <property name="noneEnabled"><bool>true</bool></property>
   <property name="SlicerParameterName" stdset="0"><string>inputVolume</string></property></widget></item>
  <item row="1" column="1"><widget class="QComboBox" name="plane">
   <property name="SlicerParameterName" stdset="0"><string>plane</string></property></widget></item>
  <item row="2" column="1"><widget class="QDoubleSpinBox" name="factor">
   <property name="SlicerParameterName" stdset="0"><string>factor</string></property></widget></item>
  <item row="3" column="1"><widget class="QComboBox" name="model">
   <property name="SlicerParameterName" stdset="0"><string>model</string></property></widget></item>
 </layout></widget></item>
<item><widget class="ctkCollapsibleButton" name="advanced"><property name="text"><string>Advanced</string></property>
 <property name="collapsed"><bool>true</bool></property>
 <layout class="QFormLayout" name="form2">
  <item row="0" column="1"><widget class="QCheckBox" name="overwrite">
   <property name="text"><string>Overwrite</string></property>
   <property name="SlicerParameterName" stdset="0"><string>overwrite</string></property></widget></item>
 </layout></widget></item>
<item><widget class="QPushButton" name="applyButton"/></item>
</layout></widget>
<customwidgets/>
<connections><connection><sender>Tiny</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>selector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>
"""


@pytest.fixture
def tiny(slicer_rig, tmp_path):
    """The file of a module that has a panel of every kind of widget."""
    path = tmp_path / "Tiny" / "Tiny.py"
    (path.parent / "Resources" / "UI").mkdir(parents=True)
    path.write_text(MODULE)
    (path.parent / "Resources" / "UI" / "Tiny.ui").write_text(UI)
    return path


@pytest.fixture
def panel(slicer_rig, tiny):
    """That module, loaded and opened."""
    slicer_rig.load_module(tiny)
    return slicer_rig.open_module("Tiny")


def add_volume(name="Volume", kind="vtkMRMLScalarVolumeNode"):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    slicer.util.updateVolumeFromArray(node, np.zeros((3, 4, 5), np.int16))
    return node


# -- a module's life


def test_a_module_is_loaded_opened_and_unloaded(slicer_rig, tiny):
    import slicer

    module = slicer_rig.load_module(tiny)
    assert module.__name__ == "Tiny"
    assert slicer.modules.tiny.title == "Tiny"
    assert slicer.modules.TinyInstance.started
    assert slicer.util.modulePath("Tiny") == str(tiny)
    panel = slicer_rig.open_module("Tiny")
    assert panel is slicer.modules.TinyWidget
    assert panel is slicer.util.getModuleWidget("Tiny")
    assert panel.logic is slicer.util.getModuleLogic("Tiny")
    assert panel.parent.isEntered
    slicer_rig.leave_module("Tiny")
    assert not panel.parent.isEntered
    slicer_rig.quit()
    assert panel.cleaned
    with pytest.raises(AttributeError, match="tiny"):
        _ = slicer.modules.tiny


def test_a_click_reaches_the_module(panel):
    panel.ui.applyButton.click()
    assert panel.applied == 1
    panel.ui.applyButton.enabled = False
    panel.ui.applyButton.click()
    assert panel.applied == 1


def test_a_panel_that_is_closed_hides_what_it_holds(panel):
    assert not panel.ui.overwrite.visible
    assert panel.ui.plane.visible
    panel.ui.advanced.collapsed = False
    assert panel.ui.overwrite.visible
    panel.ui.advanced.click()
    assert panel.ui.advanced.collapsed


def test_the_module_can_be_reloaded(panel):
    import slicer

    panel.onReload()
    assert panel.cleaned
    assert slicer.modules.TinyWidget is not panel


# -- parameters


def test_choices_survive_the_scene_file(slicer_rig, panel, tmp_path):
    import slicer

    first, second = add_volume("first"), add_volume("second")
    panel.ui.selector.setCurrentNode(second)
    panel.ui.plane.currentIndex = 1
    panel.ui.factor.value = 2.5
    panel.ui.model.currentText = "fast"
    panel.ui.overwrite.checked = True
    parameters = panel.parameters
    assert parameters.inputVolume is second
    assert (parameters.plane.name, parameters.factor, parameters.model) == ("CORONAL", 2.5, "fast")
    panel.parameters.disconnectGui(panel.tag)
    path = tmp_path / "scene.mrml"
    slicer_rig.scene.save(path)
    slicer_rig.scene.close()
    panel.connect()
    assert panel.ui.selector.currentNode() is None
    assert panel.ui.factor.value == 2
    panel.parameters.disconnectGui(panel.tag)
    slicer_rig.scene.load(path)
    panel.connect()
    assert panel.ui.selector.currentNode().GetName() == "second"
    assert (panel.ui.plane.currentText, panel.ui.factor.value) == ("Coronal", 2.5)
    assert (panel.ui.model.currentText, panel.ui.overwrite.checked) == ("fast", True)
    assert slicer.mrmlScene.GetFirstNodeByName("first") is not first


def test_a_parameter_reaches_its_widget_and_says_that_it_changed(panel):
    import vtk

    heard = []
    panel.addObserver(
        panel.parameters, vtk.vtkCommand.ModifiedEvent, lambda *_: heard.append(panel.parameters.factor)
    )
    panel.parameters.factor = 3.0
    assert panel.ui.factor.value == 3.0
    assert heard == [3.0]
    assert panel.ui.factor.maximum == 3
    panel.removeObservers()


def test_disconnected_widgets_say_nothing(panel):
    panel.parameters.disconnectGui(panel.tag)
    panel.ui.factor.value = 1.5
    assert panel.parameters.factor == 2
    panel.parameters.factor = 2.5
    assert panel.ui.factor.value == 1.5


def test_slicer_5_6_never_disconnects(slicer_5_6, tiny):
    import slicer

    slicer_5_6.load_module(tiny)
    panel = slicer_5_6.open_module("Tiny")
    assert panel.tag is None
    panel.parameters.disconnectGui(panel.tag)
    panel.ui.factor.value = 1.5
    assert panel.parameters.factor == 1.5
    assert not hasattr(slicer, "packaging")
    with pytest.raises(ImportError):
        __import__("slicer.packaging")
    assert slicer.app.applicationVersion.startswith("5.6")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("factor", 4.0, ValueError),
        ("factor", "2", TypeError),
        ("model", "best", ValueError),
        ("plane", "AXIAL", TypeError),
        ("overwrite", None, ValueError),
        ("inputVolume", "vtkMRMLScalarVolumeNode1", TypeError),
    ],
)
def test_a_wrong_value_is_refused(panel, name, value, error):
    before = getattr(panel.parameters, name)
    with pytest.raises(error):
        setattr(panel.parameters, name, value)
    assert getattr(panel.parameters, name) == before


def test_what_parameters_cannot_be(slicer_rig, panel):
    import qt
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    with pytest.raises(Exception, match="numbers cannot be kept"):
        parameterNodeWrapper(type("Bad", (), {"__annotations__": {"numbers": list[int]}}))
    with pytest.raises(ValueError, match="default"):
        parameterNodeWrapper(type("Bad", (), {"__annotations__": {"default": int}}))
    with pytest.raises(RuntimeError, match="QDial"):
        panel.parameters.connectParametersToGui({"factor": qt.QDial()})
    unbound = parameterNodeWrapper(type("Loose", (), {"__annotations__": {"text": str}}))
    with pytest.raises(RuntimeError, match="Choice"):
        unbound(slicer.vtkMRMLScriptedModuleNode()).connectParametersToGui({"text": qt.QComboBox()})


# -- the node selector


def test_the_selector_follows_the_scene(panel):
    import slicer

    selector = panel.ui.selector
    assert selector.enabled
    volume, labels = add_volume("volume"), add_volume("labels", "vtkMRMLLabelMapVolumeNode")
    assert selector.nodeCount() == 1
    selector.showChildNodeTypes = True
    assert selector.nodeCount() == 2
    labels.SetHideFromEditors(True)
    labels.Modified()
    assert selector.nodeCount() == 1
    selector.setCurrentNode(volume)
    assert selector.currentNodeID == volume.GetID()
    volume.SetName("renamed")
    assert selector.findChild(type(panel.ui.plane)).currentText == "renamed"
    assert panel.parameters.inputVolume is volume
    slicer.mrmlScene.RemoveNode(volume)
    assert selector.currentNode() is None
    assert panel.parameters.inputVolume is None


def test_a_selector_without_none_takes_the_first_node(panel):
    selector = panel.ui.selector
    selector.noneEnabled = False
    volume = add_volume()
    assert selector.currentNode() is volume


def test_closing_the_scene_empties_the_selector(slicer_rig, panel):
    panel.ui.selector.setCurrentNode(add_volume())
    panel.parameters.disconnectGui(panel.tag)
    slicer_rig.scene.close()
    assert panel.ui.selector.nodeCount() == 0


def test_a_new_node_gets_its_base_name(panel):
    selector = panel.ui.selector
    selector.baseName = "Result"
    assert selector.addNode().GetName() == "Result"
    assert selector.currentNode().GetName() == "Result"
    assert selector.addNode().GetName() == "Result_1"


# -- the scene and the application


def test_the_scene_is_that_of_an_application(slicer_rig):
    import slicer

    assert set(slicer.app.layoutManager().sliceViewNames()) == {"Red", "Yellow", "Green"}
    volume = add_volume()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetItemByDataNode(volume)
    slicer.mrmlScene.RemoveNode(volume)
    assert not slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")


def test_volumes_are_saved_and_loaded(slicer_rig, tmp_path):
    import slicer

    volume = add_volume()
    assert slicer.util.saveNode(volume, str(tmp_path / "v.nrrd"), {})
    loaded = slicer.util.loadVolume(tmp_path / "v.nrrd", {"name": "again"})
    assert loaded.GetName() == "again"
    assert slicer.util.arrayFromVolume(loaded).shape == (3, 4, 5)
    labels = slicer.util.loadVolume(tmp_path / "v.nrrd", {"labelmap": True, "show": False})
    assert labels.GetDisplayNode().GetColorNode().GetName() == "GenericColors"
    with pytest.raises(RuntimeError, match="Failed to load"):
        slicer.util.loadVolume(tmp_path / "none.nrrd", {})


def test_settings_are_thrown_away(slicer_rig):
    import qt
    import slicer

    slicer.app.settings().setValue("Tiny/key", "value")
    assert slicer.app.userSettings().value("Tiny/key") == "value"
    slicer_rig.renew()
    assert not slicer.app.settings().contains("Tiny/key")
    assert str(slicer_rig.folder) in qt.QSettings("NA-MIC", "Slicer").fileName()


def test_what_is_missing_is_refused(slicer_rig, tmp_path):
    import ctk
    import qt
    import slicer

    for refuse in (
        lambda: slicer.modules.segmentations,
        lambda: slicer.app.pythonConsole(),
        lambda: ctk.ctkSliderWidget,
        lambda: slicer.qMRMLTreeView,
        lambda: slicer.getNode,
    ):
        with pytest.raises(AttributeError):
            refuse()
    with pytest.raises(NotImplementedError, match="waits for a user"):
        qt.QMessageBox.question(None, "?", "?")
    with pytest.raises(NotImplementedError, match="waits for a user"):
        qt.QDialog().exec_()


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("QDoubleSpinBox", "ctkSliderWidget", "ctkSliderWidget"),
        ("showChildNodeTypes", "showGrandchildNodeTypes", "showGrandchildNodeTypes"),
        ("mrmlSceneChanged", "sceneChanged", "sceneChanged"),
        ("<receiver>selector", "<receiver>selecter", "selecter"),
    ],
)
def test_an_unknown_thing_in_the_ui_file_is_refused(slicer_rig, tmp_path, old, new, error):
    import slicer

    path = tmp_path / "Tiny.ui"
    path.write_text(UI.replace(old, new))
    with pytest.raises((NotImplementedError, NameError), match=error):
        slicer.util.loadUI(str(path))


# -- dialogs


def test_dialogs_are_noted_and_answered(slicer_rig):
    import slicer

    slicer.util.errorDisplay("no volume", detailedText="traceback")
    slicer.util.delayDisplay("wait", 5000)
    slicer_rig.dialogs.answer("ok-cancel", True, False)
    assert slicer.util.confirmOkCancelDisplay("install?")
    assert not slicer.util.confirmOkCancelDisplay("really?")
    assert slicer_rig.dialogs.texts() == ["no volume", "wait", "install?", "really?"]
    assert slicer_rig.dialogs.texts("error") == ["no volume"]
    assert slicer_rig.dialogs.shown[0].details == "traceback"


def test_a_question_without_an_answer_is_an_error(slicer_rig):
    import slicer

    with pytest.raises(AssertionError, match="no answer"):
        slicer.util.confirmYesNoDisplay("overwrite?")
    slicer_rig.dialogs.unanswered.clear()


def test_testing_mode_and_no_main_window_show_nothing(slicer_rig):
    import slicer

    slicer_rig.start_without_main_window()
    slicer.util.errorDisplay("only logged")
    slicer_rig.start_for_testing()
    # Slicer's documentation says True; Slicer's code compares True with the button OK
    assert not slicer.util.confirmOkCancelDisplay("answered by Slicer")
    assert slicer_rig.dialogs.shown == []


def test_an_error_in_a_slot_is_kept(slicer_rig, panel):
    panel.ui.applyButton.clicked.connect(lambda: 1 / 0)
    panel.ui.applyButton.click()
    assert isinstance(slicer_rig.errors.pop(), ZeroDivisionError)


# -- packages


def test_packages_are_asked_for_and_installed(slicer_rig, tmp_path):
    import importlib.util

    import slicer
    import tqdm

    (tmp_path / "requirements.txt").write_text("# what it needs\nnumpy>=1\ntqdm>=4\n")
    requirements = slicer.packaging.load_requirements(tmp_path / "requirements.txt")
    slicer.packaging.pip_ensure(requirements, requester="Tiny")
    assert slicer_rig.packages.requests == []
    slicer_rig.packages.hide("tqdm")
    assert importlib.util.find_spec("tqdm") is None
    slicer_rig.dialogs.answer("ok-cancel", False, True, True)
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure(requirements, requester="Tiny")
    slicer_rig.packages.succeeds = False
    with pytest.raises(subprocess.CalledProcessError):
        slicer.packaging.pip_ensure(requirements, requester="Tiny")
    slicer_rig.packages.succeeds = True
    slicer.packaging.pip_ensure(requirements, requester="Tiny")
    assert slicer_rig.packages.requests == [["tqdm>=4"], ["tqdm>=4"]]
    assert slicer_rig.dialogs.shown[-1].details == "tqdm>=4"
    assert sys.modules["tqdm"] is tqdm


def test_the_pytorch_extension(slicer_rig):
    with pytest.raises(ImportError):
        import PyTorchUtils
    slicer_rig.packages.hide("torch")
    slicer_rig.packages.offer_pytorch_extension()
    import PyTorchUtils

    logic = PyTorchUtils.PyTorchUtilsLogic()
    assert not logic.torchInstalled()
    slicer_rig.dialogs.answer("ok-cancel", False, True)
    assert logic.installTorch(askConfirmation=True) is None
    assert logic.installTorch(askConfirmation=True, torchVersionRequirement=">=2.4") is not None
    assert slicer_rig.packages.requests == [["torch>=2.4", "torchvision"]]
    assert logic.torchInstalled()


def test_sample_data(slicer_rig):
    import SampleData

    def make(source):
        return source.sampleName

    sample = {
        "sampleName": "Phantom",
        "uris": "https://example.org/p.nrrd",
        "nodeNames": "p",
        "customDownloader": make,
    }
    for _ in range(2):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(category="Tiny", fileNames="p.nrrd", **sample)
    (source,) = SampleData.SampleDataLogic.sampleDataSourcesByCategory("Tiny")
    assert source.customDownloader(source) == "Phantom"
    with pytest.raises(TypeError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="Phantom")


# -- processes, time and pictures


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_python_slicer_hands_everything_through(slicer_rig):
    code = "import sys; print(sys.stdin.read()); sys.exit(3)"
    run = subprocess.run(["PythonSlicer", "-c", code], input="hello", capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (3, "hello\n")


def test_killing_python_slicer_leaves_its_child(slicer_rig):
    import qt

    process = qt.QProcess()
    process.start("PythonSlicer", ["-c", "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"])
    slicer_rig.spin(lambda: process.canReadLine())
    child = int(process.readLine().data())
    os.kill(process.processId(), signal.SIGKILL)
    slicer_rig.spin(lambda: process.state() == qt.QProcess.NotRunning)
    # the pipe to its standard input goes with the QProcess
    assert alive(child)
    os.kill(child, signal.SIGKILL)


def test_a_process_can_be_waited_for_without_blocking(slicer_rig):
    import qt

    process, heard = qt.QProcess(), []
    process.finished.connect(lambda *arguments: heard.append(arguments))
    process.start("PythonSlicer", ["-c", "import sys; sys.exit(4)"])
    assert slicer_rig.spin(lambda: heard) < 1
    assert process.exitCode() == 4


def test_a_frozen_window_is_noticed(slicer_rig):
    import qt

    qt.QTimer.singleShot(30, lambda: time.sleep(0.3))
    start = time.perf_counter()
    assert 0.2 < slicer_rig.spin(lambda: time.perf_counter() - start > 0.5) < 1
    with pytest.raises(TimeoutError):
        slicer_rig.spin(lambda: False, timeout=0.1)


def test_the_panel_can_be_looked_at(slicer_rig, panel, tmp_path):
    import qt
    from PIL import Image

    picture = np.asarray(Image.open(slicer_rig.render(panel.parent, tmp_path / "panel.png")).convert("L"))
    button = panel.ui.applyButton
    corner = button.mapTo(panel.parent, qt.QPoint(0, 0))
    inside = picture[corner.y() + 3 : corner.y() + button.height - 3, corner.x() + 3 : corner.x() + button.width - 3]
    # the letters of Apply
    assert (inside < 100).sum() > 20


def test_observers_that_are_left_are_found(slicer_rig, panel):
    import slicer

    panel.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, panel.onApply)
    slicer_rig.quit()
    assert "onApply" in str(slicer_rig.errors.pop())


def test_invented_attributes_are_found(slicer_rig, panel):
    panel.ui.applyButton.txet = "Apply"
    with pytest.raises(AttributeError, match="txet"):
        slicer_rig.refuse_invented_attributes()
    del panel.ui.applyButton.txet
