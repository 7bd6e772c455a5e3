"""The slice views after Apply: the result behind, the input before it, so that the fade slider compares them."""

from __future__ import annotations

from typing import Any

import slicer


def show(result: Any, source: Any) -> None:
    """Put ``result`` in the background and ``source`` in the foreground, faded out, of all slice views.

    The views are linked and fitted. The two lie at their physical positions, whatever their voxels.
    """
    scene = slicer.mrmlScene
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        scene.GetNthNodeByClass(number, "vtkMRMLSliceCompositeNode").SetLinkedControl(True)
    slicer.util.setSliceViewerLayers(
        background=result,
        foreground=source,
        foregroundOpacity=0.0,
        fit=slicer.app.layoutManager() is not None,
    )
