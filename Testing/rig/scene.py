"""slicer.mrmlScene, with what the scene of an application holds from its start."""

import numpy as np
import slicer
import vtk

RAMPS = {
    "Plasma": ((12, 7, 134), (203, 71, 119), (239, 248, 33)),
    "DivergingBlueRed": ((6, 50, 99), (247, 246, 246), (103, 0, 31)),
}
"""Of maps of Slicer the first, the middle and the last colour."""


def write_color_files(folder):
    """The wheel ships none of Slicer's: the one that label maps are shown with, and in their place straight ramps."""
    folder.mkdir(parents=True)
    (folder / "GenericColors.txt").write_text("0 Background 0 0 0 0\n1 label 128 174 128 255\n")
    for name, ramp in RAMPS.items():
        colors = [np.interp(range(256), (0, 128, 255), channel).astype(int) for channel in zip(*ramp, strict=True)]
        lines = [f"{n} {n} {r} {g} {b} 255\n" for n, (r, g, b) in enumerate(zip(*colors, strict=True))]
        (folder / f"{name}.txt").write_text("".join(lines))


class Scene:
    """The one scene of the rig and the logics that live on it."""

    def __init__(self, folder):
        self.node = slicer.mrmlScene = slicer.vtkMRMLScene()
        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.application_logic.SetMRMLScene(self.node)
        write_color_files(folder / "share" / "ColorFiles")
        self.application_logic.SetHomeDirectory(str(folder))
        self.application_logic.SetShareDirectory("share")
        self.color_logic = self._logic(slicer.vtkSlicerColorLogic)
        self.application_logic.SetColorLogic(self.color_logic)
        self.application_logic.SetModuleLogic("Colors", self.color_logic)
        self.volumes_logic = self._logic(slicer.vtkSlicerVolumesLogic)
        # makes the Red, Green and Yellow slice nodes and a 3D view
        self._layout_logic = self._logic(slicer.vtkMRMLLayoutLogic)
        self.slice_logics = vtk.vtkCollection()
        for slice_node in self.nodes("vtkMRMLSliceNode"):
            slice_logic = self._logic(slicer.vtkMRMLSliceLogic)
            slice_logic.SetSliceNode(slice_node)
            self.slice_logics.AddItem(slice_logic)
        self.application_logic.SetSliceLogics(self.slice_logics)
        # Slicer's subject hierarchy plugins are Qt code: their part is done here
        self.node.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_node_added)
        self.node.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._on_node_removed)
        self.subject_hierarchy()
        self._from_the_start = {node.GetID() for node in self.nodes("vtkMRMLNode")}

    def _logic(self, kind):
        logic = kind()
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.node)
        return logic

    def nodes(self, class_name):
        """All nodes that are of this class or derived from it."""
        count = self.node.GetNumberOfNodesByClass(class_name)
        return [self.node.GetNthNodeByClass(index, class_name) for index in range(count)]

    def subject_hierarchy(self):
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, caller, event, node):
        if node.IsA("vtkMRMLDisplayableNode") and not node.GetHideFromEditors() and not self.node.IsImporting():
            hierarchy = self.subject_hierarchy()
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, caller, event, node):
        if node.IsA("vtkMRMLDisplayableNode") and not self.node.IsClosing():
            hierarchy = self.subject_hierarchy()
            if hierarchy.GetItemByDataNode(node):
                hierarchy.RemoveItem(hierarchy.GetItemByDataNode(node), False)

    def close(self):
        """File > Close Scene: singletons stay, emptied."""
        self.node.Clear(0)
        self.subject_hierarchy()

    def save(self, path):
        """Write the scene's own file; volumes are saved one by one with slicer.util.saveNode."""
        if not self.node.Commit(str(path)):
            raise OSError(f"the scene could not be written to {path}")

    def load(self, path):
        """File > Open: the scene is closed, then the file is read."""
        self.node.SetURL(str(path))
        self.node.SetRootDirectory(str(path.parent))
        if not self.node.Connect():
            raise OSError(f"the scene could not be read from {path}")

    def reset(self):
        """What a freshly started application has, for the next test."""
        for node in self.nodes("vtkMRMLScriptedModuleNode"):
            # an older Slicer never lets go of its widgets, which are deleted by now
            node.RemoveAllObservers()
            self.node.RemoveNode(node)
        self.close()
        left = {node.GetID() for node in self.nodes("vtkMRMLStorableNode") if not node.GetHideFromEditors()}
        if left - self._from_the_start:
            raise RuntimeError(f"closing the scene left {', '.join(sorted(left - self._from_the_start))}")
