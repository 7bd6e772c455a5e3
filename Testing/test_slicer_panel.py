"""The panel of the Slicer module, driven by clicks in the rig."""

import gc
import html
import re
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from slicer_scene import MODULE, add_head, add_transform, add_volume, choose
from volumes import blobs, centred_grid, world_of

from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.pipeline import foreground_work

SCENE_CHOICES = {
    "model": "plain",
    "scaleI": 1.5,
    "scaleJ": 1.0,
    "scaleK": 2.5,
    "spacingI": 0.9,
    "spacingJ": 0.8,
    "spacingK": 0.7,
    "registerReference": True,
    "doubts": True,
    "memoryLimit": 3.5,
}


@pytest.fixture
def panel(slicer_rig, weights, monkeypatch):
    """The open module, with small networks for weights."""
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    slicer_rig.load_module(MODULE)
    return slicer_rig.open_module("MRISuperResolution").panel


def choose_model(panel, start):
    """Choose the first entry of the model's list that starts so."""
    box = panel.ui.modelComboBox
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n).startswith(start))


def problems(panel):
    """The paragraphs of Apply's tool tip."""
    return [html.unescape(text) for text in re.findall("<p>(.*?)</p>", panel.ui.applyButton.toolTip)]


def test_an_empty_scene_leaves_apply_disabled_and_says_why(panel):
    assert not panel.ui.applyButton.enabled
    assert problems(panel) == ["No input volume is chosen: choose one."]


def test_the_first_volume_is_taken_for_the_input(slicer_rig, panel):
    slicer_rig.leave_module("MRISuperResolution")
    head = add_head()
    slicer_rig.open_module("MRISuperResolution")
    assert panel.ui.inputSelector.currentNode() is head


def test_models_are_offered_by_plain_names_with_a_line_on_each(panel):
    titles = [panel.ui.modelComboBox.itemText(n) for n in range(panel.ui.modelComboBox.count)]
    assert "DGGRN, T1w, slice by slice" in titles
    assert "ReCNN-3, T1w, whole volume, with a reference" in titles
    assert titles[-1] == "Cubic spline (no network)"
    choose_model(panel, "Cubic")
    assert panel.parameters.model == "spline"
    assert "yardstick" in panel.ui.modelDescriptionLabel.text


def test_the_outlook_tells_size_spacing_memory_and_time(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    assert panel.ui.applyButton.enabled
    text = panel.ui.forecastLabel.text
    assert "28 x 24 x 16 voxels of 0.5 x 0.55 x 1.25 mm" in text
    assert "GiB" in text
    assert " s on this machine's CPU" in text


@pytest.fixture
def looks(monkeypatch):
    """The sizes of the volumes whose background was looked for, on a machine that takes its time."""
    found, share_left = [], foreground_work.share_left

    def counted(array, card, plan):
        found.append(plan.target.size)
        return share_left(array, card, plan)

    monkeypatch.setattr("MRISuperResolutionLib.pipeline.foreground_work.share_left", counted)
    monkeypatch.setattr("MRISuperResolutionSlicer.speed.rate", lambda device: 1e4)
    return found


def hours(panel):
    """As the outlook tells them."""
    return float(re.search(r"([\d.]+) h on", panel.ui.forecastLabel.text).group(1))


def test_the_outlook_leaves_out_what_background_spares_and_looks_for_it_once(slicer_rig, panel, looks):
    import slicer

    array = np.pad(brain_phantom((16, 16, 16)), 12)
    panel.ui.inputSelector.setCurrentNode(head := add_volume(array, centred_grid(array.shape)))
    choose_model(panel, "ReCNN-3")
    before = hours(panel)
    looks.clear()
    panel.parameters.memoryLimit = 2
    panel.update()
    assert looks == []
    assert hours(panel) == before
    slicer.util.arrayFromVolume(head)[:] += np.random.default_rng(0).random(array.shape, np.float32) * 100
    slicer.util.arrayFromVolumeModified(head)
    assert looks == [(80, 80, 80)]
    assert hours(panel) > 1.5 * before
    panel.ui.scaleKSpinBox.value = 1
    assert looks[1:] == [(80, 80, 40)]


def test_the_outlook_of_a_constant_or_huge_volume_takes_all_for_tissue(slicer_rig, panel, looks, monkeypatch):
    choose_model(panel, "ReCNN-3")
    panel.ui.inputSelector.setCurrentNode(add_volume(np.zeros((40, 40, 40), np.int16), centred_grid((40, 40, 40))))
    constant = hours(panel)
    array = np.pad(brain_phantom((16, 16, 16)), 12)
    monkeypatch.setattr("MRISuperResolutionSlicer.cost_estimate.MOST_VOXELS", 80**3 - 1)
    looks.clear()
    panel.ui.inputSelector.setCurrentNode(add_volume(array, centred_grid(array.shape)))
    assert hours(panel) == constant
    assert looks == []


def test_a_warning_tells_what_the_weights_were_not_trained_on(panel):
    panel.ui.inputSelector.setCurrentNode(add_head("Head T2w"))
    choose_model(panel, "ReCNN-3")
    assert "The input seems to be T2w" in panel.ui.warningLabel.text
    panel.ui.inputSelector.setCurrentNode(add_head("Head T1w"))
    assert "T2w" not in panel.ui.warningLabel.text


def test_planes_and_in_plane_scale_belong_to_2d_models_alone(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    choose_model(panel, "ReCNN-3")
    assert not panel.ui.planeComboBox.enabled
    assert panel.ui.scaleWidget.visible
    assert not panel.ui.inPlaneComboBox.visible
    choose_model(panel, "DGGRN")
    assert panel.ui.planeComboBox.enabled
    assert not panel.ui.scaleWidget.visible
    assert panel.ui.inPlaneComboBox.visible
    assert panel.ui.inPlaneComboBox.currentText == "2 times finer in the plane"
    # across the thick slices
    assert "28 x 24 x 8 voxels" in panel.ui.forecastLabel.text
    planes = panel.ui.planeComboBox
    planes.currentIndex = next(n for n in range(planes.count) if planes.itemText(n) == "Coronal")
    assert panel.asked().plane == "coronal"
    assert "28 x 24 x 8 voxels" not in panel.ui.forecastLabel.text


def test_a_2d_model_leaves_the_factors_of_others_as_they_are(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    choose_model(panel, "ReCNN-3")
    panel.ui.scaleISpinBox.value = panel.ui.scaleJSpinBox.value = 1
    panel.ui.scaleKSpinBox.value = 3
    choose_model(panel, "DGGRN")
    assert panel.asked().scale == 2
    choose_model(panel, "ReCNN-3")
    assert panel.asked().scale == (1, 1, 3)


def test_the_memory_that_is_told_counts_the_result_and_the_blur(panel):
    def told():
        return float(panel.ui.forecastLabel.text.partition("Takes about ")[2].split()[0])

    panel.ui.inputSelector.setCurrentNode(add_head(size=(80, 80, 80)))
    for axis in "IJK":
        getattr(panel.ui, f"scale{axis}SpinBox").value = 4
    choose_model(panel, "ReCNN-3")
    before = told()
    choose(panel.ui.blurComboBox, "As wide")
    # 33 million voxels as a whole
    assert told() == pytest.approx(before + 0.4, abs=0.11)
    choose(panel.ui.blurComboBox, "Not told")
    choose_model(panel, "Cubic spline")
    for axis in "IJK":
        getattr(panel.ui, f"scale{axis}SpinBox").value = 10
    # 512 million voxels of two bytes
    assert told() == pytest.approx(512e6 * 2 / 2**30, abs=0.1)


def test_volumes_that_were_chosen_and_removed_do_not_stay_in_memory(slicer_rig, panel):
    import slicer

    first, second = add_head(), add_head()
    for node in (first, second):
        panel.ui.inputSelector.setCurrentNode(node)
    gone = weakref.ref(first.GetImageData())
    slicer.mrmlScene.RemoveNode(first)
    del first, node
    slicer_rig.process_events()
    gc.collect()
    assert gone() is None


def test_one_click_asks_for_isotropic_voxels_at_the_finest_spacing(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    panel.ui.isotropicButton.click()
    assert panel.ui.resolutionComboBox.currentText == "To a spacing (mm)"
    assert [box.value for box in (panel.ui.spacingISpinBox, panel.ui.spacingKSpinBox)] == [1.0, 1.0]
    assert panel.ui.spacingWidget.visible
    assert not panel.ui.scaleWidget.visible
    assert "14 x 13 x 20 voxels" in panel.ui.forecastLabel.text


def test_axes_are_named_by_their_direction(panel):
    grid = centred_grid((8, 8, 8), (1, 1, 3), (0, 0, 1, 1, 0, 0, 0, 1, 0))
    panel.ui.inputSelector.setCurrentNode(add_volume(blobs(world_of(grid)), grid))
    labels = [label.text for label in (panel.ui.axisILabel, panel.ui.axisJLabel, panel.ui.axisKLabel)]
    assert labels == ["i (posterior-anterior)", "j (inferior-superior)", "k (left-right)"]


def test_a_factor_beyond_the_model_is_told_at_once(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    choose_model(panel, "ReCNN-3")
    panel.ui.scaleKSpinBox.value = 6
    assert not panel.ui.applyButton.enabled
    assert "made for factors from 1 to 4" in problems(panel)[0]
    assert panel.ui.warningLabel.text == problems(panel)[0]


def test_the_first_model_is_the_one_that_suits(panel):
    assert panel.ui.modelDescriptionLabel.text == "For any volume: the network that suits it."
    panel.ui.inputSelector.setCurrentNode(add_head("Head T1w"))
    assert panel.ui.modelComboBox.currentText.startswith("Automatic")
    assert "it learned from T1w volumes" in panel.ui.modelDescriptionLabel.text
    assert panel.ui.applyButton.enabled
    panel.ui.inputSelector.setCurrentNode(add_head("Head T2w"))
    assert not panel.ui.applyButton.enabled
    assert "learned from T2w volumes" in problems(panel)[0]


def test_a_model_that_takes_no_reference_says_so(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    choose_model(panel, "ReCNN-3, T1w, whole volume")
    assert panel.ui.referenceNoteLabel.text == "This model takes no reference."
    assert not panel.ui.referenceSelector.enabled
    assert not panel.ui.registerCheckBox.enabled


def test_a_model_that_needs_a_reference_asks_for_it(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    panel.parameters.model = "guided"
    assert panel.ui.referenceSelector.enabled
    assert problems(panel) == ["No reference volume is chosen: choose one."]
    panel.ui.referenceSelector.setCurrentNode(add_head("T2w"))
    assert panel.ui.applyButton.enabled
    assert panel.ui.registerCheckBox.enabled


def test_everything_that_is_wrong_is_listed(slicer_rig, panel):
    head = add_head()
    add_transform(head, linear=False)
    panel.ui.inputSelector.setCurrentNode(head)
    panel.ui.outputSelector.setCurrentNode(head)
    found = problems(panel)
    assert len(found) == 2
    assert "non-linear transform Bent" in found[0]
    assert "both input and output" in found[1]


@pytest.mark.parametrize("rig", ["slicer_rig", "slicer_5_6"])
def test_every_choice_survives_saving_and_loading_the_scene(rig, weights, tmp_path, monkeypatch, request):
    import slicer

    rig = request.getfixturevalue(rig)
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    rig.load_module(MODULE)
    widget = rig.open_module("MRISuperResolution")
    head, other = add_head(), add_head("Other T2w")
    ui = widget.ui
    ui.inputSelector.setCurrentNode(head)
    ui.referenceSelector.setCurrentNode(other)
    for name, value in SCENE_CHOICES.items():
        setattr(widget.panel.parameters, name, value)
    for box in (ui.resolutionComboBox, ui.planeComboBox, ui.blurComboBox, ui.deviceComboBox, ui.precisionComboBox):
        box.currentIndex = box.count - 1
    for node in (head, other):
        assert slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    rig.scene.save(tmp_path / "scene.mrml")
    before = choices(widget)
    rig.scene.close()
    assert choices(widget) != before
    rig.scene.load(tmp_path / "scene.mrml")
    rig.process_events()
    widget.enter()
    assert choices(widget) == before
    assert ui.scaleKSpinBox.value == 2.5
    assert ui.planeComboBox.currentText == "Sagittal"
    assert ui.inputSelector.currentNode().GetName() == "Head T1w"


def choices(widget):
    parameters = widget.panel.parameters
    values = {name: getattr(parameters, name) for name in type(parameters).allParameters}
    return {name: value.GetName() if hasattr(value, "GetName") else value for name, value in values.items()}


def test_a_scene_with_a_model_that_is_not_installed_says_so(panel):
    panel.ui.inputSelector.setCurrentNode(add_head())
    panel.parameters.model = "recnn99-pdw"
    assert not panel.ui.applyButton.enabled
    assert problems(panel) == ["The model recnn99-pdw is not installed here: choose another."]
    assert panel.ui.modelComboBox.currentIndex == -1


def test_the_panel_works_without_main_window(slicer_rig, weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    slicer_rig.start_without_main_window()
    slicer_rig.load_module(MODULE)
    widget = slicer_rig.open_module("MRISuperResolution")
    widget.ui.inputSelector.setCurrentNode(add_head())
    assert widget.ui.applyButton.enabled


def test_the_module_and_its_panel_need_no_torch(tmp_path):
    """In a Python of its own, in which torch, safetensors and tqdm cannot be imported."""
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from rig.fixtures import *
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from rig.desk import Desk
desk = Desk()
desk.packages.hide("torch", "safetensors", "tqdm")
desk.load_module({MODULE!r})
# every Slicer loads every module when it starts
assert not {{"scipy", "SimpleITK"}} & set(sys.modules)
widget = desk.open_module("MRISuperResolution")
from slicer_scene import add_head
widget.ui.inputSelector.setCurrentNode(add_head())
assert widget.ui.applyButton.enabled, widget.ui.applyButton.toolTip
assert not {{"torch", "safetensors", "tqdm"}} & set(sys.modules)
print("the panel works")
os._exit(0)
""".replace("PosixPath(", "__import__('pathlib').Path(")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert "the panel works" in result.stdout, result.stderr


def test_a_choice_of_another_version_of_the_module_is_the_default(slicer_rig, weights, monkeypatch):
    import slicer

    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    module = slicer_rig.load_module(MODULE)
    node = module.MRISuperResolutionLogic().getParameterNode().parameterNode
    node.SetParameter("device", "TPU")
    node.SetParameter("scaleJ", "3")
    widget = slicer_rig.open_module("MRISuperResolution")
    assert widget.ui.deviceComboBox.currentText.startswith("Automatic")
    assert widget.ui.scaleJSpinBox.value == 3
    assert slicer.mrmlScene.GetSingletonNode("MRISuperResolution", "vtkMRMLScriptedModuleNode") is node


def test_a_label_map_is_not_taken_for_the_input(slicer_rig, panel):
    import slicer

    slicer_rig.leave_module("MRISuperResolution")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    head = add_head()
    slicer_rig.open_module("MRISuperResolution")
    assert panel.parameters.inputVolume is head


def test_the_panel_can_be_looked_at(slicer_rig, panel, tmp_path):
    from PySide6 import QtGui

    panel.ui.inputSelector.setCurrentNode(add_head())
    path = slicer_rig.render(panel.ui.applyButton.window(), tmp_path / "panel.png")
    picture = QtGui.QImage(str(path))
    colours = {picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}
    assert picture.height() > 400
    assert len(colours) > 20
