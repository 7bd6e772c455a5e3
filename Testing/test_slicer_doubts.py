"""Where not to trust a result, in the rig: what the panel offers, the volumes in the scene, the overlay."""

import re

import numpy as np
import pytest
from slicer_scene import (
    LONGEST_GAP,
    MODULE,
    Slicer,
    add_head,
    add_transform,
    choose,
    scene_content,
    world_bounds,
    write_python_slicer,
)

EXPECTED, UNEXPLAINED = "MRISuperResolution.expected-error", "MRISuperResolution.unexplained"


@pytest.fixture
def app(slicer_rig, doubting_weights, monkeypatch):
    """The open module with an input and a network that tells of its errors."""
    monkeypatch.setenv("MRISR_WEIGHTS", str(doubting_weights))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    app = Slicer(slicer_rig)
    app.ui.inputSelector.setCurrentNode(add_head())
    app.widget.panel.parameters.model = "doubting"
    return app


def told(widget):
    """The text of a tool tip."""
    return re.sub("<.*?>", " ", widget.toolTip)


def views():
    """(background, foreground, opacity of the foreground) of each slice view."""
    import slicer

    found = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return [(v.GetBackgroundVolumeID(), v.GetForegroundVolumeID(), v.GetForegroundOpacity()) for v in found]


def test_the_box_is_off_and_tells_how_it_is_made_and_what_it_cannot_know(app):
    box = app.ui.doubtsCheckBox
    assert box.enabled
    assert not box.checked
    assert "nine of ten voxels" in told(box)
    assert "unexplained part" in told(box)
    assert "cannot know" in told(box)
    assert not app.ui.overlayButton.visible


def test_a_model_that_gives_neither_disables_the_box_and_says_why(app):
    parameters, box = app.widget.panel.parameters, app.ui.doubtsCheckBox
    parameters.doubts = True
    parameters.model = "spline"
    assert not box.enabled
    assert "choose a network" in told(box)
    parameters.model = "plain"
    assert not box.enabled
    assert "depends on the scanner&#x27;s blur" in told(box)
    # what does not apply is not asked for
    assert not app.widget.panel.asked().doubts
    assert app.ui.applyButton.enabled
    choose(app.ui.blurComboBox, "As wide")
    assert box.enabled
    assert "unexplained part" in told(box)
    assert "nine of ten" not in told(box)
    app.ui.inputSelector.setCurrentNode(None)
    assert not box.enabled
    assert "No input volume is chosen" in told(box)


def test_the_blur_is_for_models_that_take_it(app):
    box, panel = app.ui.blurComboBox, app.widget.panel
    assert [box.itemText(n).split(" (")[0] for n in range(box.count)] == [
        "Not told",
        "As wide as its voxels",
        "One fine voxel",
        "None: sharp to its own voxels",
    ]
    assert panel.asked().blur is None
    for start, blur in (("One", "fixed"), ("As", "thickness"), ("None", "none")):
        choose(box, start)
        assert panel.asked().blur == blur
    panel.parameters.model = "slices"
    assert box.enabled
    panel.parameters.model = "spline"
    assert not box.enabled
    assert "undoes no blur" in told(box)
    assert panel.asked().blur is None


@pytest.mark.parametrize("model", ["plain", "slices", "doubting"])
def test_the_blur_reaches_the_command_line(app, model):
    import slicer

    choose(app.ui.blurComboBox, "One")
    app.widget.panel.parameters.model = model
    app.run()
    assert app.widget.job.error is None
    assert "sigma 1 fine voxels" in app.widget.job.output.GetAttribute("MRISuperResolution.acquisition")
    # nobody asked for more
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2


def test_apply_adds_what_tells_where_not_to_trust_the_result(app, mrisr, doubting_weights, tmp_path, monkeypatch):
    import SimpleITK as sitk
    import slicer

    head = app.widget.panel.parameters.inputVolume
    assert slicer.util.saveNode(head, str(tmp_path / "head.nrrd"))
    files = {"--expected-error": tmp_path / "error.nrrd", "--unexplained": tmp_path / "unexplained.nrrd"}
    options = [text for option in files.items() for text in option]
    command = ["upscale", tmp_path / "head.nrrd", tmp_path / "out.nrrd", "--scale", 2, *options]
    outcome = mrisr(*command, "--model", doubting_weights / "doubting.safetensors")
    assert outcome.code == 0, outcome.err
    transform = add_transform(head)
    app.ui.doubtsCheckBox.checked = True
    app.remember()
    assert app.run() < LONGEST_GAP
    result = app.widget.job.output
    expected, unexplained = result.GetNodeReference(EXPECTED), result.GetNodeReference(UNEXPLAINED)
    assert list(app.widget.job.doubts.values()) == [expected, unexplained]
    assert expected.GetName() == "Head T1w doubting expected error"
    assert unexplained.GetName() == "Head T1w doubting unexplained"
    for node, path in ((expected, files["--expected-error"]), (unexplained, files["--unexplained"])):
        found, written = slicer.util.arrayFromVolume(node), sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert found.dtype == np.float32
        assert (found == written).all()
        assert np.abs(world_bounds(node) - world_bounds(head)).max() < 1e-6
        assert node.GetParentTransformNode() is transform
        assert node.GetAttribute("MRISuperResolution.model") == "doubting"
        assert node.GetAttribute("MRISuperResolution.input") == "Head T1w"
        assert node.GetAttribute("MRISuperResolution.contrast") == "T1w"
        assert "research use only" in node.GetDescription()
    assert expected.GetDescription().startswith("Expected error")
    assert expected.GetImageData().GetDimensions() == result.GetImageData().GetDimensions()
    assert unexplained.GetImageData().GetDimensions() == head.GetImageData().GetDimensions()
    assert "Where not to trust it: Head T1w doubting expected error" in app.ui.statusLabel.text
    assert app.nothing_is_left()


def test_the_expected_error_lies_over_the_result_in_colours_with_a_legend(app):
    import slicer

    app.ui.doubtsCheckBox.checked = True
    app.run()
    result, (expected, unexplained) = app.widget.job.output, app.widget.job.doubts.values()
    assert set(views()) == {(result.GetID(), expected.GetID(), 0.5)}
    shown, values = expected.GetDisplayNode(), slicer.util.arrayFromVolume(expected)
    assert shown.GetColorNode().GetName() == "Plasma"
    # where it is low nothing lies over the result, and the colours begin where something does
    assert shown.GetApplyThreshold()
    assert shown.GetLowerThreshold() == pytest.approx(shown.GetWindowLevelMin())
    assert shown.GetUpperThreshold() >= values.max()
    assert 0 < shown.GetLowerThreshold() < shown.GetWindowLevelMax() <= values.max()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(expected)
    assert legend.GetPrimaryDisplayNode() is shown
    assert legend.GetVisibility()
    assert legend.GetTitleText() == "Expected error\nin units of\nHead T1w"
    # blue and red around nothing, and in no view
    shown = unexplained.GetDisplayNode()
    assert shown.GetColorNode().GetName() == "DivergingBlueRed"
    assert shown.GetLevel() == 0
    assert not shown.GetApplyThreshold()
    assert unexplained.GetID() not in np.ravel(views())


def test_one_click_hides_the_overlay_and_another_shows_it(app):
    head = app.widget.panel.parameters.inputVolume
    app.ui.doubtsCheckBox.checked = True
    app.run()
    result, expected = app.widget.job.output, next(iter(app.widget.job.doubts.values()))
    button = app.ui.overlayButton
    assert button.visible
    assert button.checked
    button.click()
    assert set(views()) == {(result.GetID(), head.GetID(), 0.0)}
    button.click()
    assert set(views()) == {(result.GetID(), expected.GetID(), 0.5)}
    # a run that fails leaves it as it is
    app.ui.applyButton.click()
    app.ui.applyButton.click()
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=3)
    assert button.visible
    button.click()
    assert set(views()) == {(result.GetID(), head.GetID(), 0.0)}
    # a result without it has nothing to show
    app.ui.doubtsCheckBox.checked = False
    app.run()
    assert not button.visible


def test_removing_what_lies_over_the_result_takes_the_button_away(app):
    import slicer

    app.ui.doubtsCheckBox.checked = True
    app.run()
    slicer.mrmlScene.RemoveNode(next(iter(app.widget.job.doubts.values())))
    assert not app.ui.overlayButton.visible


def test_an_output_that_was_an_expected_error_has_no_legend_any_more(app):
    import slicer

    app.ui.doubtsCheckBox.checked = True
    app.run()
    expected = next(iter(app.widget.job.doubts.values()))
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode
    assert legend(expected) is not None
    app.ui.doubtsCheckBox.checked = False
    app.ui.outputSelector.setCurrentNode(expected)
    app.run()
    assert app.widget.job.output is expected
    assert legend(expected) is None


def test_closing_the_scene_takes_the_button_away(app):
    app.ui.doubtsCheckBox.checked = True
    app.run()
    app.rig.scene.close()
    assert not app.ui.overlayButton.visible


@pytest.mark.parametrize("model", ["plain", "slices"])
def test_what_is_unexplained_needs_a_blur_alone(app, model):
    head = app.widget.panel.parameters.inputVolume
    app.widget.panel.parameters.model = model
    choose(app.ui.blurComboBox, "As wide")
    app.ui.doubtsCheckBox.checked = True
    app.run()
    (unexplained,) = app.widget.job.doubts.values()
    assert unexplained.GetName() == f"Head T1w {model} unexplained"
    assert set(views()) == {(app.widget.job.output.GetID(), head.GetID(), 0.0)}
    assert not app.ui.overlayButton.visible


def test_the_automatic_model_tells_too(app):
    choose(app.ui.modelComboBox, "Automatic")
    assert app.ui.doubtsCheckBox.enabled
    app.ui.doubtsCheckBox.checked = True
    app.run()
    assert len(app.widget.job.doubts) == 2


def test_an_output_that_is_replaced_lets_go_of_what_told_of_the_old_result(app):
    app.ui.doubtsCheckBox.checked = True
    app.run()
    result = app.widget.job.output
    app.ui.outputSelector.setCurrentNode(result)
    app.ui.doubtsCheckBox.checked = False
    app.run()
    assert app.widget.job.output is result
    assert result.GetNodeReference(EXPECTED) is None
    assert result.GetNodeReference(UNEXPLAINED) is None


def test_the_result_knows_what_tells_of_it_in_a_saved_scene(app, tmp_path):
    import slicer

    app.ui.doubtsCheckBox.checked = True
    app.run()
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        assert slicer.util.saveNode(node, str(tmp_path / f"{node.GetID()}.nrrd"))
    app.rig.scene.save(tmp_path / "scene.mrml")
    app.rig.scene.load(tmp_path / "scene.mrml")
    result = slicer.util.getNode("Head T1w doubting")
    assert result.GetNodeReference(EXPECTED).GetName() == "Head T1w doubting expected error"
    assert result.GetNodeReference(EXPECTED).GetDisplayNode().GetColorNode().GetName() == "Plasma"


def test_a_volume_that_is_missing_changes_nothing(app, monkeypatch, tmp_path):
    import os

    app.ui.doubtsCheckBox.checked = True
    app.remember()
    python = os.environ["PATH"].split(os.pathsep)[0] + "/PythonSlicer"
    write_python_slicer(monkeypatch, tmp_path, f"'{python}' \"$@\"; rm unexplained.nrrd")
    app.run()
    assert "no readable result" in app.ui.statusLabel.text
    assert app.rig.dialogs.texts("error") == [app.ui.statusLabel.text]
    assert app.scene_is_as_it_was()


@pytest.mark.parametrize("replaces", [False, True])
def test_a_volume_that_cannot_be_added_changes_nothing(app, monkeypatch, replaces):
    import slicer

    app.ui.doubtsCheckBox.checked = True
    if replaces:
        app.ui.outputSelector.setCurrentNode(add_head("Old result"))
    app.remember()
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    monkeypatch.delattr(slicer.modules, "colors")
    app.run()
    assert "The module failed" in app.rig.dialogs.texts("error")[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert app.scene_is_as_it_was()


def test_cancel_at_the_last_moment_changes_nothing(slicer_rig, doubting_weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(doubting_weights))
    logic = slicer_rig.load_module(MODULE).MRISuperResolutionLogic()
    head = add_head()
    before = scene_content()

    def cancel_at_done(fraction, step, left):
        if fraction == 1:
            job.cancel()

    job = logic.process(head, model="doubting", scale=2, doubts=True, wait=False, onProgress=cancel_at_done)
    slicer_rig.spin(lambda: not job.is_running, timeout=60)
    assert "Cancelled" in job.error
    assert scene_content() == before


def test_the_logic_gives_them_too(slicer_rig, doubting_weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(doubting_weights))
    logic = slicer_rig.load_module(MODULE).MRISuperResolutionLogic()
    result = logic.process(add_head(), model="doubting", scale=2, blur="fixed", doubts=True)
    for node in (result, result.GetNodeReference(EXPECTED)):
        assert "sigma 1 fine voxels" in node.GetAttribute("MRISuperResolution.acquisition")
