"""The result, and what tells where not to trust it, as nodes of the scene: in place, and labelled as computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import slicer

from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.io.provenance import KEY

from .colouring import add_legend, colour, remove_legend
from .quality_maps import Doubt
from .volume_nodes import SCALAR_VOLUME, ijk_to_ras


@dataclass(frozen=True)
class Computed:
    """A volume that was computed: its voxels (vtkImageData), where they lie, and what its header tells."""

    image: Any
    grid: Grid
    provenance: Mapping[str, str]


def add_results(
    result: Computed, doubts: Mapping[Doubt, Computed], source: Any, output: Any | None, model: str
) -> tuple[Any, dict[Doubt, Any]]:
    """The node that shows ``result``: ``output``, or a new one beside ``source``; and those of ``doubts``, which it
    refers to. Where one cannot be made none is added.

    They take over the parent transform and the subject-hierarchy study of ``source``, the result its window and
    colours, too; their provenance becomes their attributes.
    """
    added: list[Any] = []
    try:
        node = output
        if node is None:
            node = _new_node(f"{source.GetName()} {model}", added)
        # an output that is replaced is changed last
        shown = {doubt: _add_doubt(doubt, computed, node, source, added) for doubt, computed in doubts.items()}
        # before there are voxels: with them, a new display node computes a histogram that nobody needs
        _show_like(node, source)
        _fill(node, result, source)
        _refer(node, shown)
    except Exception:
        for new in added:
            _remove(new)
        raise
    return node, shown


def _new_node(name: str, added: list[Any]) -> Any:
    scene = slicer.mrmlScene
    added.append(scene.AddNewNodeByClass(SCALAR_VOLUME, scene.GenerateUniqueName(name)))
    return added[-1]


def _remove(node: Any) -> None:
    # a scene keeps how a volume was shown
    shown = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
    for gone in (node, *shown):
        slicer.mrmlScene.RemoveNode(gone)


def _add_doubt(doubt: Doubt, computed: Computed, result: Any, source: Any, added: list[Any]) -> Any:
    node = _new_node(f"{result.GetName()} {doubt.words}", added)
    colour(node, doubt, computed.image)
    _fill(node, computed, source)
    if doubt is Doubt.EXPECTED_ERROR:
        add_legend(node, source)
    return node


def _refer(node: Any, shown: Mapping[Doubt, Any]) -> None:
    """Those of an earlier result stay in the scene, but tell nothing of this one."""
    for doubt in Doubt:
        node.RemoveNodeReferenceIDs(doubt.role)
        if doubt in shown:
            node.SetNodeReferenceID(doubt.role, shown[doubt].GetID())


def _fill(node: Any, computed: Computed, source: Any) -> None:
    provenance = computed.provenance
    with slicer.util.NodeModify(node):
        node.SetAndObserveImageData(computed.image)
        node.SetIJKToRASMatrix(ijk_to_ras(computed.grid))
        node.SetAndObserveTransformNodeID(source.GetTransformNodeID())
        node.SetDescription(f"{provenance.get(f'{KEY}.notice', '')} Made by {provenance.get(f'{KEY}.model', '')}.")
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
    # an output may have been an expected error before
    remove_legend(node)
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
