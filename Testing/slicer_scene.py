"""What the tests of the Slicer module share: volumes in the scene, and what the scene and the machine hold."""

import os
from pathlib import Path

import numpy as np
import slicer
from volumes import OBLIQUE, blobs, centred_grid, world_of

LONGEST_GAP = 0.2
"""Seconds that the event loop may stand still."""

MODULE = Path(__file__).resolve().parents[1] / "MRISuperResolution" / "MRISuperResolution.py"


def add_volume(array, grid, name="Head T1w"):
    """A scalar volume node that holds ``array`` [i, j, k] on ``grid`` (LPS)."""
    matrix = np.eye(4)
    flip = np.diag([-1.0, -1.0, 1.0])
    matrix[:3, :3], matrix[:3, 3] = flip @ grid.axes, flip @ np.asarray(grid.origin)
    node = slicer.util.addVolumeFromArray(np.ascontiguousarray(array.transpose()), matrix, name)
    node.CreateDefaultDisplayNodes()
    return node


def add_head(name="Head T1w", size=(14, 12, 8)):
    """A small oblique volume of thick slices."""
    grid = centred_grid(size, (1.0, 1.1, 2.5), OBLIQUE)
    return add_volume((10 * blobs(world_of(grid))).astype(np.int16), grid, name)


def add_transform(node, *, linear=True):
    """Put ``node`` under a rotation and shift, or under a thin-plate spline; returns the transform node."""
    import vtk

    if linear:
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
        change = vtk.vtkTransform()
        change.RotateWXYZ(25, 1, 2, 3)
        change.Translate(4, -7.5, 11)
        transform.SetMatrixTransformToParent(change.GetMatrix())
    else:
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
        bend = vtk.vtkThinPlateSplineTransform()
        for landmarks, shift in ((bend.SetSourceLandmarks, 0), (bend.SetTargetLandmarks, 3)):
            points = vtk.vtkPoints()
            for corner in ((0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9), (5, 5, 5 + shift)):
                points.InsertNextPoint(*corner)
            landmarks(points)
        transform.SetAndObserveTransformToParent(bend)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def world_bounds(node):
    """RAS bounds in mm, parent transforms included."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds


def scene_content():
    """The scene as it would be saved, and the voxels of its volumes, to compare before and after."""
    scene = slicer.mrmlScene
    scene.SetSaveToXMLString(1)
    scene.Commit()
    text = scene.GetSceneXMLString()
    scene.SetSaveToXMLString(0)
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    voxels = {node.GetID(): slicer.util.arrayFromVolume(node).tobytes() for node in volumes if node.GetImageData()}
    return text, voxels


def descendants():
    """Numbers of all processes that this one has started, and those have started, and that still run."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if status[0] != "Z":
                parents[int(entry.name)] = int(status[1])
    found, new = set(), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def left_files(folder):
    """Temporary folders of the module that are still there."""
    return sorted(path.name for path in Path(folder).glob("MRISuperResolution-*"))


def write_python_slicer(monkeypatch, tmp_path, script):
    """Put a PythonSlicer that does something else on the path."""
    folder = tmp_path / "other"
    folder.mkdir()
    path = folder / "PythonSlicer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def choose(box, start):
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n).startswith(start))


class Slicer:
    """The open module, and what the machine and the scene held before."""

    def __init__(self, rig):
        self.rig = rig
        self.module = rig.load_module(MODULE)
        self.widget = rig.open_module("MRISuperResolution")
        self.ui = self.widget.ui

    def remember(self):
        self.processes, self.content = descendants(), scene_content()

    def nothing_is_left(self):
        assert left_files(self.rig.folder) == []
        self.rig.spin(lambda: descendants() <= self.processes, timeout=3)
        return True

    def scene_is_as_it_was(self):
        assert scene_content() == self.content
        return self.nothing_is_left()

    def run(self, timeout=60):
        """Click Apply and wait for the end; the longest time in which the event loop stood still."""
        self.ui.applyButton.click()
        return self.rig.spin(lambda: not self.widget.job.is_running, timeout)

    @property
    def child(self):
        """The number of the Python that computes, once it has told it."""
        return self.widget.job._child.pid if self.widget.job._child else None
