"""The colours of volumes that tell where not to trust a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from .quality_maps import Doubt

PLASMA = "vtkMRMLColorTableNodeFilePlasma.txt"
BLUE_RED = "vtkMRMLColorTableNodeFileDivergingBlueRed.txt"

CLEAR = 0.25
"""The share of the highest expected error below which nothing is shown."""

HIGHEST = 99.5
"""The percentile of the values that gets the last colour."""

LOOKED_AT = 2**17
"""How many voxels the percentile is found from."""


def colour(node: Any, doubt: Doubt, image: Any) -> None:
    """Show ``node``, which is to hold ``image`` (vtkImageData), in colours: an expected error where it is large, what
    is unexplained in blue (less) and red (more than the scan of the result)."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    shown, highest = node.GetDisplayNode(), _highest(image)
    expected = doubt is Doubt.EXPECTED_ERROR
    lowest = CLEAR * highest if expected else -highest
    with slicer.util.NodeModify(shown):
        shown.SetAndObserveColorNodeID(PLASMA if expected else BLUE_RED)
        shown.SetAutoWindowLevel(False)
        shown.SetWindowLevelMinMax(lowest, highest)
        shown.SetAutoThreshold(False)
        shown.SetThreshold(lowest, max(highest, image.GetScalarRange()[1]))
        shown.SetApplyThreshold(expected)


def add_legend(node: Any, source: Any) -> None:
    """The colours of ``node`` with their values, in every view that shows it; the units are those of ``source``."""
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(f"Expected error\nin units of\n{source.GetName()}")
    # errors of volumes from 0 to 1 are told, too
    legend.SetLabelFormat("%.3g")


def remove_legend(node: Any) -> None:
    """Take the legend of ``node`` away, if it has one."""
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
    if legend is not None:
        slicer.mrmlScene.RemoveNode(legend)


def _highest(image: Any) -> float:
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    # every volume has a window
    return float(np.percentile(np.abs(values[:: max(1, values.size // LOOKED_AT)]), HIGHEST)) or 1.0
