"""A reference: another contrast of the same subject, at high resolution, put on the grid of the result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import SimpleITK as sitk

from ..errors import RequestError
from ..image.grid import Grid
from ..image.intensity import Normalisation
from ..image.volume import Volume
from ..io import from_image, to_image
from ..io.sitk import reason

LEAST_OVERLAP = 0.5
"""Share of the target grid that a reference must cover."""

LEAST_INFORMATION = 0.1
"""Mutual information (nats) of images of anything alike; two contrasts of a head share 0.5 and more."""

SHRINK_FACTORS, SMOOTHING_MM = (4, 2, 1), (2, 1, 0)
"""A registration's levels, from coarse to fine."""

ITERATIONS = 200
"""At most, on each level."""

LOOK_S = 0.2
"""How often a registration under way is looked after."""


def on_grid(
    reference: Volume,
    target: Grid,
    moving_to: Volume | None = None,
    report: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """``reference``, given on any grid, as float32 [i, j, k] normalised values on ``target`` (cubic spline).

    Voxels of ``target`` outside the reference get its 0.1 percentile. ``moving_to``: the volume that the
    reference is first aligned to (rigidly, by mutual information); ``report`` is called with the share of the
    alignment that is done, and may raise to cancel. Raises RequestError where the reference covers less than
    half of ``target``.
    """
    image = to_image(Volume(reference.array.astype(np.float32), reference.grid))
    try:
        transform = register(image, moving_to, report) if moving_to else sitk.Transform(3, sitk.sitkIdentity)
    except RuntimeError as error:
        raise RequestError(
            f"cannot align the reference {reference.name}: give one of the same head, or align it with another "
            f"tool and do not register it here ({reason(error)})"
        ) from error
    normalisation = Normalisation.of(reference.array)
    covered = _resampled(sitk.Cast(image * 0 + 1, sitk.sitkUInt8), target, transform, sitk.sitkNearestNeighbor, 0.0)
    share = float(covered.array.mean())
    if share < LEAST_OVERLAP:
        raise RequestError(
            f"the reference {reference.name} covers {share:.0%} of the volume: give one of the same head"
            + (", or register it first (--register)" if moving_to is None else "")
        )
    resampled = _resampled(image, target, transform, sitk.sitkBSpline, normalisation.low)
    return normalisation.apply(resampled.array)


def register(
    moving: sitk.Image, fixed: Volume, report: Callable[[float], None] = lambda fraction: None
) -> sitk.Transform:
    """Rigid transform from points of ``fixed`` to points of ``moving`` that maximises mutual information.

    ``report`` is called with the share that is done, and may raise to cancel. Raises RuntimeError for images
    that do not overlap when their centres meet, and for images that have nothing in common.
    """
    report(0.0)
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
    method.SetOptimizerAsRegularStepGradientDescent(learningRate=1.0, minStep=1e-4, numberOfIterations=ITERATIONS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK_FACTORS)
    method.SetSmoothingSigmasPerLevel(SMOOTHING_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    transform = _executed(method, fixed_image, moving, report)
    if -method.GetMetricValue() < LEAST_INFORMATION:
        raise RuntimeError("it has nothing in common with the volume")
    return transform


def _executed(
    method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image, report: Callable[[float], None]
) -> sitk.Transform:
    """Result of the registration, which runs in a thread of its own.

    So the main thread sees a signal at once. One that it saw inside a callback of ITK would be lost: ITK prints
    what is raised there, and raises an error of its own.
    """
    stop, done = threading.Event(), 0.0

    def follow() -> None:
        nonlocal done
        done = (method.GetCurrentLevel() + method.GetOptimizerIteration() / ITERATIONS) / len(SHRINK_FACTORS)
        if stop.is_set():
            # ends this level; the next one comes here too
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, follow)
    beside = ThreadPoolExecutor(max_workers=1)
    try:
        work = beside.submit(method.Execute, fixed, moving)
        while wait([work], timeout=LOOK_S).not_done:
            report(done)
        return work.result()
    finally:
        stop.set()
        # ITK prepares all levels that are left, which may take seconds
        beside.shutdown(wait=False)


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
