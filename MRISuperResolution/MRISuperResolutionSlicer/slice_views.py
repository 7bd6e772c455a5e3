"""The slice views after Apply: the result behind, and before it the input or what tells where not to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer

OVERLAY_OPACITY = 0.5


@dataclass(frozen=True)
class Comparison:
    """A ``result``, the ``source`` that it was made of, and the error to expect of it, where that is told."""

    result: Any
    source: Any
    expected_error: Any = None

    @property
    def is_there(self) -> bool:
        """Whether nothing of it has left the scene."""
        return all(node.GetScene() for node in (self.result, self.source, self.expected_error) if node is not None)

    def show(self, *, overlay: bool, fit: bool = False) -> None:
        """Put the result in the background of all slice views, which are linked.

        Before it lies the expected error as an ``overlay``, or the source, faded out, so that the fade slider
        compares the two. All lie at their physical positions, whatever their voxels.
        """
        scene = slicer.mrmlScene
        for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            scene.GetNthNodeByClass(number, "vtkMRMLSliceCompositeNode").SetLinkedControl(True)
        slicer.util.setSliceViewerLayers(
            background=self.result,
            foreground=self.expected_error if overlay else self.source,
            foregroundOpacity=OVERLAY_OPACITY if overlay else 0.0,
            fit=fit and slicer.app.layoutManager() is not None,
        )
