"""Apply and Cancel in the rig: the true child process, and the scene after success, failure and cancel."""

import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from slicer_scene import (
    LONGEST_GAP,
    Slicer,
    add_head,
    add_transform,
    add_volume,
    descendants,
    left_files,
    world_bounds,
    write_python_slicer,
)
from volumes import blobs, centred_grid, world_of


@pytest.fixture
def app(slicer_rig, weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Slicer(slicer_rig)


def results():
    import slicer

    return [
        n
        for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if n.GetAttribute("MRISuperResolution.model")
    ]


def test_apply_puts_the_result_where_the_input_is(app):
    import slicer

    head = add_head()
    transform = add_transform(head)
    display = head.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(432, 210)
    display.SetAndObserveColorNodeID(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLColorTableNode").GetID())
    hierarchy = app.rig.scene.subject_hierarchy()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(head), study)
    app.ui.inputSelector.setCurrentNode(head)
    voxels = slicer.util.arrayFromVolume(head).copy()
    app.remember()
    seen = []
    progress = app.widget.panel.show_progress
    app.widget.panel.show_progress = lambda *told: (seen.append(told), progress(*told))
    assert app.run() < LONGEST_GAP
    (result,) = results()
    assert np.abs(world_bounds(result) - world_bounds(head)).max() < 1e-6
    assert result.GetImageData().GetDimensions() == (28, 24, 16)
    assert result.GetImageData().GetScalarType() == head.GetImageData().GetScalarType()
    assert result.GetParentTransformNode() is transform
    shown = result.GetDisplayNode()
    assert (shown.GetWindow(), shown.GetLevel(), shown.GetAutoWindowLevel()) == (432, 210, 0)
    assert shown.GetColorNodeID() == display.GetColorNodeID()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result)) == study
    assert result.GetName().startswith("Head T1w")
    assert result.GetAttribute("MRISuperResolution.model") == "plain"
    assert len(result.GetAttribute("MRISuperResolution.sha256")) == 64
    assert "research use only" in result.GetDescription()
    # the input is as it was
    assert (slicer.util.arrayFromVolume(head) == voxels).all()
    fractions = [fraction for fraction, _, _ in seen]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5
    assert app.ui.applyButton.text == "Apply"
    assert "is ready" in app.ui.statusLabel.text
    # which processor was chosen is told
    assert "computing on " in app.ui.statusLabel.text
    assert app.nothing_is_left()


def test_the_result_lies_behind_the_input_in_linked_and_fitted_views(app):
    import slicer

    head = add_head()
    app.ui.inputSelector.setCurrentNode(head)
    app.run()
    (result,) = results()
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert len(views) == 3
    for view in views:
        assert view.GetBackgroundVolumeID() == result.GetID()
        assert view.GetForegroundVolumeID() == head.GetID()
        assert view.GetLinkedControl()
    # fitted: the view is about as large as the head
    field = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().GetFieldOfView()
    assert 10 < field[0] < 200


def test_the_result_is_that_of_the_command_line(app, weights, mrisr, tmp_path):
    import SimpleITK as sitk
    import slicer

    head = add_head()
    assert slicer.util.saveNode(head, str(tmp_path / "head.nrrd"))
    outcome = mrisr("upscale", tmp_path / "head.nrrd", tmp_path / "out.nrrd", "--model", "plain", "--scale", 2)
    assert outcome.code == 0, outcome.err
    app.ui.inputSelector.setCurrentNode(head)
    app.run()
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.nrrd")))
    assert (slicer.util.arrayFromVolume(results()[0]) == expected).all()


def test_slices_in_the_chosen_plane(app):
    head = add_head()
    app.ui.inputSelector.setCurrentNode(head)
    app.widget.panel.parameters.model = "slices"
    planes = app.ui.planeComboBox
    planes.currentIndex = next(n for n in range(planes.count) if planes.itemText(n) == "Sagittal")
    app.run()
    (result,) = results()
    assert result.GetAttribute("MRISuperResolution.plane") == "sagittal"
    assert sorted(a // b for a, b in zip(result.GetImageData().GetDimensions(), (14, 12, 8), strict=True)) == [
        1,
        2,
        2,
    ]


def test_a_chosen_output_is_replaced(app):
    head, old = add_head(), add_head("Old result", (5, 5, 5))
    old.SetAttribute("MRISuperResolution.plane", "axial")
    app.ui.inputSelector.setCurrentNode(head)
    app.ui.outputSelector.setCurrentNode(old)
    app.run()
    assert results() == [old]
    assert old.GetImageData().GetDimensions() == (28, 24, 16)
    assert old.GetAttribute("MRISuperResolution.plane") is None
    assert np.abs(world_bounds(old) - world_bounds(head)).max() < 1e-6


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_scalar_types_stay(app, dtype):
    import slicer

    grid = centred_grid((10, 9, 8))
    app.ui.inputSelector.setCurrentNode(add_volume((2 * blobs(world_of(grid))).astype(dtype), grid))
    choose = app.widget.panel.parameters
    choose.model = "spline"
    app.run()
    assert slicer.util.arrayFromVolume(results()[0]).dtype == dtype


def test_cancel_ends_all_processes_and_changes_nothing(app):
    app.ui.inputSelector.setCurrentNode(add_head(size=(48, 48, 24)))
    app.widget.panel.parameters.model = "slow"
    app.remember()
    app.ui.applyButton.click()
    assert app.ui.applyButton.text == "Cancel"
    app.rig.spin(lambda: app.ui.progressBar.value > 5, timeout=60)
    assert len(descendants() - app.processes) >= 2
    app.ui.applyButton.click()
    # the clinic's patience
    assert app.rig.spin(lambda: not app.widget.job.is_running, timeout=3) < LONGEST_GAP
    assert app.ui.applyButton.text == "Apply"
    assert app.ui.statusLabel.text == "Cancelled: nothing was changed."
    assert app.rig.dialogs.shown == []
    assert app.scene_is_as_it_was()


def test_cancel_at_once(app):
    app.ui.inputSelector.setCurrentNode(add_head())
    app.remember()
    app.ui.applyButton.click()
    app.ui.applyButton.click()
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=3)
    assert app.scene_is_as_it_was()


def test_cancel_of_a_child_that_does_not_listen(app, monkeypatch, tmp_path):
    write_python_slicer(
        monkeypatch,
        tmp_path,
        """sh -c 'echo "{\\"event\\": \\"started\\", \\"pid\\": $$}"; trap "" TERM INT HUP
while true; do sleep 0.1; done'
exit 0""",
    )
    app.ui.inputSelector.setCurrentNode(add_head())
    app.remember()
    app.ui.applyButton.click()
    app.rig.spin(lambda: app.child is not None, timeout=10)
    app.ui.applyButton.click()
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=3)
    assert app.scene_is_as_it_was()


def test_closing_the_scene_cancels(app):
    app.ui.inputSelector.setCurrentNode(add_head(size=(48, 48, 24)))
    app.widget.panel.parameters.model = "slow"
    app.remember()
    app.ui.applyButton.click()
    app.rig.spin(lambda: app.child is not None, timeout=30)
    app.rig.scene.close()
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=3)
    assert "scene was closed" in app.ui.statusLabel.text
    assert results() == []
    assert app.nothing_is_left()


def test_removing_the_input_cancels(app):
    import slicer

    head = add_head(size=(48, 48, 24))
    app.ui.inputSelector.setCurrentNode(head)
    app.widget.panel.parameters.model = "slow"
    app.remember()
    app.ui.applyButton.click()
    app.rig.spin(lambda: app.child is not None, timeout=30)
    slicer.mrmlScene.RemoveNode(head)
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=3)
    assert "was removed from the scene" in app.ui.statusLabel.text
    assert app.nothing_is_left()


def test_closing_slicer_cancels(app):
    app.ui.inputSelector.setCurrentNode(add_head(size=(48, 48, 24)))
    app.widget.panel.parameters.model = "slow"
    app.remember()
    app.ui.applyButton.click()
    app.rig.spin(lambda: app.child is not None, timeout=30)
    job = app.widget.job
    app.rig.quit()
    assert not job.is_running
    assert descendants() <= app.processes
    assert left_files(app.rig.folder) == []


def failure(app):
    """The sentence that the user was shown, after a run that had to fail."""
    app.run()
    assert app.scene_is_as_it_was()
    (shown,) = app.rig.dialogs.shown
    assert shown.kind == "error"
    assert shown.text == app.ui.statusLabel.text
    assert "\n" not in shown.text
    return shown.text


def test_a_child_that_is_killed(app):
    app.ui.inputSelector.setCurrentNode(add_head(size=(48, 48, 24)))
    app.widget.panel.parameters.model = "slow"
    app.remember()
    app.ui.applyButton.click()
    app.rig.spin(lambda: app.child is not None, timeout=30)
    os.kill(app.child, signal.SIGKILL)
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=10)
    assert app.scene_is_as_it_was()
    assert "ended from outside" in app.rig.dialogs.texts("error")[0]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("exit 1", "ended from outside"),
        ("echo Traceback '(most recent call last)': >&2; echo 'KeyError: 3' >&2; exit 1", "KeyError: 3"),
        ("echo 'error: the sky falls: run' >&2; exit 2", "The sky falls: run."),
        ("echo 'error: too large: buy memory' >&2; exit 3", "Too large: buy memory."),
        ("echo rubbish; echo '[1, 2]'; echo '{\"event\"'; exit 0", "without a result"),
        ('echo \'{"event": "progress"}\'; echo \'{"event": "done"}\'; exit 0', "no readable result"),
        ('echo \'{"event": "done"}\'; echo rubbish > result.nrrd; exit 0', "no readable result"),
        ("kill -9 $$", "ended from outside"),
    ],
)
def test_a_child_that_goes_wrong(app, monkeypatch, tmp_path, script, sentence):
    app.ui.inputSelector.setCurrentNode(add_head())
    app.remember()
    write_python_slicer(monkeypatch, tmp_path, script)
    assert sentence in failure(app)


def test_a_child_whose_result_is_of_another_volume(app, monkeypatch, tmp_path):
    head = add_head()
    app.ui.inputSelector.setCurrentNode(head)
    app.remember()
    write_python_slicer(monkeypatch, tmp_path, 'cp input-0.nrrd result.nrrd; echo \'{"event": "done"}\'')
    assert "another size or place" in failure(app)


def test_a_slicer_without_its_python(app, monkeypatch):
    app.ui.inputSelector.setCurrentNode(add_head())
    app.remember()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/opt/Slicer/bin/SlicerApp-real")
    assert "PythonSlicer" in failure(app)


def test_a_slicer_without_launcher_uses_its_embedded_python(app, monkeypatch):
    app.ui.inputSelector.setCurrentNode(add_head())
    monkeypatch.setenv("PATH", "/nowhere")
    app.run()
    assert len(results()) == 1


def test_a_disk_that_fills_up_while_the_child_writes(app, monkeypatch, tmp_path):
    head = add_head(size=(40, 40, 20))
    app.ui.inputSelector.setCurrentNode(head)
    app.widget.panel.parameters.model = "spline"
    app.remember()
    python = os.environ["PATH"].split(os.pathsep)[0] + "/PythonSlicer"
    # in units of 512 bytes: enough for the input, too little for the result
    write_python_slicer(monkeypatch, tmp_path, f"ulimit -f 300; '{python}' \"$@\"; exit $?")
    assert "disk full" in failure(app)


def test_a_disk_that_fills_up_while_the_input_is_written(app):
    app.ui.inputSelector.setCurrentNode(add_head(size=(40, 40, 20)))
    app.remember()
    limits, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        app.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert "is the disk full?" in app.rig.dialogs.texts("error")[0]
    assert app.scene_is_as_it_was()


def test_a_disk_without_room_is_told_before_anything_starts(app, monkeypatch):
    import shutil

    app.ui.inputSelector.setCurrentNode(add_head())
    app.remember()
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=100))
    app.ui.applyButton.click()
    assert "has room for 0 MB" in app.rig.dialogs.texts("error")[0]
    assert app.scene_is_as_it_was()


def test_an_input_that_is_moved_meanwhile(app):
    head = add_head(size=(48, 48, 24))
    app.ui.inputSelector.setCurrentNode(head)
    app.widget.panel.parameters.model = "slow"
    app.ui.applyButton.click()
    app.rig.spin(lambda: app.child is not None, timeout=30)
    head.SetOrigin(1, 2, 3)
    app.rig.spin(lambda: not app.widget.job.is_running, timeout=90)
    assert "was moved" in app.rig.dialogs.texts("error")[0]
    assert results() == []


def test_input_that_the_library_refuses(app):
    grid = centred_grid((8, 8, 8))
    array = blobs(world_of(grid))
    array[1, 2, 3] = np.nan
    app.ui.inputSelector.setCurrentNode(add_volume(array, grid))
    app.remember()
    assert "holds 1 NaN" in failure(app)


def test_ten_runs_leave_nothing_but_their_results(app):
    app.ui.inputSelector.setCurrentNode(add_head())
    app.widget.panel.parameters.model = "spline"
    app.run()
    app.remember()
    nodes, observers = node_count(), len(app.widget.panel.Observations)
    for _ in range(10):
        app.run()
    assert len(results()) == 11
    # a volume comes with its display
    assert node_count() == nodes + 20
    assert len(app.widget.panel.Observations) == observers
    assert app.nothing_is_left()


def node_count():
    import slicer

    return slicer.mrmlScene.GetNumberOfNodes()


def test_a_real_thick_slice_scan(app, tmp_path):
    import slicer

    data = os.environ.get("MRISR_DATA")
    if not data:
        pytest.skip("MRISR_DATA is not set: no real volumes here")
    head = slicer.util.loadVolume(str(Path(data) / "validate" / "ljubljana-20-study2_T1w.nii.gz"))
    transform = add_transform(head)
    app.ui.inputSelector.setCurrentNode(head)
    app.widget.panel.parameters.model = "spline"
    app.ui.isotropicButton.click()
    assert app.run(120) < LONGEST_GAP
    (result,) = results()
    assert np.abs(world_bounds(result) - world_bounds(head)).max() < 1e-6
    assert result.GetImageData().GetDimensions() == (256, 256, 147)
    assert result.GetParentTransformNode() is transform
