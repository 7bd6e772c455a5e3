"""Which nodes of the scene can be worked on, and where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid

SCALAR_VOLUME = "vtkMRMLScalarVolumeNode"

OTHER_VOLUMES = {
    "vtkMRMLLabelMapVolumeNode": "a label map",
    "vtkMRMLDiffusionWeightedVolumeNode": "a diffusion-weighted volume",
    "vtkMRMLVectorVolumeNode": "a vector volume",
    "vtkMRMLTensorVolumeNode": "a tensor volume",
}

SHEAR = 1e-3
"""Largest cosine between two index axes that is still taken for a right angle."""


def check_volume(node: Any, role: str = "input") -> None:
    """Raise RequestError, in one sentence for the user, unless ``node`` is a scalar volume to work on."""
    if node is None:
        raise RequestError(f"No {role} volume is chosen: choose one.")
    name = node.GetName()
    for kind, text in OTHER_VOLUMES.items():
        if node.IsA(kind):
            raise RequestError(f"{name} is {text}: choose a volume of one number a voxel.")
    if not node.IsA(SCALAR_VOLUME):
        raise RequestError(f"{name} is no volume: choose one.")
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise RequestError(f"{name} has no image data: load it again or choose another volume.")
    if min(image.GetDimensions()) < 3:
        size = " x ".join(map(str, image.GetDimensions()))
        raise RequestError(f"{name} is too small ({size} voxels): choose a volume of 3 or more along each axis.")
    if image.GetNumberOfScalarComponents() != 1:
        raise RequestError(
            f"{name} has {image.GetNumberOfScalarComponents()} numbers a voxel: choose a volume of one."
        )
    transform = node.GetParentTransformNode()
    if transform is not None and not transform.IsTransformToWorldLinear():
        raise RequestError(
            f"{name} is under the non-linear transform {transform.GetName()}: harden the transform or take the "
            "volume out of it first."
        )
    grid_of(node)


def grid_of(node: Any, frame: Any = None) -> Grid:
    """Grid (LPS) of a volume node; RequestError unless its axes are at right angles.

    Parent transforms are left out. With ``frame``, another volume, the grid is where the node is seen from
    within that volume's own parent transform.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ras = slicer.util.arrayFromVTKMatrix(matrix)
    if frame is not None:
        between = vtk.vtkMatrix4x4()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
            node.GetParentTransformNode(), frame.GetParentTransformNode(), between
        )
        ras = slicer.util.arrayFromVTKMatrix(between) @ ras
    axes, origin = np.diag([-1.0, -1.0, 1.0]) @ ras[:3, :3], ras[:3, 3] * [-1.0, -1.0, 1.0]
    spacing = np.linalg.norm(axes, axis=0)
    if not spacing.all():
        raise RequestError(f"{node.GetName()} has voxels without extent: correct its spacing first.")
    direction = axes / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > SHEAR:
        raise RequestError(f"The axes of {node.GetName()} are not at right angles: resample the volume first.")
    return Grid(
        size=tuple(node.GetImageData().GetDimensions()),
        spacing=tuple(spacing.tolist()),  # type: ignore[arg-type]
        origin=tuple(origin.tolist()),  # type: ignore[arg-type]
        direction=tuple(direction.ravel().tolist()),
    )


def ijk_to_ras(grid: Grid) -> Any:
    """The vtkMatrix4x4 from index coordinates of ``grid`` to RAS."""
    flip = np.diag([-1.0, -1.0, 1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = flip @ grid.axes
    matrix[:3, 3] = flip @ np.asarray(grid.origin)
    return slicer.util.vtkMatrixFromArray(matrix)
