"""How close a result is to the truth: PSNR, SSIM and NRMSE through scikit-image, and the geometry."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import RequestError
from .volume import Volume, check_image

SAME_GRID_MM = 1e-3


def evaluate(result: Volume, truth: Volume, mask: Volume | None = None) -> dict[str, Any]:
    """Compare ``result`` with ``truth`` voxel by voxel on the grid of ``truth``.

    psnr_db            10 log10(range^2 / mean squared error)
    ssim               mean of the 3D structural similarity with Gaussian weights of sigma 1.5 voxels
                       (Wang et al. 2004), computed on the whole volume
    nrmse              root mean squared error over the range
    geometry_error_mm  largest distance between the outer corners of the two grids
    shift_voxels       length of the shift that brings the result onto the truth best
    voxels             how many are compared
    data_range         largest minus smallest value of the truth among them

    With ``mask`` (a number other than zero inside, on the same grid) the errors, the mean of SSIM and the
    range are taken inside it. Raises RequestError for volumes on other grids and for an empty mask.
    """
    for other in (result, *([mask] if mask else [])):
        if other.grid.size != truth.grid.size or other.grid.distance_to(truth.grid) > SAME_GRID_MM:
            raise RequestError(
                f"{other.name} ({_grid_text(other)}) does not lie on the grid of {truth.name} ({_grid_text(truth)}): "
                "upscale to it with --spacing"
            )
    check_image(truth)
    check_image(result)
    try:
        from skimage.metrics import structural_similarity
    except ImportError as missing:
        raise RequestError("evaluation needs scikit-image: pip install 'MRISuperResolution[evaluate]'") from missing
    inside = np.ones(truth.grid.size, bool) if mask is None else (mask.array != 0) & np.isfinite(mask.array)
    if not inside.any():
        raise RequestError(f"the mask {mask.name if mask else ''} is empty: give one that is not zero in the brain")
    x, y = result.array.astype(np.float64), truth.array.astype(np.float64)
    data_range = float(np.ptp(y[inside]))
    if data_range == 0:
        raise RequestError(f"{truth.name} is constant inside the mask: is it the right one?")
    error = float(np.sqrt(np.mean((x[inside] - y[inside]) ** 2)))
    _, similarity = structural_similarity(
        x,
        y,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
        win_size=min(11, *(n - 1 + n % 2 for n in truth.grid.size)),
    )
    return {
        "psnr_db": float("inf") if error == 0 else 20 * float(np.log10(data_range / error)),
        "ssim": float(similarity[inside].mean()),
        "nrmse": error / data_range,
        "geometry_error_mm": result.grid.distance_to(truth.grid),
        "shift_voxels": shift(x, y),
        "voxels": int(inside.sum()),
        "data_range": data_range,
    }


def shift(moved: np.ndarray, fixed: np.ndarray) -> float:
    """Length in voxels of the translation between two arrays [i, j, k], by phase correlation to 1/100 voxel."""
    from skimage.registration import phase_cross_correlation

    found = phase_cross_correlation(fixed, moved, upsample_factor=100, normalization=None)[0]
    return float(np.linalg.norm(found))


def _grid_text(volume: Volume) -> str:
    size, spacing = volume.grid.size, volume.grid.spacing
    return f"{' x '.join(map(str, size))} voxels of {' x '.join(f'{d:.4g}' for d in spacing)} mm"
