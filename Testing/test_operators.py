"""The matrices against scipy, against closed forms, and numpy against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from volumes import IDENTITY, LEFT_HANDED, OBLIQUE, centred_grid, world_of

from MRISuperResolutionLib.image.linear_operators import (
    apply_along_axes,
    band_limit_matrix,
    gaussian_matrix,
    resample,
    spline_matrix,
    spline_weights,
)

SIZES = [
    pytest.param((7, 10, 12), (14, 30, 48), id="whole factors"),
    pytest.param((7, 10, 12), (16, 10, 29), id="broken factors and an axis left alone"),
    pytest.param((16, 11, 12), (5, 11, 6), id="coarser"),
    pytest.param((3, 2, 9), (8, 5, 4), id="tiny"),
]


def noise(size):
    return np.random.default_rng(0).standard_normal(size)


def cosine(frequency, n):
    """``frequency`` periods over a line of ``n`` cells, at the cell centres."""
    return np.cos(2 * np.pi * frequency * (np.arange(n) + 0.5) / n)


def test_no_weight_is_too_small_for_a_normal_float32():
    """Products with such take ten times as long."""
    weights = np.abs(spline_matrix(300, 200).astype(np.float32))
    assert weights[weights > 0].min() > np.finfo(np.float32).tiny
    assert (weights == 0).mean() > 0.5


@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_resampling_equals_scipy_zoom(size, wanted):
    array = noise(size)
    factors = np.divide(wanted, size)
    expected = ndimage.zoom(array, factors, order=3, mode="grid-mirror", grid_mode=True)
    np.testing.assert_allclose(resample(array, wanted), expected, rtol=0, atol=1e-10)


def test_spline_at_any_coordinates_equals_scipy():
    line = noise(17)
    coordinates = np.array([-0.5, 0, 3.25, 8, 11.9, 16, 16.5])
    expected = ndimage.map_coordinates(line, coordinates[None], order=3, mode="reflect")
    np.testing.assert_allclose(spline_weights(coordinates, 17) @ line, expected, atol=1e-10)


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(*[st.floats(1, 2.5)] * 3),
    st.tuples(*[st.integers(24, 29)] * 3),
    st.sampled_from((IDENTITY, OBLIQUE, LEFT_HANDED)),
)
def test_a_ramp_in_the_world_stays_that_ramp(factors, size, direction):
    grid = centred_grid(size, (1.0, 0.7, 2.0), direction)
    fine = grid.refined(factors)
    slope = np.array([3.0, -2.0, 1.0])
    result = resample(world_of(grid) @ slope, fine.size)
    # the mirror at the faces breaks the ramp; ten voxels inside nothing is left of it
    index = grid.to_index(world_of(fine))
    interior = ((index >= 10) & (index <= np.array(size) - 11)).all(axis=-1)
    assert interior.any()
    np.testing.assert_allclose(result[interior], (world_of(fine) @ slope)[interior], rtol=0, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
@pytest.mark.parametrize("radius", [None, 1, 3])
def test_blur_equals_scipy(sigma, radius):
    array = noise((6, 15, 4))
    expected = ndimage.gaussian_filter1d(array, sigma, axis=1, mode="reflect", radius=radius)
    np.testing.assert_allclose(apply_along_axes([None, gaussian_matrix(15, sigma, radius), None], array), expected)


@pytest.mark.parametrize("n", [31, 32])
def test_band_limit_keeps_low_and_removes_high_frequencies(n):
    matrix = band_limit_matrix(n, n, 0.5)
    np.testing.assert_allclose(matrix @ cosine(5, n), cosine(5, n), atol=1e-12)
    np.testing.assert_allclose(matrix @ cosine(11, n), 0, atol=1e-12)
    np.testing.assert_allclose(band_limit_matrix(n, n, 1.0), np.eye(n), atol=1e-12)


@pytest.mark.parametrize(("n", "cropped"), [(32, 16), (31, 12), (45, 30)])
def test_cropped_band_limit_samples_at_the_cell_centres(n, cropped):
    matrix = band_limit_matrix(n, cropped, cropped / n)
    assert matrix.shape == (cropped, n)
    np.testing.assert_allclose(matrix @ cosine(3, n), cosine(3, cropped), atol=1e-12)
    np.testing.assert_allclose(matrix @ cosine(cropped // 2 + 1, n), 0, atol=1e-12)


@pytest.mark.parametrize("matrix", [spline_matrix(9, 22), spline_matrix(9, 4), gaussian_matrix(9, 1.0, 1)])
def test_a_constant_stays_constant(matrix):
    np.testing.assert_allclose(matrix @ np.full(9, 3.5), 3.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_agree(dtype):
    array = noise((2, 3, 7, 10, 12)).astype(dtype)
    size = (15, 10, 31)
    expected, found = resample(array, size), resample(torch.from_numpy(array), size)
    assert expected.shape == found.shape == (2, 3, *size)
    assert expected.dtype == found.numpy().dtype == np.dtype(dtype)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(expected[1, 2], resample(array[1, 2], size))
