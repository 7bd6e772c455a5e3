"""Metrics against values known by construction."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from MRISuperResolutionLib import Grid, RequestError, Volume, evaluate
from MRISuperResolutionLib.evaluation.metrics import shift
from MRISuperResolutionLib.image.linear_operators import apply_along_axes, band_limit_matrix
from MRISuperResolutionLib.image.phantom import brain_phantom

GRID = Grid((32, 30, 28), (1.0, 1.0, 2.0))


@pytest.fixture(scope="module")
def truth():
    return Volume(brain_phantom(GRID.size), GRID, name="truth")


def test_a_known_error_gives_a_known_psnr_and_nrmse(truth):
    step = np.where(np.indices(GRID.size).sum(axis=0) % 2, 5.0, -5.0)
    found = evaluate(Volume(truth.array + step, GRID), truth)
    data_range = np.ptp(truth.array)
    assert found["psnr_db"] == pytest.approx(20 * np.log10(data_range / 5), abs=1e-4)
    assert found["nrmse"] == pytest.approx(5 / data_range, rel=1e-4)
    assert found["data_range"] == pytest.approx(data_range)
    assert found["voxels"] == truth.array.size
    expected = peak_signal_noise_ratio(truth.array, truth.array + step, data_range=data_range)
    assert found["psnr_db"] == pytest.approx(expected, abs=1e-3)


def test_a_mask_leaves_out_what_lies_outside(truth):
    mask = np.zeros(GRID.size, np.uint8)
    mask[8:24, 8:24, 8:20] = 1
    spoiled = np.where(mask, truth.array, 999)
    found = evaluate(Volume(spoiled, GRID), truth, Volume(mask, GRID))
    assert found["nrmse"] == 0
    assert found["voxels"] == mask.sum()
    assert found["data_range"] == pytest.approx(np.ptp(truth.array[mask > 0]))
    assert evaluate(Volume(spoiled, GRID), truth)["psnr_db"] < 20


def test_ssim_is_1_for_the_same_and_falls_with_noise(truth):
    noise = np.random.default_rng(0).standard_normal(GRID.size)
    values = [evaluate(Volume(truth.array + level * noise, GRID), truth)["ssim"] for level in (0, 20, 80)]
    assert values[0] == pytest.approx(1)
    assert values[0] > values[1] > values[2]


def test_ssim_of_slices_is_that_of_axial_ones(truth):
    y = truth.array.astype(float)
    x = y + 40 * np.random.default_rng(0).standard_normal(y.shape)
    expected = np.mean(
        [
            structural_similarity(
                x[..., k],
                y[..., k],
                data_range=np.ptp(y),
                gaussian_weights=True,
                use_sample_covariance=False,
                full=True,
            )[1].mean()
            for k in range(y.shape[2])
        ]
    )
    assert evaluate(Volume(x, GRID), truth)["ssim_slices"] == pytest.approx(expected, abs=1e-3)


def test_detail_above_nyquist_is_none_of_what_was_kept_and_all_of_what_was_not(truth):
    kept = (0.5, 0.5, 1)
    low = apply_along_axes([band_limit_matrix(32, 32, 0.5), band_limit_matrix(30, 30, 0.5), None], truth.array)

    def error(array):
        return evaluate(Volume(array, GRID), truth, kept=kept)["high_frequency_error"]

    assert error(low) == pytest.approx(1)
    assert error(truth.array) == 0
    assert error((low + truth.array) / 2) == pytest.approx(0.5)
    # an error that the input could have held is another matter
    smooth = 10 * np.cos(2 * np.pi * np.arange(32) / 32)[:, None, None]
    assert error(truth.array + smooth) == pytest.approx(0, abs=1e-6)
    assert evaluate(truth, truth, kept=(1, 1, 1))["high_frequency_error"] is None
    assert "high_frequency_error" not in evaluate(truth, truth)


def test_the_gradient_is_per_mm(truth):
    assert evaluate(Volume(1.5 * truth.array, GRID), truth)["gradient_error"] == pytest.approx(0.5)
    ramp = np.indices(GRID.size)[2].astype(float)
    steeper = ramp + np.indices(GRID.size)[0]
    # 1/2 per mm along k; with 1 per mm along i added its length is sqrt(5)/2
    found = evaluate(Volume(steeper, GRID), Volume(ramp, GRID))["gradient_error"]
    assert found == pytest.approx(np.sqrt(5) - 1)


def test_a_structure_loses_contrast_and_volume():
    array = np.full((24, 24, 24), 100.0)
    structure = np.zeros(array.shape, bool)
    structure[8:14, 8:14, 8:14] = True
    truth = np.where(structure, 60.0, array)
    array[0, 0, 0] = truth[0, 0, 0] = 0
    shrunk = array.copy()
    shrunk[8:14, 8:14, 8:11] = 60

    def errors(result):
        found = evaluate(
            *(Volume(a, Grid(a.shape)) for a in (result, truth)), structure=Volume(structure, Grid(array.shape))
        )
        return found["contrast_error"], found["volume_error"]

    assert errors(truth) == (0, 0)
    assert errors(array) == (-1, -1)
    assert errors(0.7 * truth + 0.3 * array) == pytest.approx((-0.3, 0), abs=1e-9)
    assert errors(shrunk) == pytest.approx((-0.5, -0.5))
    grown = truth.copy()
    grown[8:14, 8:14, 14] = 60
    assert errors(grown)[1] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("structure", "words"), [(np.s_[:0], "empty"), (np.s_[:], "fills"), (np.s_[2:6, 2:6, 2:6], "as bright")]
)
def test_a_structure_that_cannot_be_measured_is_refused(structure, words):
    array = np.full((16, 16, 16), 5.0)
    array[12:] = 9
    mask = np.zeros(array.shape, np.uint8)
    mask[structure] = 1
    truth = Volume(array, Grid(array.shape))
    with pytest.raises(RequestError, match=words):
        evaluate(truth, truth, structure=Volume(mask, truth.grid))


def test_a_shift_is_found(truth):
    moved = np.roll(truth.array, 2, axis=1)
    assert shift(moved, truth.array) == pytest.approx(2, abs=0.02)
    assert shift(truth.array, truth.array) == 0


@pytest.mark.parametrize("other", [Grid((32, 30, 27), (1.0, 1.0, 2.0)), Grid(GRID.size, GRID.spacing, (0.01, 0, 0))])
def test_other_grids_are_refused(truth, other):
    with pytest.raises(RequestError, match="grid"):
        evaluate(Volume(np.zeros(other.size), other, name="result"), truth)


def test_a_grid_that_differs_by_rounding_is_the_same(truth):
    near = Grid(GRID.size, GRID.spacing, (1e-5, 0, 0))
    assert evaluate(Volume(truth.array, near), truth)["geometry_error_mm"] == pytest.approx(1e-5)


def test_an_empty_mask_is_refused(truth):
    with pytest.raises(RequestError, match="mask"):
        evaluate(truth, truth, Volume(np.zeros(GRID.size), GRID, name="mask.nii"))
