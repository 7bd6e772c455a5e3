"""The methods without trained weights, through the door that upscaling uses: METHODS[name].upscale."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.evaluation.metrics import shift
from MRISuperResolutionLib.image.intensity import Normalisation
from MRISuperResolutionLib.image.linear_operators import apply_along_axes, cell_centres
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.methods import METHODS
from MRISuperResolutionLib.methods.base import Method
from MRISuperResolutionLib.methods.nmu import cell_mean_matrix
from MRISuperResolutionLib.physics.acquisition import Acquisition

INTERPOLATIONS = ("nearest", "linear", "bicubic", "spline", "quintic", "sinc")
OTHERS = ("ibp", "lrtv", "nmu")
FACTORS = [(2, 2, 2), (1, 1, 2.5), (2, 1.5, 1), (3, 1, 1.2)]

every_method = pytest.mark.parametrize("name", METHODS)
every_interpolation = pytest.mark.parametrize("name", INTERPOLATIONS)
every_other = pytest.mark.parametrize("name", OTHERS)
all_factors = pytest.mark.parametrize("factors", FACTORS, ids=str)


@cache
def brain(contrast="T1w", n=48):
    array = brain_phantom((n, n, n), contrast)
    return Normalisation.of(array).apply(array)


def seen(high, factors):
    return Acquisition.gaussian(factors).apply(high)


def upscaled(name, low, size, factors=None, **settings):
    factors = factors or tuple(m / n for n, m in zip(low.shape, size, strict=True))
    return METHODS[name].upscale(low, size, acquisition=Acquisition.gaussian(factors), **settings)


@cache
def restored(name, factors=(2, 2, 2)):
    return upscaled(name, seen(brain(), factors), brain().shape, factors)


def psnr(result, truth):
    inside = truth > truth.min()
    return 20 * np.log10(np.ptp(truth[inside]) / rms((result - truth)[inside]))


def rms(array):
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def noise(size, level=1.0):
    return np.float32(level) * np.random.default_rng(0).standard_normal(size, dtype=np.float32)


# --- what all have in common


def test_the_methods_are_listed_in_their_order():
    assert tuple(METHODS) == (*INTERPOLATIONS, *OTHERS)
    for name, method in METHODS.items():
        assert isinstance(method, Method)
        assert method.name == name
        assert method.summary
        assert "\n" not in method.summary
        assert method.piecewise or method.bytes_voxel > 0
    assert [name for name, method in METHODS.items() if method.references] == ["nmu"]


@every_method
@all_factors
def test_the_result_is_finite_float32_of_the_size_asked_for(name, factors):
    high = brain(n=24)
    low = seen(high, factors)
    before = low.copy()
    told = []
    result = upscaled(name, low, high.shape, factors, report=told.append)
    assert result.shape == high.shape
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(low, before)
    assert told == sorted(told)
    assert len(told) > 1
    assert told[0] < 1
    assert told[-1] == 1


@every_method
@pytest.mark.parametrize("factors", FACTORS[:3], ids=str)
def test_a_constant_stays_constant(name, factors):
    high = np.full((12, 18, 15), 0.7, np.float32)
    low = np.full(seen(high, factors).shape, 0.7, np.float32)
    # a darker volume has a lower sum of singular values; scipy's quintic coefficients are rough for few samples
    allowed = {"lrtv": 2e-3, "quintic": 5e-5}.get(name, 1e-5)
    np.testing.assert_allclose(upscaled(name, low, high.shape, factors), 0.7, atol=allowed)


@every_method
@all_factors
def test_a_ramp_goes_on_where_it_was(name, factors):
    size = (30, 36, 30)
    ramps = [0.1 + 0.8 * (np.arange(n, dtype=np.float32) + 0.5) / n for n in size]
    high = np.mean(np.meshgrid(*ramps, indexing="ij"), axis=0).astype(np.float32)
    low_size = seen(high, factors).shape
    coarse = [0.1 + 0.8 * (np.arange(n, dtype=np.float32) + 0.5) / n for n in low_size]
    low = np.mean(np.meshgrid(*coarse, indexing="ij"), axis=0).astype(np.float32)
    difference = (upscaled(name, low, size, factors) - high)[12:-12, 12:-12, 12:-12]
    # the nearest voxel's centre is up to half a voxel away, as often on one side as on the other
    allowed = 0.8 / 3 * sum(0.5 / n for n in low_size) if name == "nearest" else 3e-3
    assert np.abs(difference).max() < allowed
    assert abs(difference.mean()) < (allowed / 4 if name == "nearest" else 1e-3)


@every_method
def test_nothing_is_shifted(name):
    assert shift(restored(name), brain()) < 0.05


@every_method
@pytest.mark.parametrize(
    ("low", "size"),
    [((6, 6, 6), (12, 12, 5)), ((6, 6, 6), (12, 12)), ((6, 6), (12, 12)), ((6, 6, 6), (0, 12, 12))],
    ids=str,
)
def test_sizes_that_do_not_fit_are_refused(name, low, size):
    with pytest.raises(RequestError, match="cannot become"):
        upscaled(name, np.zeros(low, np.float32), size, (2, 2, 2))


@every_method
def test_whoever_is_told_may_cancel(name):
    def cancel(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscaled(name, np.zeros((6, 6, 6), np.float32), (12, 12, 12), report=cancel)


# --- interpolations


@every_interpolation
@settings(max_examples=20, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.floats(1, 4)] * 3),
    st.permutations(range(3)),
)
def test_axes_are_independent_of_each_other(name, low_size, factors, order):
    size = tuple(round(n * f) for n, f in zip(low_size, factors, strict=True))
    low = noise(low_size)
    expected = upscaled(name, low, size).transpose(order)
    turned = upscaled(name, np.ascontiguousarray(low.transpose(order)), tuple(size[axis] for axis in order))
    np.testing.assert_allclose(turned, expected, atol=2e-5)


@every_interpolation
def test_an_axis_whose_size_stays_is_left_alone(name):
    low = noise((7, 8, 9))
    np.testing.assert_array_equal(upscaled(name, low, low.shape), low)
    slices = upscaled(name, low, (14, 20, 9))
    for k in range(9):
        alone = upscaled(name, low[..., k : k + 1], (14, 20, 1))[..., 0]
        np.testing.assert_allclose(slices[..., k], alone, atol=2e-6)


@every_interpolation
def test_a_mirrored_volume_gives_the_mirrored_result(name):
    low = noise((7, 8, 9))
    result = upscaled(name, low, (21, 20, 9))
    # no centre on a face, where nearest would have to choose
    mirrored = upscaled(name, np.ascontiguousarray(low[::-1]), (21, 20, 9))[::-1]
    np.testing.assert_allclose(mirrored, result, atol=1e-4)


WEIGHTS = {
    "nearest": (0, 1, 0, 0),
    "linear": (0, 0.75, 0.25, 0),
    "bicubic": (-0.0703125, 0.8671875, 0.2265625, -0.0234375),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_a_quarter_voxel_beyond_a_sample(name):
    impulses = np.eye(12, dtype=np.float32)[:, :, None]  # [sample, impulse]
    found = upscaled(name, impulses, (24, 12, 1))[11, :, 0]  # at 5.25
    np.testing.assert_allclose(found[4:8], WEIGHTS[name], atol=1e-7)
    np.testing.assert_array_equal(np.delete(found, range(4, 8)), 0)


def test_nearest_repeats_whole_voxels():
    low = noise((3, 4, 5))
    expected = low.repeat(2, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(upscaled("nearest", low, (6, 12, 5)), expected)


@pytest.mark.parametrize(("name", "order"), [("linear", 1), ("spline", 3), ("quintic", 5)])
def test_splines_equal_scipy(name, order):
    low, size = noise((9, 7, 8)), (18, 20, 8)
    at = np.meshgrid(*(cell_centres(n, m) for n, m in zip(low.shape, size, strict=True)), indexing="ij")
    expected = ndimage.map_coordinates(low.astype(np.float64), at, order=order, mode="reflect")
    np.testing.assert_allclose(upscaled(name, low, size), expected, atol=1e-5)


def test_bicubic_keeps_a_parabola():
    low = ((np.arange(20, dtype=np.float32) - 9.5) / 10)[:, None, None] ** 2
    expected = ((cell_centres(20, 50) - 9.5) / 10) ** 2
    np.testing.assert_allclose(upscaled("bicubic", low, (50, 1, 1))[6:-6, 0, 0], expected[6:-6], atol=1e-6)


def test_sinc_keeps_a_wave_that_linear_does_not():
    def wave(n):
        return np.cos(2 * np.pi * 12 * (np.arange(n, dtype=np.float32) + 0.5) / n)[:, None, None]

    errors = {name: rms(upscaled(name, wave(40), (80, 1, 1)) - wave(80)) for name in INTERPOLATIONS}
    assert errors["sinc"] < 0.03
    assert errors["sinc"] < errors["quintic"] < errors["spline"] < errors["bicubic"] < errors["linear"]


# --- those that undo the acquisition


@every_other
@all_factors
def test_a_brain_comes_closer_than_by_the_spline(name, factors):
    gain = psnr(restored(name, factors), brain()) - psnr(restored("spline", factors), brain())
    assert gain > 0.6


@every_other
def test_sizes_that_the_acquisition_does_not_make_are_refused(name):
    with pytest.raises(RequestError, match="the acquisition makes 4 x 6 x 6 voxels of 12 x 12 x 12"):
        upscaled(name, np.zeros((6, 6, 6), np.float32), (12, 12, 12), (3, 2, 2))


@every_other
def test_a_scan_sampled_at_the_corners_is_refused(name):
    acquisition = Acquisition.gaussian((2, 2, 2), sampling="corners")
    with pytest.raises(RequestError, match="corners"):
        METHODS[name].upscale(np.zeros((6, 6, 6), np.float32), (12, 12, 12), acquisition=acquisition)


@every_other
@pytest.mark.parametrize("size", [(1, 1, 1), (2, 1, 3), (4, 4, 4)], ids=str)
def test_a_few_voxels_are_enough(name, size):
    low = 0.5 + noise(size, 0.1)
    result = upscaled(name, low, tuple(2 * n for n in size))
    assert np.isfinite(result).all()
    assert rms(result.mean() - low.mean()) < 0.05


@every_other
def test_noise_that_is_told_of_is_not_blown_up(name):
    acquisition = Acquisition.gaussian((2, 2, 2), noise="gaussian", noise_level=0.03)
    low = acquisition.apply(brain(), np.random.default_rng(0))
    result = METHODS[name].upscale(low, brain().shape, acquisition=acquisition)
    assert psnr(result, brain()) >= psnr(upscaled("spline", low, brain().shape), brain())


@all_factors
def test_back_projection_explains_more_of_the_scan_each_time(factors):
    low = seen(brain(), factors)
    left = [residual for _, residual in METHODS["ibp"].iterates(low, brain().shape, Acquisition.gaussian(factors))]
    assert len(left) > 3
    assert np.all(np.diff(left) < 0)
    assert left[-1] < 0.15 * left[0]


# --- LRTV


def lrtv_objective(x, low, factors, lrtv, total_variation):
    """Written out anew: the singular values by numpy's own decomposition."""
    unfoldings = [np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) for axis in range(3)]
    ranks = sum(np.linalg.svd(u.astype(float), compute_uv=False).sum() for u in unfoldings) / 3
    steps = [np.diff(x.astype(float), axis=axis, append=x.take([-1], axis)) for axis in range(3)]
    variation = np.sqrt(sum(d**2 for d in steps) + lrtv.softness**2).sum()
    return ((seen(x, factors) - low) ** 2).sum() + lrtv.rank * ranks + total_variation * variation


@pytest.mark.parametrize("factors", [(2, 2, 2), (2, 2, 1)], ids=str)
@pytest.mark.parametrize("rank", [1e-3, 1e-1])
def test_the_objective_of_lrtv_is_what_it_says_and_falls(factors, rank):
    high = brain(n=24)
    low = seen(high, factors) + noise(seen(high, factors).shape, 0.02)
    lrtv = replace(METHODS["lrtv"], rank=rank)
    iterates = list(lrtv.iterates(low, high.shape, Acquisition.gaussian(factors)))
    values = [value for _, value in iterates]
    assert len(values) > 5
    assert np.all(np.diff(values) < 0)
    for x, value in (iterates[0], iterates[-1]):
        assert value == pytest.approx(lrtv_objective(x, low, factors, lrtv, lrtv.total_variation), rel=1e-4)
    # no small change anywhere makes it much smaller: this is the minimum, or close to it
    x, value = iterates[-1]
    for change in (noise(x.shape, 1e-3), high - x, low.mean() - x):
        assert lrtv_objective(x + np.float32(1e-2) * change, low, factors, lrtv, lrtv.total_variation) > 0.995 * value


def test_lrtv_calms_noise_between_edges():
    blocks = np.zeros((24, 24, 24), np.float32)
    blocks[6:18, 4:16, 8:20] = 1
    blocks[10:14, 8:12, 12:16] = 0.5
    acquisition = Acquisition.gaussian((1, 1, 1), noise="gaussian", noise_level=0.1)
    noisy = blocks + noise(blocks.shape, 0.1)
    result = METHODS["lrtv"].upscale(noisy, blocks.shape, acquisition=acquisition)
    assert rms(result - blocks) < 0.6 * rms(noisy - blocks)


def test_a_heavy_weight_lowers_the_rank():
    low = noise((16, 16, 16), 0.1) + 0.5
    heavy = replace(METHODS["lrtv"], rank=3.0, total_variation=0.0, rho=1.0)
    result = heavy.upscale(low, low.shape, acquisition=Acquisition.gaussian((1, 1, 1)))
    values = np.linalg.svd(result.reshape(16, -1), compute_uv=False)
    assert values[1] < 0.25 * np.linalg.svd(low.reshape(16, -1), compute_uv=False)[1]
    assert values[0] > 20


# --- NMU


@all_factors
def test_the_result_of_nmu_explains_the_scan(factors):
    missing = seen(restored("nmu", factors), factors) - seen(brain(), factors)
    assert np.abs(missing).max() < 1e-3


@pytest.mark.parametrize("factors", [(2, 2, 2), (1.5, 1, 3)], ids=str)
def test_in_the_papers_form_the_means_of_the_cells_are_kept(factors):
    low = seen(brain(), factors)
    nmu = replace(METHODS["nmu"], consistency="cells", radius=1)
    result = nmu.upscale(low, brain().shape, acquisition=Acquisition.gaussian(factors))
    means = [None if n == m else cell_mean_matrix(m, n) for n, m in zip(low.shape, result.shape, strict=True)]
    np.testing.assert_allclose(apply_along_axes(means, result), low, atol=1e-3)
    assert psnr(result, brain()) > psnr(restored("spline", factors), brain())


def test_the_mean_of_cells_by_hand():
    np.testing.assert_allclose(cell_mean_matrix(6, 3), np.kron(np.eye(3), [0.5, 0.5]))
    np.testing.assert_allclose(cell_mean_matrix(3, 2), np.array([[2, 1, 0], [0, 1, 2]]) / 3)


@pytest.mark.parametrize(("factors", "gain"), [((2, 2, 2), 0.1), ((3, 3, 3), 0.2)], ids=str)
def test_another_contrast_helps(factors, gain):
    low = seen(brain(), factors)
    guided = upscaled("nmu", low, brain().shape, factors, references=[brain("T2w")])
    assert psnr(guided, brain()) > psnr(restored("nmu", factors), brain()) + gain
    assert np.abs(seen(guided, factors) - low).max() < 1e-3


def test_a_reference_of_another_size_is_refused():
    with pytest.raises(RequestError, match="reference"):
        upscaled("nmu", np.zeros((6, 6, 6), np.float32), (12, 12, 12), references=[np.zeros((6, 6, 6), np.float32)])


def test_the_noise_of_a_scan_is_not_blown_up_even_if_nobody_tells_of_it():
    factors = (1.5, 1.5, 1.5)
    low = seen(brain(), factors)
    low = low + noise(low.shape, 0.02)
    result = upscaled("nmu", low, brain().shape, factors)
    assert psnr(result, brain()) > psnr(upscaled("spline", low, brain().shape), brain())
