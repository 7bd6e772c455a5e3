"""The acquisition model against a plain reference made of scipy's filters."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from volumes import OBLIQUE

from MRISuperResolutionLib.acquisition import Acquisition
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid

FACTORS = [(2, 2, 2), (1, 1, 4), (2.5, 1, 3), (1.3, 3.7, 1)]
SIZE = (18, 21, 16)


def high_volume(size=SIZE):
    return np.random.default_rng(1).uniform(0, 1000, size)


def seen_by(high, factors, blur):
    """``blur(line axis, LR voxel)`` along the axes that are sampled, then the values at the cell centres."""
    coordinates = []
    for axis, (n, factor) in enumerate(zip(high.shape, factors, strict=True)):
        low_n = n if factor == 1 else math.floor(n / factor + 0.5)
        s = n / low_n
        if factor > 1:
            high = blur(high, axis, s)
        coordinates.append((np.arange(low_n) + 0.5) * s - 0.5)
    return ndimage.map_coordinates(high, np.meshgrid(*coordinates, indexing="ij"), order=3, mode="reflect")


def gaussian(sigma):
    return lambda array, axis, _: ndimage.gaussian_filter1d(array, sigma, axis, mode="reflect")


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("sigma", [1.0, 0.6])
def test_blur_and_sampling_equal_scipy(factors, sigma):
    high = high_volume()
    expected = seen_by(high, factors, gaussian(sigma))
    acquisition = Acquisition(factors, sigma=sigma)
    np.testing.assert_allclose(acquisition.apply(high), expected, atol=1e-8)
    assert acquisition.grid(Grid(SIZE)).size == expected.shape


@pytest.mark.parametrize("factors", FACTORS)
def test_a_thick_slice_is_as_wide_as_the_low_resolution_voxel(factors):
    high = high_volume()

    def slice_profile(array, axis, voxel):
        sigma = voxel / math.sqrt(8 * math.log(2))  # full width at half maximum: one voxel
        return ndimage.gaussian_filter1d(array, sigma, axis, mode="reflect")

    expected = seen_by(high, factors, slice_profile)
    np.testing.assert_allclose(Acquisition(factors, blur="thickness").apply(high), expected, atol=1e-8)


def test_a_radius_of_one_is_a_kernel_of_three_taps():
    high = high_volume()
    taps = np.array([math.exp(-0.5), 1, math.exp(-0.5)])

    def three_taps(array, axis, _):
        return ndimage.convolve1d(array, taps / taps.sum(), axis, mode="reflect")

    expected = seen_by(high, (2, 2, 1), three_taps)
    np.testing.assert_allclose(Acquisition((2, 2, 1), radius=1).apply(high), expected, atol=1e-8)


def test_without_blur_only_samples_are_taken():
    high = high_volume()
    expected = seen_by(high, (3, 1, 2), lambda array, *_: array)
    np.testing.assert_allclose(Acquisition((3, 1, 2), blur="none").apply(high), expected, atol=1e-8)


@pytest.mark.parametrize("blur", ["fixed", "thickness"])
def test_axes_of_factor_one_are_untouched(blur):
    high = high_volume()
    np.testing.assert_array_equal(Acquisition((1, 1, 1), blur=blur).apply(high), high)
    # an impulse stays in its line along the axis that is sampled
    impulse = np.zeros(SIZE)
    impulse[8, 9, 7] = 1
    low = Acquisition((1, 1, 2), blur=blur).apply(impulse)
    assert low[8, 9].max() > 0.1
    low[8, 9] = 0
    np.testing.assert_array_equal(low, 0)


def test_kspace_keeps_the_centre_of_the_spectrum_and_the_size():
    high = high_volume((20, 21, 16))
    spectrum = np.fft.fftn(high)
    for axis, kept in enumerate((0.32, 0.5)):
        frequency = np.abs(np.fft.fftfreq(high.shape[axis]))  # cycles per voxel, up to 1/2
        outside = frequency > kept / 2
        spectrum[(slice(None),) * axis + (outside,)] = 0
    low = Acquisition((1, 1, 1), kspace=(0.32, 0.5, 1)).apply(high)
    np.testing.assert_allclose(low, np.fft.ifftn(spectrum).real, atol=1e-8)


def test_kspace_comes_before_blur_and_sampling():
    high = high_volume()
    limited = Acquisition((1, 1, 1), kspace=(1, 0.5, 0.5)).apply(high)
    both = Acquisition((1, 2, 1), kspace=(1, 0.5, 0.5)).apply(high)
    np.testing.assert_allclose(both, Acquisition((1, 2, 1)).apply(limited), atol=1e-8)


def test_cells_keep_the_box():
    high = Grid(SIZE, (1.0, 0.7, 1.2), (5.0, -40.0, 12.0), OBLIQUE)
    assert Acquisition((2.5, 1, 3)).grid(high).distance_to(high) < 1e-6


@pytest.mark.parametrize("factors", FACTORS)
def test_corner_samples_lie_at_multiples_of_the_factor(factors):
    high = Grid(SIZE, (1.0, 0.7, 1.2), (5.0, -40.0, 12.0), OBLIQUE)
    acquisition = Acquisition(factors, blur="none", sampling="corners")
    low = acquisition.grid(high)
    m = np.moveaxis(np.indices(low.size), 0, -1)
    np.testing.assert_allclose(low.to_world(m), high.to_world(m * factors), atol=1e-9)
    assert np.all((np.array(low.size) - 1) * factors <= np.array(high.size) - 1)
    assert np.all(np.array(low.size) * factors > np.array(high.size) - 1)
    assert acquisition.apply(high_volume()).shape == low.size


def test_corner_samples_are_every_second_voxel():
    high = high_volume()
    low = Acquisition((2, 1, 3), blur="none", sampling="corners").apply(high)
    np.testing.assert_allclose(low, high[::2, :, ::3], atol=1e-9)


# --- noise

NOISY_SIZE = (40, 40, 40)
LEVEL = 0.05


def bright_corner():
    """A bright block in a large empty background."""
    high = np.zeros(NOISY_SIZE, np.float32)
    high[:10, :10, :10] = 1000
    return high


def noisy(noise, seed=0, **settings):
    acquisition = Acquisition((1, 1, 2), noise=noise, noise_level=LEVEL, **settings)
    return acquisition.apply(bright_corner(), np.random.default_rng(seed))


def noisy_in_torch(noise, seed=0):
    acquisition = Acquisition((1, 1, 2), noise=noise, noise_level=LEVEL)
    return acquisition.apply_torch(torch.from_numpy(bright_corner()), torch.Generator().manual_seed(seed)).numpy()


def clean():
    return Acquisition((1, 1, 2)).apply(bright_corner())


@pytest.mark.parametrize("scan", [noisy, noisy_in_torch])
def test_gaussian_noise_has_the_level_asked_for(scan):
    noise = scan("gaussian") - clean()
    sigma = LEVEL * np.ptp(clean())
    assert noise.std() == pytest.approx(sigma, rel=0.02)
    assert abs(noise.mean()) < 0.03 * sigma


@pytest.mark.parametrize("scan", [noisy, noisy_in_torch])
def test_rician_noise_is_rayleigh_in_the_background_and_gaussian_in_the_signal(scan):
    low = scan("rician")
    sigma = LEVEL * np.ptp(clean())
    background, block = low[15:, 15:, 10:], (low - clean())[:9, :9, :4]
    assert low.min() >= 0
    assert background.mean() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.02)
    assert background.std() == pytest.approx(sigma * math.sqrt(2 - math.pi / 2), rel=0.03)
    assert block.std() == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("scan", [noisy, noisy_in_torch])
@pytest.mark.parametrize("noise", ["gaussian", "rician"])
def test_noise_repeats_with_its_seed_only(scan, noise):
    np.testing.assert_array_equal(scan(noise, 7), scan(noise, 7))
    assert np.abs(scan(noise, 7) - scan(noise, 8)).max() > 1


@pytest.mark.parametrize("noise", ["none", "gaussian", "rician"])
def test_float32_stays_float32(noise):
    acquisition = Acquisition((2, 1, 1), noise=noise, noise_level=0.0 if noise == "none" else LEVEL)
    high = bright_corner()
    assert acquisition.apply(high, np.random.default_rng(0)).dtype == np.float32
    assert acquisition.apply_torch(torch.from_numpy(high)).dtype == torch.float32


# --- torch

TORCH_SETTINGS = [
    Acquisition((2, 1.5, 1)),
    Acquisition((2.5, 1, 3), blur="thickness", kspace=(0.5, 1, 1)),
    Acquisition((2, 2, 1), radius=1, sampling="corners"),
]


@pytest.mark.parametrize("acquisition", TORCH_SETTINGS)
def test_torch_equals_numpy_and_takes_batches(acquisition):
    high = np.stack([high_volume(), high_volume()[::-1]])
    low = acquisition.apply_torch(torch.from_numpy(high)).numpy()
    for one_high, one_low in zip(high, low, strict=True):
        np.testing.assert_allclose(one_low, acquisition.apply(one_high), atol=1e-8)


@pytest.mark.parametrize("acquisition", TORCH_SETTINGS)
def test_the_gradient_is_the_adjoint(acquisition):
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(SIZE, dtype=torch.float64, generator=generator) for _ in range(2))
    low = acquisition.apply_torch(x.requires_grad_())
    w = torch.randn(low.shape, dtype=torch.float64, generator=generator)
    (adjoint_w,) = torch.autograd.grad((low * w).sum(), x)
    forward = float((acquisition.apply_torch(other) * w).sum())
    assert forward == pytest.approx(float((other * adjoint_w).sum()), rel=1e-9)


# --- settings


@pytest.mark.parametrize(
    "bad",
    [
        *({"factors": (1, f, 1)} for f in (0, 0.5, -2, 100, math.nan, math.inf)),
        *({"sigma": sigma} for sigma in (0, -1, math.nan, math.inf)),
        {"radius": -1},
        *({"kspace": (1, kept, 1)} for kept in (0, -0.1, 1.1, math.nan)),
        *({"noise": "gaussian", "noise_level": level} for level in (-0.1, 1.1, math.nan, math.inf)),
        {"noise": "rician"},
        {"noise_level": 0.1},
        {"noise": "poisson", "noise_level": 0.1},
        {"blur": "gaussian"},
        {"sampling": "centres"},
    ],
    ids=str,
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(RequestError):
        Acquisition(**{"factors": (2, 2, 2), **bad})


def test_settings_can_be_told_and_taken_up_again():
    acquisition = Acquisition((2, 1, 1.5), "thickness", kspace=(0.5, 1, 1), noise="rician", noise_level=0.02)
    assert Acquisition(**acquisition.describe()) == acquisition
