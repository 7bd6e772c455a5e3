"""The methods side by side, as in the papers: a slice, a region of it, and the difference from the truth."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..image.volume import Volume
from ..models.card import SPLINE
from .case import Case
from .figures import DIFFERENCE_SHARE, empty_figure, repeated, show, upright
from .score import Score, shown

COLUMNS = 6
"""Pictures beside each other; more go below."""

REGION_SHARE = 0.3
"""Side of the region over that of the slice."""

Region = tuple[slice, slice]


def draw(case: Case, scores: Sequence[Score]) -> bytes:
    """A PNG of the middle slice of ``case``: the truth, the input, then each score that has a picture.

    Under each slice the region in which the spline errs most, and the difference from the truth, all in the truth's
    contrast. Raises RequestError without matplotlib.
    """
    high, low = case.pair()
    truth = shown(case, high)
    source = Volume(repeated(low.array, high.grid.size), high.grid)
    pictures = {"truth": truth, "input": shown(case, source)}
    pictures |= {_title(score): score.picture for score in scores if score.picture.shape == truth.shape}
    spline = next((score.picture for score in scores if score.method == SPLINE), truth)
    region = _region(np.abs(spline - truth))
    bands = -(-len(pictures) // COLUMNS)
    figure = empty_figure(2.5 * COLUMNS, 8.4 * bands, facecolor="black")
    title = f"{case.truth.subject} {case.label}; third row: difference from the truth, ±{DIFFERENCE_SHARE:.0%}"
    figure.suptitle(title, color="white")
    axes = figure.subplots(3 * bands, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    bottom, top = (float(x) for x in np.percentile(truth, (0.5, 99.8)))
    gray = {"cmap": "gray", "vmin": bottom, "vmax": top}
    reach = DIFFERENCE_SHARE * (top - bottom)
    signed = {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}
    aspect = _aspect(high, case)
    for number, (name, picture) in enumerate(pictures.items()):
        band, column = divmod(number, COLUMNS)
        whole, part, difference = axes[3 * band : 3 * band + 3, column]
        show(whole, upright(_framed(picture, region, top)), name, aspect, **gray)
        show(part, upright(picture[region]), "", aspect, **gray)
        show(difference, upright(picture - truth), "", aspect, **signed)
    content = io.BytesIO()
    figure.savefig(content, dpi=100)
    return content.getvalue()


def _title(score: Score) -> str:
    return f"{score.method}\n{score.psnr_db:.2f} dB, {score.ssim:.4f}"


def _region(error: np.ndarray) -> Region:
    """Where, of all windows of ``REGION_SHARE``, the mean of ``error`` is largest."""
    size = [max(1, round(n * REGION_SHARE)) for n in error.shape]
    mean = ndimage.uniform_filter(error, size, mode="constant")
    middle = np.unravel_index(int(mean.argmax()), mean.shape)
    a, b = (int(np.clip(m - n // 2, 0, whole - n)) for m, n, whole in zip(middle, size, error.shape, strict=True))
    return slice(a, a + size[0]), slice(b, b + size[1])


def _framed(picture: np.ndarray, region: Region, value: float) -> np.ndarray:
    """A copy of ``picture`` with a line of ``value`` around ``region``."""
    framed = picture.copy()
    framed[region] = value
    framed[region][1:-1, 1:-1] = picture[region][1:-1, 1:-1]
    return framed


def _aspect(high: Volume, case: Case) -> float:
    """Height over width of a pixel of the slice that is shown."""
    axis = high.grid.slice_axis(case.plane or "axial")
    across, up = (d for a, d in enumerate(high.grid.spacing) if a != axis)
    return up / across
