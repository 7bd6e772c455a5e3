"""How close a result is to the truth: PSNR, SSIM (by scikit-image), fine detail, edges, and the geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RequestError
from ..image.linear_operators import apply_along_axes, band_limit_matrix
from ..image.volume import Volume, check_image
from .lesion_metrics import structure_errors

SAME_GRID_MM = 1e-3


def evaluate(
    result: Volume,
    truth: Volume,
    mask: Volume | None = None,
    *,
    kept: Sequence[float] | None = None,
    structure: Volume | None = None,
) -> dict[str, Any]:
    """Compare ``result`` with ``truth`` voxel by voxel on the grid of ``truth``, and where it lies.

    What ``voxel_errors`` gives, and

    contrast_error, volume_error  with ``structure`` (see ``structures.structure_errors``)
    geometry_error_mm     largest distance between the outer corners of the two grids
    shift_voxels          length of the shift that brings the result onto the truth best

    Raises RequestError as ``voxel_errors``, and for what ``structure_errors`` refuses.
    """
    if structure:
        _check_grid(structure, truth)
    errors = voxel_errors(result, truth, mask, kept=kept)
    x, y = result.array.astype(np.float64), truth.array.astype(np.float64)
    return {
        **errors,
        **({} if structure is None else structure_errors(x, y, _voxels(structure))),
        "geometry_error_mm": result.grid.distance_to(truth.grid),
        "shift_voxels": shift(x, y),
    }


def voxel_errors(
    result: Volume, truth: Volume, mask: Volume | None = None, *, kept: Sequence[float] | None = None
) -> dict[str, Any]:
    """Compare ``result`` with ``truth`` voxel by voxel on the grid of ``truth``.

    psnr_db               10 log10(range^2 / mean squared error)
    ssim                  mean of the 3D structural similarity with Gaussian weights of sigma 1.5 voxels
                          (Wang et al. 2004)
    ssim_slices           the same of each axial slice by itself, as 2D methods are judged in the papers
    nrmse                 root mean squared error over the range
    gradient_error        root mean square of the difference of the gradients' magnitudes (central differences,
                          per mm) over that of the truth's
    high_frequency_error  with ``kept``, the share of the Fourier line along i, j, k that the input holds (1 over the
                          factor): root mean square of the error above the input's Nyquist limit over that of the
                          truth there. 1 where nothing is restored, above 1 where more is invented than restored
    voxels                how many are compared
    data_range            largest minus smallest value of the truth among them

    With ``mask`` (a number other than zero inside, on the same grid) the errors, the means of SSIM and the
    range are taken inside it; filters and windows reach beyond. Raises RequestError for volumes on other grids, and
    for an empty mask.
    """
    for other in (result, *([mask] if mask else [])):
        _check_grid(other, truth)
    check_image(truth)
    check_image(result)
    check_packages()
    inside = np.ones(truth.grid.size, bool) if mask is None else _voxels(mask)
    if not inside.any():
        raise RequestError(f"the mask {mask.name if mask else ''} is empty: give one that is not zero in the brain")
    x, y = result.array.astype(np.float64), truth.array.astype(np.float64)
    data_range = float(np.ptp(y[inside]))
    if data_range == 0:
        raise RequestError(f"{truth.name} is constant inside the mask: is it the right one?")
    error = _root_mean_square((x - y)[inside])
    gradients = [_gradient_magnitude(array, truth.grid.spacing) for array in (x, y)]
    return {
        "psnr_db": float("inf") if error == 0 else 20 * float(np.log10(data_range / error)),
        "ssim": float(_similarity(x, y, data_range)[inside].mean()),
        "ssim_slices": _similarity_of_slices(x, y, inside, data_range, truth.grid.slice_axis("axial")),
        "nrmse": error / data_range,
        "gradient_error": _share((gradients[0] - gradients[1])[inside], gradients[1][inside]),
        **({} if kept is None else {"high_frequency_error": _high_frequency_error(x, y, inside, kept)}),
        "voxels": int(inside.sum()),
        "data_range": data_range,
    }


def _check_grid(other: Volume, truth: Volume) -> None:
    if other.grid.size != truth.grid.size or other.grid.distance_to(truth.grid) > SAME_GRID_MM:
        raise RequestError(
            f"{other.name} ({_grid_text(other)}) does not lie on the grid of {truth.name} ({_grid_text(truth)}): "
            "upscale to it with --spacing"
        )


def check_packages() -> None:
    """Raise RequestError without scikit-image, which inference does without."""
    try:
        import skimage  # noqa: F401
    except ImportError as missing:
        raise RequestError("evaluation needs scikit-image: pip install 'MRISuperResolution[evaluate]'") from missing


def _voxels(mask: Volume) -> np.ndarray:
    return np.asarray((mask.array != 0) & np.isfinite(mask.array))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _share(error: np.ndarray, truth: np.ndarray) -> float | None:
    """Root mean square of ``error`` over that of ``truth``; None where there is nothing to restore."""
    whole = _root_mean_square(truth)
    return _root_mean_square(error) / whole if whole else None


def _similarity(x: np.ndarray, y: np.ndarray, data_range: float) -> np.ndarray:
    """SSIM at each voxel (or pixel) of two arrays of a size."""
    from skimage.metrics import structural_similarity

    window = min(11, *(n - 1 + n % 2 for n in y.shape))
    _, similarity = structural_similarity(
        x,
        y,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
        win_size=window,
    )
    return np.asarray(similarity)


def _similarity_of_slices(x: np.ndarray, y: np.ndarray, inside: np.ndarray, data_range: float, axis: int) -> float:
    """Mean over the voxels ``inside`` of the SSIM of slices across ``axis``."""
    slices = zip(*(np.moveaxis(array, axis, 0) for array in (x, y, inside)), strict=True)
    values = [_similarity(one, other, data_range)[chosen] for one, other, chosen in slices if chosen.any()]
    return float(np.concatenate(values).mean())


def _gradient_magnitude(array: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    magnitude: np.ndarray = np.sqrt(sum(part**2 for part in np.gradient(array, *spacing)))
    return magnitude


def _high_frequency_error(x: np.ndarray, y: np.ndarray, inside: np.ndarray, kept: Sequence[float]) -> float | None:
    matrices = [
        None if share == 1 else band_limit_matrix(n, n, share) for n, share in zip(y.shape, kept, strict=True)
    ]
    missing = [array - apply_along_axes(matrices, array) for array in (x - y, y)]
    return _share(missing[0][inside], missing[1][inside])


def shift(moved: np.ndarray, fixed: np.ndarray) -> float:
    """Length in voxels of the translation between two arrays [i, j, k], by phase correlation to 1/100 voxel."""
    from skimage.registration import phase_cross_correlation

    found = phase_cross_correlation(fixed, moved, upsample_factor=100, normalization=None)[0]
    return float(np.linalg.norm(found))


def _grid_text(volume: Volume) -> str:
    size, spacing = volume.grid.size, volume.grid.spacing
    return f"{' x '.join(map(str, size))} voxels of {' x '.join(f'{d:.4g}' for d in spacing)} mm"
