"""Metrics against values known by construction."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from MRISuperResolutionLib import Grid, RequestError, Volume, evaluate
from MRISuperResolutionLib.metrics import shift
from MRISuperResolutionLib.phantom import brain_phantom

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
