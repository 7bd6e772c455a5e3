"""The result as a node of the scene: in the right place, with the right window, labelled as computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

from MRISuperResolutionLib.grid import Grid
from MRISuperResolutionLib.provenance import KEY

from .checks import SCALAR_VOLUME, ijk_to_ras


def add_result(
    image: Any, grid: Grid, provenance: Mapping[str, str], source: Any, output: Any | None, model: str
) -> Any:
    """The node that shows ``image`` (vtkImageData) on ``grid``: ``output``, or a new one beside ``source``.

    It takes over the parent transform, the window, the colours and the subject-hierarchy study of
    ``source``; ``provenance`` becomes its attributes.
    """
    scene = slicer.mrmlScene
    node = output
    if node is None:
        node = scene.AddNewNodeByClass(SCALAR_VOLUME, scene.GenerateUniqueName(f"{source.GetName()} {model}"))
    try:
        _fill(node, image, grid, provenance, source)
    except Exception:
        if output is None:
            scene.RemoveNode(node)
        raise
    return node


def _fill(node: Any, image: Any, grid: Grid, provenance: Mapping[str, str], source: Any) -> None:
    # before there are voxels: with them, a new display node computes a histogram that nobody needs
    _show_like(node, source)
    with slicer.util.NodeModify(node):
        node.SetAndObserveImageData(image)
        node.SetIJKToRASMatrix(ijk_to_ras(grid))
        node.SetAndObserveTransformNodeID(source.GetTransformNodeID())
        node.SetDescription(provenance.get(f"{KEY}.notice", ""))
        for name in node.GetAttributeNames() or ():
            # what an earlier result left
            if name.startswith(f"{KEY}."):
                node.RemoveAttribute(name)
        for name, text in provenance.items():
            if name.startswith(f"{KEY}."):
                node.SetAttribute(name, text)
        node.SetAttribute(f"{KEY}.input", source.GetName())
    _put_beside(node, source)


def _show_like(node: Any, source: Any) -> None:
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    shown, like = node.GetDisplayNode(), source.GetDisplayNode()
    if like is None:
        return
    with slicer.util.NodeModify(shown):
        if like.GetColorNodeID():
            shown.SetAndObserveColorNodeID(like.GetColorNodeID())
        shown.SetInterpolate(like.GetInterpolate())
        shown.SetAutoThreshold(like.GetAutoThreshold())
        shown.SetApplyThreshold(like.GetApplyThreshold())
        shown.SetThreshold(like.GetLowerThreshold(), like.GetUpperThreshold())
        # left automatic, the two would differ by what the network adds at the extremes
        shown.SetAutoWindowLevel(False)
        shown.SetWindowLevel(like.GetWindow(), like.GetLevel())


def _put_beside(node: Any, source: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if hierarchy is None:
        return
    beside = hierarchy.GetItemByDataNode(source)
    if not beside:
        return
    study = hierarchy.GetItemParent(beside)
    item = hierarchy.GetItemByDataNode(node)
    if item == study:
        # an output that holds its input stays where it is
        return
    if item:
        hierarchy.SetItemParent(item, study)
    else:
        hierarchy.CreateItem(study, node)
