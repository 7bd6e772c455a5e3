"""What makes one scan many: turning, bending, smoothing and brightening of the truth before it is degraded.

Images are float32 (channels, *space): the truth, then its references, which are moved as one.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from ...image.linear_operators import resample

BRIGHT_PERCENTILE = 99.5

LEAST_BRIGHT = 0.1
"""Bright end below which an image is taken for background, and not scaled up any further."""


Turn = tuple[tuple[int, ...], tuple[int, ...]]
"""The order of the axes, and for each the step of 1 or -1 along it."""


def draw_turn(axes: int, rng: np.random.Generator) -> Turn:
    """A random way to put a cube's ``axes`` in order, each flipped or not.

    A square has 8 such ways, a cube 48. Du & He (section 4.2) count 16 for slices: each of four flips (none,
    one axis, the other, both) followed by each of four rotations gives every one of the 8 twice. Drawn at
    random, the two are the same.
    """
    return tuple(rng.permutation(axes).tolist()), tuple(rng.choice((-1, 1), axes).tolist())


def turned(images: np.ndarray, turn: Turn) -> np.ndarray:
    """The images turned and flipped."""
    order, steps = turn
    flips = (slice(None, None, step) for step in steps)
    return np.ascontiguousarray(images.transpose(0, *(1 + axis for axis in order))[:, *flips])


def bent(images: np.ndarray, amplitude: float, width: float, rng: np.random.Generator) -> np.ndarray:
    """Slices (channels, height, width), elastically deformed (Du & He, section 4.2, after U-Net).

    Displacements of standard deviation ``amplitude`` are drawn on points about ``width`` apart, and joined by
    a cubic spline; both in voxels. The images are sampled there by cubic splines, mirrored at the edges.
    """
    shape = images.shape[1:]
    points = [max(2, round(n / width)) for n in shape]
    places = np.indices(shape) + resample(rng.normal(0, amplitude, (2, *points)), shape)
    return np.stack([map_coordinates(image, places, order=3, mode="reflect") for image in images])


def smoothed(image: np.ndarray, largest: float, rng: np.random.Generator) -> np.ndarray:
    """One image, blurred along each axis by a Gaussian of a sigma of up to ``largest`` voxels."""
    smooth: np.ndarray = gaussian_filter(image, rng.uniform(0, largest, image.ndim), mode="reflect")
    return smooth


def brightened(images: np.ndarray, lowest: float, rng: np.random.Generator) -> np.ndarray:
    """The images, each scaled so that its bright end lies anywhere from ``lowest`` to 1."""
    # an eighth of a volume's voxels tells its percentiles as well
    some = images[:, *[slice(None, None, 2)] * (images.ndim - 1)].reshape(len(images), -1)
    bright = np.maximum(LEAST_BRIGHT, np.percentile(some, BRIGHT_PERCENTILE, axis=1))
    scale = (rng.uniform(lowest, 1.0, len(images)) / bright).astype(np.float32)
    return images * scale.reshape(-1, *[1] * (images.ndim - 1))
