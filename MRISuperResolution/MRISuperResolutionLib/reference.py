"""A reference: another contrast of the same subject, at high resolution, put on the grid of the result."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .errors import RequestError
from .files import from_image, to_image
from .grid import Grid
from .intensity import Normalisation
from .volume import Volume

LEAST_OVERLAP = 0.5
"""Share of the target grid that a reference must cover."""


def on_grid(reference: Volume, target: Grid, moving_to: Volume | None = None) -> np.ndarray:
    """``reference``, given on any grid, as float32 [i, j, k] normalised values on ``target`` (cubic spline).

    Voxels of ``target`` outside the reference get its 0.1 percentile. ``moving_to``: the volume that the
    reference is first aligned to (rigidly, by mutual information). Raises
    RequestError where the reference covers less than half of ``target``.
    """
    image = to_image(Volume(reference.array.astype(np.float32), reference.grid))
    try:
        transform = register(image, moving_to) if moving_to is not None else sitk.Transform(3, sitk.sitkIdentity)
    except RuntimeError as error:
        raise RequestError(
            f"cannot align the reference {reference.name}: align it with another tool and leave out --register "
            f"({str(error).splitlines()[-1]})"
        ) from error
    normalisation = Normalisation.of(reference.array)
    covered = _resampled(sitk.Cast(image * 0 + 1, sitk.sitkUInt8), target, transform, sitk.sitkNearestNeighbor, 0.0)
    share = float(covered.array.mean())
    if share < LEAST_OVERLAP:
        raise RequestError(
            f"the reference {reference.name} covers {share:.0%} of the volume: give one of the same head"
            + (", or say --register" if moving_to is None else "")
        )
    resampled = _resampled(image, target, transform, sitk.sitkBSpline, normalisation.low)
    return normalisation.apply(resampled.array)


def register(moving: sitk.Image, fixed: Volume) -> sitk.Transform:
    """Rigid transform from points of ``fixed`` to points of ``moving`` that maximises mutual information."""
    fixed_image = to_image(Volume(fixed.array.astype(np.float32), fixed.grid))
    start = sitk.CenteredTransformInitializer(
        fixed_image, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
    method.SetMetricSamplingStrategy(method.REGULAR)
    # with a seed of its own, the same input gives the same result
    method.SetMetricSamplingPercentage(0.1, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(learningRate=1.0, minStep=1e-4, numberOfIterations=200)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed_image, moving)


def _resampled(image: sitk.Image, target: Grid, transform: sitk.Transform, how: int, outside: float) -> Volume:
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(target.size)
    resampler.SetOutputSpacing(target.spacing)
    resampler.SetOutputOrigin(target.origin)
    resampler.SetOutputDirection(target.direction)
    resampler.SetTransform(transform)
    resampler.SetInterpolator(how)
    resampler.SetDefaultPixelValue(outside)
    return from_image(resampler.Execute(image))
