"""A synthetic brain: folded cortex, ventricles, deep grey nuclei, brainstem, cerebellum and lesions.

The anatomy lives in a head of fixed extent in millimetres and is sampled on the voxels asked for. Every
structure is a depth field: millimetres below its surface, positive inside. Structures are painted one over
the other, and the paint fades over one voxel at each surface, which imitates partial volume.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_laplace, map_coordinates

Field = NDArray[np.floating[Any]]  # float32 at run time

HEAD_MM = (160.0, 200.0, 160.0)
"""Extent of the box: left-right, posterior-anterior, inferior-superior. The origin is its centre."""

CORTEX_MM = 3.0
FOLIUM_MM = 1.4
GYRUS_MM = 14.0
"""Typical width of a gyrus: half a wavelength of the folding."""

TISSUES = ("csf", "grey", "white", "deep", "stem", "lesion")
INTENSITIES = {
    "T1w": (160, 500, 800, 600, 740, 620),
    "T2w": (930, 540, 360, 440, 390, 720),
    "FLAIR": (80, 560, 410, 500, 430, 850),
}


def brain_phantom(
    size: Sequence[int] = (128, 160, 128),
    contrast: str = "T1w",
    seed: int = 0,
    noise: float = 0.01,
) -> NDArray[np.float32]:
    """Return a brain-like volume, the same for the same arguments.

    size      voxels along i, j, k, each at least 16; the brain is stretched to the box, whatever its shape
    contrast  "T1w", "T2w" or "FLAIR"
    seed      not negative; chooses the anatomy, which the three contrasts and all sizes share
    noise     standard deviation of the Rician noise as a fraction of the white-matter intensity

    The result is float32, indexed [i, j, k] with i from left to right, j from posterior to anterior and k
    from inferior to superior. The box is 160 x 200 x 160 mm, so the default size has voxels of 1.25 mm.
    Intensities have arbitrary units: never negative, about 0 to 1000, and exactly 0 outside the brain, as if
    it had been extracted.

    Raises ValueError if a size, the contrast, the seed or the noise is not one of those above.
    """
    if len(size) != 3 or any(n != int(n) or n < 16 for n in size):
        raise ValueError(f"size must be three whole numbers of at least 16, not {tuple(size)}")
    if contrast not in INTENSITIES:
        raise ValueError(f"contrast must be one of {', '.join(INTENSITIES)}, not {contrast!r}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a finite number and not negative, not {noise}")
    rng = np.random.default_rng(seed)
    axes = [_axis(int(n), extent) for n, extent in zip(size, HEAD_MM, strict=True)]
    intensity = dict(zip(TISSUES, INTENSITIES[contrast], strict=True))
    softness = float(np.mean(_spacing(axes)))

    image = np.zeros([a.size for a in axes], np.float32)
    for tissue, depth in _layers(axes, rng):
        image += np.clip(depth / softness + 0.5, 0, 1) * (intensity[tissue] - image)

    bias, texture = _random_field(axes, 40, rng), _random_field(axes, 3, rng)
    shaded = image * (1 + 0.025 * bias + 0.008 * texture)
    noise_rng = np.random.default_rng([seed, list(INTENSITIES).index(contrast)])
    noisy = _rician(shaded, noise * intensity["white"], noise_rng)
    return np.where(image > 0, noisy, 0).astype(np.float32)


def _layers(axes: list[Field], rng: np.random.Generator) -> Iterator[tuple[str, Field]]:
    """Yield tissues and their depth in the order in which to paint them."""
    # A gentle bend of space: no two heads, nor the two halves of one, are alike.
    x, y, z = (g + 2 * _random_field(axes, 35, rng) for g in np.meshgrid(*axes, indexing="ij"))
    cerebellum, stem, core, ventricles = (f(x, y, z) for f in (_cerebellum, _brainstem, _core, _ventricles))
    hemispheres = _hemispheres(x, y, z, cerebellum)
    yield "csf", _union(hemispheres, cerebellum, stem) + 1.5

    pial = _fold(hemispheres, axes, rng)
    white = _smooth_max(pial - CORTEX_MM, core, 3)
    yield "grey", pial
    yield "white", white
    yield "stem", stem
    folia = _folia(x, y, z, cerebellum, _random_field(axes, 12, rng))
    yield "grey", folia
    yield "white", folia - FOLIUM_MM
    yield "deep", _nuclei(x, y, z)
    # Where the random field peaks near the ventricles, well inside the white matter.
    blobs = 4 * (_random_field(axes, 4, rng) - 2.3)
    yield "lesion", np.minimum(blobs, np.minimum(white - 2, ventricles + 22))
    yield "csf", ventricles


def _hemispheres(x: Field, y: Field, z: Field, cerebellum: Field) -> Field:
    """The unfolded cerebrum, parted by the interhemispheric and lateral fissures."""
    side = np.abs(x)
    dome = _smooth_min(_ellipsoid(x, y, z, (0, 0, 10), (67, 86, 60)), z + 22 - 0.1 * y, 12)
    temporal = _ellipsoid(side, y, z, (39, 6, -24), (23, 40, 21))
    hull = _smooth_max(dome, temporal, 6)
    interhemispheric = np.hypot(x, np.maximum(_core(0 * x, y, z) + 2, 0)) - 0.8
    beyond = np.maximum(np.maximum(36 - side, np.abs(y - 8) - 32), 0)
    lateral = np.hypot(z + 8 + 0.35 * y, beyond) - 1
    hull = _smooth_min(_smooth_min(hull, interhemispheric, 4), lateral, 4)
    return _smooth_min(hull, -cerebellum - 2.5, 1)


def _fold(hull: Field, axes: list[Field], rng: np.random.Generator) -> Field:
    """Depth below the pial surface: the hull, cut by sulci where a random wave is zero."""
    spacing = _spacing(axes)
    # Looked up near the closest point of the hull, the wave hardly changes with depth: sulci run straight in.
    # The smoothed direction does not jump half-way between two walls.
    inward = np.gradient(gaussian_filter(hull, [6 / s for s in spacing], truncate=2.5), *spacing)
    reach = 0.9 * np.clip(hull, -5, 12)
    wave = _folding_wave([p - reach * n for p, n in zip(np.ix_(*axes), inward, strict=True)], rng)
    slope = _norm(*np.gradient(wave, *spacing))
    # The phase of a wave over its wavenumber is the distance to its zero.
    wavenumber = np.pi / GYRUS_MM
    wall = np.arctan2(wavenumber * np.abs(wave), slope) / wavenumber
    floor = np.clip(16 + 5 * _random_field(axes, 14, rng), 4, 24)
    sulci = np.hypot(wall, np.maximum(hull - floor, 0)) - 0.7
    return _smooth_min(hull, sulci, 4)


def _folding_wave(points: list[Field], rng: np.random.Generator) -> Field:
    """A random wave at two scales, read at points in millimetres; its grid does not depend on the voxels."""
    step = 2.0
    white_noise = rng.standard_normal([round(h / step) for h in HEAD_MM], dtype=np.float32)
    coarse, fine = (gaussian_laplace(white_noise, s * GYRUS_MM / step, mode="wrap") for s in (0.5, 0.29))
    wave = coarse / coarse.std() + 0.4 * fine / fine.std()
    index = [(p + h / 2) / step for p, h in zip(points, HEAD_MM, strict=True)]
    values: Field = map_coordinates(wave, index, output=np.float32, order=1, mode="nearest")
    return values


def _core(x: Field, y: Field, z: Field) -> Field:
    """The white matter that joins the hemispheres; its upper rim is the corpus callosum."""
    return _ellipsoid(x, y, z, (0, 1, 6), (34, 42, 23))


def _ventricles(x: Field, y: Field, z: Field) -> Field:
    side = np.abs(x)
    front = [(8, 34, 8, 4), (6, 20, 15, 5.5), (7.5, -12, 20, 5), (22, -34, 10, 7)]
    temporal = [(22, -34, 10, 7), (30, -24, -10, 4), (34, 2, -22, 2)]
    occipital = [(22, -34, 10, 6), (22, -58, 6, 2)]
    third = _ellipsoid(x, y, z, (0, -1, 4), (2.8, 23, 14))
    fourth = _ellipsoid(x, y, z, (0, -24, -42), (6, 4, 9))
    horns = (_tube(side, y, z, path) for path in (front, temporal, occipital))
    return _union(third, fourth, *horns)


def _nuclei(x: Field, y: Field, z: Field) -> Field:
    side = np.abs(x)
    caudate = _tube(side, y, z, [(14, 24, 8, 5.5), (18, 8, 20, 4), (20, -16, 22, 2.5)])
    putamen = _ellipsoid(side, y, z, (28, 6, 2), (6, 18, 11))
    thalamus = _ellipsoid(side, y, z, (12, -14, 4), (9, 15, 9))
    return _union(caudate, putamen, thalamus)


def _brainstem(x: Field, y: Field, z: Field) -> Field:
    stem = _tube(x, y, z, [(0, -8, -5, 13), (0, -14, -40, 11), (0, -22, -74, 7)])
    pons = _ellipsoid(x, y, z, (0, -6, -36), (17, 13, 14))
    peduncle = _tube(np.abs(x), y, z, [(4, -8, -36, 9), (16, -32, -42, 7)])
    return _smooth_max(_smooth_max(stem, pons, 4), peduncle, 4)


def _cerebellum(x: Field, y: Field, z: Field) -> Field:
    hemisphere = _ellipsoid(np.abs(x), y, z, (20, -47, -43), (32, 30, 23))
    vermis = _ellipsoid(x, y, z, (0, -47, -41), (14, 27, 22))
    return _smooth_max(hemisphere, vermis, 4)


def _folia(x: Field, y: Field, z: Field, cerebellum: Field, wobble: Field) -> Field:
    """The cerebellum, cut by three orders of fissures that fan out from behind the brainstem."""
    radius = np.hypot(y + 18, z + 43)
    angle = np.arctan2(z + 43, -y - 18) + 0.1 * np.sin(np.abs(x) / 9) + 0.1 * wobble
    depth = cerebellum
    for count, floor in ((15, 20), (30, 13), (60, 7)):
        wall = np.abs(np.sin(angle * count / 2)) * 2 / count * radius
        # Fissures end at their floor, and where the fan would crowd them.
        beyond = np.maximum(np.maximum(cerebellum - floor, 0.45 * count - radius), 0)
        depth = np.minimum(depth, np.hypot(wall, beyond) - 0.4)
    return depth


def _ellipsoid(x: Field, y: Field, z: Field, centre: Sequence[float], radii: Sequence[float]) -> Field:
    scaled = [(p - c) / r for p, c, r in zip((x, y, z), centre, radii, strict=True)]
    length = _norm(*scaled)
    slope = _norm(*(s / r for s, r in zip(scaled, radii, strict=True)))
    return (1 - length) * length / np.maximum(slope, 1e-6)


def _tube(x: Field, y: Field, z: Field, path: Sequence[tuple[float, float, float, float]]) -> Field:
    """A chain of round cones through points given as x, y, z and radius."""
    depths = []
    for (ax, ay, az, start), (bx, by, bz, end) in itertools.pairwise(path):
        dx, dy, dz = bx - ax, by - ay, bz - az
        along = ((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / (dx * dx + dy * dy + dz * dz)
        t = np.clip(along, 0, 1)
        away = _norm(x - ax - t * dx, y - ay - t * dy, z - az - t * dz)
        depths.append(start + t * (end - start) - away)
    return _union(*depths)


def _norm(*components: Field) -> Field:
    length: Field = np.sqrt(sum(c * c for c in components))
    return length


def _union(*depths: Field) -> Field:
    depth: Field = functools.reduce(np.maximum, depths)
    return depth


def _smooth_min(a: Field, b: Field, radius: float) -> Field:
    """Intersection of two structures with the edge rounded."""
    overlap = np.maximum(radius - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap / (4 * radius)


def _smooth_max(a: Field, b: Field, radius: float) -> Field:
    """Union of two structures with the crease rounded."""
    return -_smooth_min(-a, -b, radius)


def _random_field(axes: list[Field], scale: float, rng: np.random.Generator) -> Field:
    """A Gaussian random field of unit variance that varies over `scale` millimetres."""
    knots = [np.arange(-h / 2 - 2 * scale, h / 2 + 3 * scale, scale) for h in HEAD_MM]
    bumps = [np.exp(-(((a[:, None] - k) / scale) ** 2)) for a, k in zip(axes, knots, strict=True)]
    i, j, k = ((b / np.linalg.norm(b, axis=1, keepdims=True)).astype(np.float32) for b in bumps)
    weights = rng.standard_normal([len(k) for k in knots], dtype=np.float32)
    field: Field = np.einsum("abc,ia,jb,kc->ijk", weights, i, j, k, optimize=True)
    return field


def _rician(image: Field, sigma: float, rng: np.random.Generator) -> Field:
    real, imaginary = sigma * rng.standard_normal((2, *image.shape), dtype=np.float32)
    return _norm(image + real, imaginary)


def _axis(count: int, extent: float) -> Field:
    """Voxel centres in millimetres."""
    return (((np.arange(count) + 0.5) / count - 0.5) * extent).astype(np.float32)


def _spacing(axes: list[Field]) -> list[float]:
    return [float(a[1] - a[0]) for a in axes]
