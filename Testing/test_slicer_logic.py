"""The logic of the Slicer module as the Python console calls it: what it takes, gives and refuses."""

import gc
import os
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
from slicer_scene import (
    MODULE,
    add_head,
    add_transform,
    add_volume,
    descendants,
    left_files,
    scene_content,
    world_bounds,
)
from volumes import blobs, centred_grid, world_of

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.models.card import find_card


@pytest.fixture
def module(slicer_rig, weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return slicer_rig.load_module(MODULE)


@pytest.fixture
def logic(module):
    return module.MRISuperResolutionLogic()


def test_process_waits_and_returns_the_node(slicer_rig, logic):
    told, ended = [], []
    head = add_head()
    result = logic.process(
        head, model="plain", scale=(1, 1, 2.5), onProgress=lambda *t: told.append(t), onFinished=ended.append
    )
    assert result.GetImageData().GetDimensions() == (14, 12, 20)
    assert np.abs(world_bounds(result) - world_bounds(head)).max() < 1e-6
    assert told[-1][0] == 1.0
    assert [job.output for job in ended] == [result]
    assert left_files(slicer_rig.folder) == []


def test_the_speed_that_is_remembered_is_of_what_was_computed(logic, monkeypatch):
    told = []
    monkeypatch.setattr("MRISuperResolutionSlicer.speed.remember", lambda device, outlook, _: told.append(outlook))
    array = np.pad(brain_phantom((16, 16, 16)), 12)
    logic.process(add_volume(array, centred_grid(array.shape)), model="plain", scale=2)
    (outlook,) = told
    assert 0 < outlook.operations < 0.8 * find_card("plain").cost["operations"] * 80**3


def test_process_returns_a_job_at_once(slicer_rig, logic):
    processes = descendants()
    job = logic.process(add_head(size=(48, 48, 24)), model="slow", scale=2, wait=False)
    assert job.is_running
    slicer_rig.spin(lambda: len(descendants()) > len(processes), timeout=30)
    job.cancel()
    slicer_rig.spin(lambda: not job.is_running, timeout=3)
    assert job.output is None
    assert "Cancelled" in job.error
    assert descendants() <= processes


def test_two_runs_at_once(slicer_rig, logic):
    jobs = [logic.process(add_head(), model="plain", scale=scale, wait=False) for scale in (2, 3)]
    slicer_rig.spin(lambda: not any(job.is_running for job in jobs), timeout=60)
    assert [job.output.GetImageData().GetDimensions()[0] for job in jobs] == [28, 42]


def test_target_spacing(logic):
    result = logic.process(add_head(), model="spline", spacing=[1, 1.1, 1.25])
    assert np.allclose(result.GetSpacing(), (1, 1.1, 1.25))


def test_all_options_reach_the_command_line(logic):
    result = logic.process(
        add_head(), model="slices", scale=2, plane="coronal", device="cpu", precision="bfloat16", maxMemory=2
    )
    assert result.GetAttribute("MRISuperResolution.plane") == "coronal"
    assert result.GetAttribute("MRISuperResolution.precision") == "bfloat16"
    assert result.GetAttribute("MRISuperResolution.device") == "cpu"


def test_a_failed_run_that_was_waited_for_raises(logic):
    with pytest.raises(RuntimeError, match="no cuda device"):
        logic.process(add_head(), model="plain", device="cuda")


def test_closing_the_scene_ends_the_wait(slicer_rig, logic):
    head = add_head(size=(48, 48, 24))

    def close(fraction, step, left):
        if fraction > 0.05:
            slicer_rig.scene.close()

    with pytest.raises(RuntimeError, match="scene was closed"):
        logic.process(head, model="slow", scale=2, onProgress=close)


def refused(logic, *arguments, **options):
    import slicer

    nodes = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RequestError) as error:
        logic.process(*arguments, **options)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert str(error.value).endswith(".")
    return str(error.value)


def test_what_is_no_scalar_volume_is_refused(logic):
    import slicer

    add = slicer.mrmlScene.AddNewNodeByClass
    assert "No input volume" in refused(logic, None)
    assert "label map" in refused(logic, add("vtkMRMLLabelMapVolumeNode"))
    assert "vector volume" in refused(logic, add("vtkMRMLVectorVolumeNode"))
    assert "no volume" in refused(logic, add("vtkMRMLModelNode"))
    assert "no image data" in refused(logic, add("vtkMRMLScalarVolumeNode"))


def test_an_empty_volume_is_refused(logic):
    import slicer
    import vtk

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing")
    node.SetAndObserveImageData(vtk.vtkImageData())
    assert "Nothing has no image data" in refused(logic, node)


def test_a_volume_under_a_nonlinear_transform_is_refused(logic):
    head = add_head()
    add_transform(head, linear=False)
    assert "non-linear transform Bent" in refused(logic, head)


def test_a_volume_under_two_transforms_of_which_one_bends_is_refused(logic):
    head = add_head()
    inner = add_transform(head)
    add_transform(inner, linear=False)
    assert "non-linear" in refused(logic, head)


def test_sheared_axes_are_refused(logic):
    head = add_head()
    directions = np.eye(3)
    directions[0, 1] = 0.3
    head.SetIJKToRASDirections(*directions.ravel())
    assert "not at right angles" in refused(logic, head)


def test_the_original_is_never_the_output(logic):
    head = add_head()
    assert "both input and output" in refused(logic, head, outputVolume=head)


def test_an_output_of_another_kind_is_refused(logic):
    import slicer

    label_map = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    assert "Labels cannot hold the result" in refused(logic, add_head(), outputVolume=label_map)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "nothing"}, "Unknown model"),
        ({"scale": 9}, "made for factors from 1 to 4"),
        ({"scale": 0.5}, "between 1 and 16"),
        ({"scale": 2, "spacing": [1, 1, 1]}, "both a scale and a spacing"),
        ({"plane": "axial"}, "whole volume"),
        ({"model": "slices", "plane": "oblique"}, "unknown plane"),
        ({"model": "slices", "scale": 3}, "2 times finer"),
        ({"registerReference": True}, "no reference to register"),
        ({"maxMemory": 0}, "positive number of GiB"),
        ({"blur": "wide"}, "give one of thickness, fixed, none, or leave it out"),
        ({"model": "spline", "blur": "fixed"}, "leave out the blur"),
        ({"model": "spline", "doubts": True}, "choose a network"),
        ({"doubts": True}, "depends on the scanner's blur"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_at_once(logic, options, sentence):
    assert sentence.lower() in refused(logic, add_head(), **{"model": "plain", **options}).lower()


def reference_of(shift=(0.0, 0.0, 0.0)):
    """Another contrast of the same head, on a finer grid of another orientation, moved by ``shift`` mm."""
    grid = centred_grid((40, 44, 36), (0.8, 0.7, 0.9))
    return add_volume(np.sqrt(blobs(world_of(grid) + np.asarray(shift))).astype(np.float32), grid, "Head T2w")


def test_a_reference_of_any_geometry(logic):
    import slicer

    head, reference = add_head(), reference_of()
    voxels, bounds = slicer.util.arrayFromVolume(reference).copy(), world_bounds(reference)
    result = logic.process(head, model="guided", scale=2, referenceVolume=reference)
    assert result.GetAttribute("MRISuperResolution.references") == "1"
    assert result.GetAttribute("MRISuperResolution.registered") == "False"
    # the reference stays as it is and where it is
    assert (slicer.util.arrayFromVolume(reference) == voxels).all()
    assert (world_bounds(reference) == bounds).all()


def test_registration_makes_up_for_a_shift(logic):
    import slicer

    head = add_head()

    def made(reference, register):
        node = logic.process(head, model="guided", scale=2, referenceVolume=reference, registerReference=register)
        return slicer.util.arrayFromVolume(node).astype(float)

    aligned, moved = reference_of(), reference_of((3, -2, 1))
    right, wrong, mended = made(aligned, False), made(moved, False), made(moved, True)
    assert np.abs(mended - right).mean() < 0.5 * np.abs(wrong - right).mean()


def test_a_reference_that_barely_overlaps_is_refused(slicer_rig, logic):
    far = reference_of()
    far.SetOrigin(400, 0, 0)
    with pytest.raises(RuntimeError, match="covers 0% of the volume"):
        logic.process(add_head(), model="guided", scale=2, referenceVolume=far)


def test_a_model_that_takes_no_reference_refuses_one(logic):
    assert "takes none" in refused(logic, add_head(), model="plain", referenceVolume=reference_of())


def test_a_reference_under_a_transform_is_taken_where_it_lies(logic):
    """Its own parent transform moves it in the world: what is seen is what is used."""
    import slicer
    import vtk

    head = add_head()
    expected = logic.process(head, model="guided", scale=2, referenceVolume=reference_of())
    moved = reference_of((5, 0, 0))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Back")
    back = vtk.vtkMatrix4x4()
    # blobs(world + 5) lies 5 mm lower along LPS's first axis, which is 5 mm higher along RAS's
    back.SetElement(0, 3, -5.0)
    transform.SetMatrixTransformToParent(back)
    moved.SetAndObserveTransformNodeID(transform.GetID())
    result = logic.process(head, model="guided", scale=2, referenceVolume=moved)
    first, second = (slicer.util.arrayFromVolume(node).astype(float) for node in (expected, result))
    assert np.abs(first - second).mean() < 0.02 * np.ptp(first)


def test_the_frame_of_the_input_counts_too(logic):
    """Input and reference under one transform are to each other what they were without it."""
    import slicer

    head, reference = add_head(), reference_of()
    expected = logic.process(head, model="guided", scale=2, referenceVolume=reference)
    transform = add_transform(head)
    reference.SetAndObserveTransformNodeID(transform.GetID())
    result = logic.process(head, model="guided", scale=2, referenceVolume=reference)
    first, second = (slicer.util.arrayFromVolume(node).astype(float) for node in (expected, result))
    assert np.abs(first - second).max() <= 1


def test_the_sample_volume_is_made_without_a_download(slicer_rig, module):
    import SampleData

    (source,) = SampleData.SampleDataLogic.sampleDataSourcesByCategory("MRI Super-Resolution")
    assert source.uris == []
    assert Path(source.thumbnailFileName).is_file()
    (node,) = source.customDownloader(source)
    assert node.GetImageData().GetDimensions() == (128, 160, 44)
    # one click makes it isotropic with what is shipped
    assert node.GetSpacing()[2] / node.GetSpacing()[0] < 3


def test_the_self_test_passes(slicer_rig, monkeypatch):
    monkeypatch.delenv("MRISR_WEIGHTS", raising=False)
    module = slicer_rig.load_module(MODULE)
    slicer_rig.start_for_testing()
    module.MRISuperResolutionTest().runTest()
    assert any("dB over spline" in text for text in slicer_rig.dialogs.texts("delay"))


def test_the_self_test_fails_without_weights(slicer_rig, tmp_path, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(tmp_path))
    module = slicer_rig.load_module(MODULE)
    slicer_rig.start_for_testing()
    with pytest.raises(AssertionError, match="no weights"):
        module.MRISuperResolutionTest().runTest()


def test_the_self_test_fails_without_torch(slicer_rig, monkeypatch):
    monkeypatch.delenv("MRISR_WEIGHTS", raising=False)
    module = slicer_rig.load_module(MODULE)
    slicer_rig.start_for_testing()
    slicer_rig.packages.hide("torch")
    with pytest.raises(RequestError, match="PyTorch"):
        module.MRISuperResolutionTest().runTest()
    assert slicer_rig.packages.requests == []


def test_temporary_files_go_where_slicer_says(slicer_rig, logic, tmp_path):
    import slicer

    slicer.app.temporaryPath = str(tmp_path)
    seen = []
    logic.process(add_head(), model="spline", onProgress=lambda *_: seen.append(left_files(tmp_path)))
    assert any(seen)
    assert left_files(tmp_path) == []


def test_a_finished_run_lets_go_of_its_volumes(slicer_rig, logic):
    def run():
        job = logic.process(add_head(), model="spline", scale=2, wait=False)
        slicer_rig.spin(lambda: not job.is_running, timeout=30)
        assert job.error is None
        return weakref.ref(job)

    forgotten = run()
    slicer_rig.process_events()
    gc.collect()
    assert forgotten() is None


def test_what_a_crash_left_in_the_temporary_folder_is_removed(slicer_rig, logic):
    old, new = (slicer_rig.folder / f"MRISuperResolution-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "input-0.nrrd").write_bytes(b"a patient's voxels")
    for path in (old / "input-0.nrrd", old):
        os.utime(path, (0, 0))
    logic.process(add_head(), model="spline")
    assert left_files(slicer_rig.folder) == ["MRISuperResolution-new"]
    shutil.rmtree(new)


def test_a_result_that_slicer_has_no_memory_for_is_refused(logic, monkeypatch):
    monkeypatch.setattr("MRISuperResolutionSlicer.request.available_memory", lambda: 10**6)
    assert "in Slicer, and 0.0 GiB are free" in refused(logic, add_head(), model="spline", scale=8)


def test_memory_that_is_gone_when_the_result_is_there_is_told(slicer_rig, logic, monkeypatch):
    """To ask for more than there is would end Slicer."""
    import slicer

    job = logic.process(add_head(), model="spline", wait=False)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    monkeypatch.setattr("MRISuperResolutionSlicer.request.available_memory", lambda: 0)
    slicer_rig.spin(lambda: not job.is_running, timeout=30)
    assert "0.0 GiB are free" in job.error
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_numbers_of_numpy_are_welcome(logic):
    for scale in (np.float32(2), np.int64(2), np.array([2, 2, 2])):
        assert logic.process(add_head(), model="spline", scale=scale).GetImageData().GetDimensions() == (28, 24, 16)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": "twice"}, "give numbers"),
        ({"spacing": 1.0}, "not three numbers"),
        ({"model": None}, "is no name"),
    ],
)
def test_what_is_no_number_is_refused(logic, options, sentence):
    assert sentence in refused(logic, add_head(), **{"model": "spline", **options})


def test_a_volume_of_one_slice_is_refused_at_once(logic):
    assert "too small (14 x 12 x 1 voxels)" in refused(logic, add_head(size=(14, 12, 1)))


def test_cancel_at_the_last_moment_changes_nothing(slicer_rig, logic):
    head = add_head()
    before = scene_content()
    jobs = []

    def cancel_at_done(fraction, step, left):
        if fraction == 1:
            jobs[0].cancel()

    jobs.append(logic.process(head, model="spline", scale=2, wait=False, onProgress=cancel_at_done))
    slicer_rig.spin(lambda: not jobs[0].is_running, timeout=30)
    assert "Cancelled" in jobs[0].error
    assert scene_content() == before


def test_a_callback_that_turns_the_event_loop_loses_nothing(slicer_rig, logic):
    import slicer

    assert logic.process(add_head(), model="plain", scale=2, onProgress=lambda *_: slicer.app.processEvents())


def test_a_callback_that_raises_spoils_nothing(logic, caplog):
    def fail(*told):
        raise KeyError("mine")

    assert logic.process(add_head(), model="spline", scale=2, onProgress=fail, onFinished=fail)
    assert "onProgress failed" in caplog.text
    assert "onFinished failed" in caplog.text


@pytest.mark.parametrize("phase", ["writing the input", "starting", "reading the result", "done"])
def test_quitting_in_each_phase_leaves_nothing(slicer_rig, logic, phase):
    import slicer

    processes = descendants()
    quit_once = []

    def leave(fraction, step, left):
        if step == phase and not quit_once:
            quit_once.append(True)
            slicer.app.aboutToQuit.emit()

    job = logic.process(add_head(), model="spline", scale=2, wait=False, onProgress=leave)
    slicer_rig.spin(lambda: not job.is_running, timeout=30)
    assert "Slicer was closed" in job.error
    assert left_files(slicer_rig.folder) == []
    slicer_rig.spin(lambda: descendants() <= processes, timeout=5)


def test_messages_name_the_volume(logic):
    grid = centred_grid((8, 8, 8))
    array = blobs(world_of(grid))
    array[1, 2, 3] = np.nan
    with pytest.raises(RuntimeError, match="Kopf für T1w holds 1 NaN"):
        logic.process(add_volume(array, grid, "Kopf für T1w"), model="spline")


def test_a_temporary_folder_that_cannot_be_used_is_told(slicer_rig, logic):
    import slicer

    slicer.app.temporaryPath = "/etc/passwd/nowhere"
    assert "Nothing can be written to the temporary folder" in refused(logic, add_head(), model="spline")
