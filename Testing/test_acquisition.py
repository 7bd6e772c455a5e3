"""The acquisition model: forward, adjoint and data consistency against dense matrices, noise, artefacts, files."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from volumes import OBLIQUE

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.physics.artefacts import Artefacts
from MRISuperResolutionLib.physics.data_consistency import DataConsistency, enforce_data_consistency
from MRISuperResolutionLib.physics.encoding import FWHM_PER_SIGMA, Gaussian, KSpace, SliceProfile, like_gaussian
from MRISuperResolutionLib.physics.forward_operator import ForwardOperator
from MRISuperResolutionLib.physics.presets import (
    acquisition_named,
    acquisition_of_blur,
    in_words,
    read_acquisition,
    write_acquisition,
)

FACTORS = [(2, 2, 2), (1, 1, 4), (2.5, 1, 3), (1.3, 3.7, 1)]
SIZE = (18, 21, 16)

ENCODINGS = [
    KSpace(),
    *(KSpace(window=window) for window in ("hamming", "tukey", "fermi")),
    KSpace(extent=0.7),
    KSpace(decay=0.8),
    KSpace(partial=0.7),
    *(SliceProfile(1.1, gap, shape) for gap in (-0.2, 0.0, 0.5) for shape in ("gaussian", "boxcar", "sinc")),
    Gaussian(),
    Gaussian(0.6, radius=1),
    Gaussian(0.0),
]

KINDS = st.one_of(
    st.builds(
        KSpace,
        st.floats(0.5, 1),
        st.sampled_from(["none", "hamming", "tukey", "fermi"]),
        st.floats(0, 1),
        st.floats(0.6, 1),
    ),
    st.builds(
        SliceProfile, st.floats(0.7, 1.3), st.floats(-0.2, 0.5), st.sampled_from(["gaussian", "boxcar", "sinc"])
    ),
    st.builds(Gaussian, st.floats(0.5, 1.5)),
)


def high_volume(size=SIZE, seed=1):
    return np.random.default_rng(seed).uniform(0, 1000, size)


def operator_of(acquisition, size):
    return ForwardOperator(acquisition, size, acquisition.grid(Grid(size)).size)


def dense(operator, size):
    """The matrix of the whole map, a column for each voxel."""
    unit = np.eye(math.prod(size)).reshape(-1, *size)
    return np.stack([operator.A(image).ravel() for image in unit], axis=1)


def check_against_dense(acquisition, size):
    operator = operator_of(acquisition, size)
    matrix, rng = dense(operator, size), np.random.default_rng(0)
    x, y = rng.standard_normal(size), rng.standard_normal(operator.low)
    np.testing.assert_allclose(operator.A(x).ravel(), matrix @ x.ravel(), atol=1e-10)
    np.testing.assert_allclose(operator.A_adjoint(y).ravel(), matrix.T @ y.ravel(), atol=1e-10)
    step = matrix.T @ np.linalg.solve(matrix @ matrix.T + 0.1 * np.eye(len(matrix)), y.ravel() - matrix @ x.ravel())
    found = DataConsistency(operator).prox_l2(x, y, 0.1)
    np.testing.assert_allclose(found.ravel(), x.ravel() + step, atol=1e-8)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_every_encoding_is_its_dense_matrix(encoding):
    check_against_dense(Acquisition((2, 1, 1.5), (encoding, KSpace(), encoding)), (8, 3, 9))


@settings(max_examples=25, deadline=None)
@given(
    axes=st.tuples(KINDS, KINDS, KINDS),
    size=st.tuples(*[st.integers(4, 9)] * 3),
    factors=st.tuples(*[st.floats(1, 2.4)] * 3),
)
def test_mixtures_are_their_dense_matrix(axes, size, factors):
    check_against_dense(Acquisition(factors, axes), size)


@pytest.mark.parametrize("axes", [(KSpace(), KSpace(), KSpace(0.8)), (KSpace(), SliceProfile(), KSpace())])
def test_an_elliptic_kspace_is_its_dense_matrix(axes):
    acquisition = Acquisition((2, 1.5, 1), axes, ellipse=True)
    check_against_dense(acquisition, (8, 9, 5))
    x = high_volume((8, 9, 5))
    assert not np.allclose(acquisition.apply(x), dataclasses.replace(acquisition, ellipse=False).apply(x))


def test_the_projection_accounts_for_the_scan():
    acquisition = Acquisition.three_d((2, 2, 2))
    high = high_volume((12, 10, 8))
    low = acquisition.apply(high)
    found, before, residual = enforce_data_consistency(np.zeros_like(high), low, acquisition)
    # the smallest regularization forgives a hundredth of what eight voxels to one keep
    assert np.abs(residual).max() < 0.01 * low.max() < before
    np.testing.assert_allclose(acquisition.apply(found), low, atol=0.01 * low.max())


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("factor", [1, 1.5, 2, 3])
def test_what_is_constant_stays_so(encoding, factor):
    low = Acquisition((factor, factor, 1), (encoding,) * 3).apply(np.full((12, 9, 5), 7.0))
    np.testing.assert_allclose(low, 7.0, atol=1e-6)


@pytest.mark.parametrize("encoding", [KSpace(window="hamming"), SliceProfile(), Gaussian()], ids=str)
def test_axes_of_factor_one_are_untouched(encoding):
    high = high_volume()
    np.testing.assert_array_equal(Acquisition((1, 1, 1), (encoding,) * 3).apply(high), high)


def test_kspace_ends_at_the_voxel():
    # a cosine below the scan's Nyquist frequency comes back as it is, one above is lost
    n, place = 24, np.arange(24) + 0.5
    for cycles, kept in ((5, 1.0), (14, 0.0)):
        line = np.cos(np.pi * cycles * place / n)
        low = Acquisition((2, 1, 1)).apply(np.tile(line[:, None, None], (1, 4, 4)))
        wanted = kept * np.cos(np.pi * cycles * (np.arange(12) + 0.5) / 12)
        np.testing.assert_allclose(low[:, 0, 0], wanted, atol=1e-9)


def test_known_points_of_the_transfer():
    assert KSpace(window="hamming").transfer(np.array(1.0), 2) == pytest.approx(0.08)
    assert KSpace(extent=0.5).transfer(np.array([0.4, 0.6]), 2).tolist() == [1, 0]
    assert KSpace(decay=1.0).transfer(np.array(1.0), 2) == pytest.approx(math.exp(-1))
    assert KSpace(partial=0.75).transfer(np.array([0.4, 0.6]), 2).tolist() == [1, 0.5]
    assert SliceProfile(1.2, 0.2).width == pytest.approx(1.0)
    # a profile one voxel wide is half as high half a voxel from its middle: the Gaussian of that width
    assert like_gaussian(SliceProfile(), 4) == pytest.approx(1 / FWHM_PER_SIGMA, rel=1e-6)
    assert like_gaussian(Gaussian(1.0), 2) == 0.5
    assert like_gaussian(KSpace(), 2) == 0.0


def test_a_profile_aliases():
    n, place = 24, np.arange(24) + 0.5
    line = np.cos(np.pi * 9 * place / n)
    low = Acquisition((1, 1, 4), (KSpace(), KSpace(), SliceProfile())).apply(np.tile(line, (4, 4, 1)))
    # 9 of 24 lies at 1.5 of the Nyquist frequency of 6 samples, and comes back as 3
    wanted = SliceProfile().transfer(np.array(1.5), 4) * -np.cos(np.pi * 3 * (np.arange(6) + 0.5) / 6)
    np.testing.assert_allclose(low[0, 0], wanted, atol=1e-9)


def seen_by(high, factors, sigma):
    """scipy's Gaussian along the axes that are sampled, then the values at the cell centres."""
    coordinates = []
    for axis, (n, factor) in enumerate(zip(high.shape, factors, strict=True)):
        low_n = n if factor == 1 else math.floor(n / factor + 0.5)
        s = n / low_n
        if factor > 1:
            high = ndimage.gaussian_filter1d(high, sigma, axis, mode="reflect")
        coordinates.append((np.arange(low_n) + 0.5) * s - 0.5)
    return ndimage.map_coordinates(high, np.meshgrid(*coordinates, indexing="ij"), order=3, mode="reflect")


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("sigma", [1.0, 0.6])
def test_the_papers_blur_equals_scipy(factors, sigma):
    high, acquisition = high_volume(), Acquisition.gaussian(factors, sigma)
    expected = seen_by(high, factors, sigma)
    np.testing.assert_allclose(acquisition.apply(high), expected, atol=1e-8)
    assert acquisition.grid(Grid(SIZE)).size == expected.shape


def test_a_radius_of_one_is_a_kernel_of_three_taps():
    high = high_volume()
    taps = np.array([math.exp(-0.5), 1, math.exp(-0.5)])
    blurred = high
    for axis in (0, 1):
        blurred = ndimage.convolve1d(blurred, taps / taps.sum(), axis, mode="reflect")
    low = Acquisition.gaussian((2, 2, 1), radius=1).apply(high)
    np.testing.assert_allclose(low, Acquisition.gaussian((2, 2, 1), 0.0).apply(blurred), atol=1e-8)


def test_a_share_of_kspace_is_kept_and_the_size_too():
    high = high_volume((20, 21, 16))
    spectrum = np.fft.fftn(high)
    for axis, kept in enumerate((0.32, 0.5)):
        outside = np.abs(np.fft.fftfreq(high.shape[axis])) > kept / 2
        spectrum[(slice(None),) * axis + (outside,)] = 0
    low = Acquisition.gaussian((1, 1, 1), kept=(0.32, 0.5, 1)).apply(high)
    np.testing.assert_allclose(low, np.fft.ifftn(spectrum).real, atol=1e-8)


def test_cells_keep_the_box():
    high = Grid(SIZE, (1.0, 0.7, 1.2), (5.0, -40.0, 12.0), OBLIQUE)
    assert Acquisition((2.5, 1, 3)).grid(high).distance_to(high) < 1e-6


@pytest.mark.parametrize("factors", FACTORS)
def test_corner_samples_lie_at_multiples_of_the_factor(factors):
    high = Grid(SIZE, (1.0, 0.7, 1.2), (5.0, -40.0, 12.0), OBLIQUE)
    acquisition = Acquisition.gaussian(factors, 0.0, sampling="corners")
    low = acquisition.grid(high)
    m = np.moveaxis(np.indices(low.size), 0, -1)
    np.testing.assert_allclose(low.to_world(m), high.to_world(m * factors), atol=1e-9)
    assert acquisition.apply(high_volume()).shape == low.size


def test_corner_samples_are_every_second_voxel():
    low = Acquisition.gaussian((2, 1, 3), 0.0, sampling="corners").apply(high_volume())
    np.testing.assert_allclose(low, high_volume()[::2, :, ::3], atol=1e-9)


# --- noise and artefacts

LEVEL = 0.05


def bright_half(size=(40, 40, 40)):
    """A bright block beside an empty background."""
    high = np.zeros(size, np.float32)
    high[:20] = 1000
    return high


@pytest.mark.parametrize("noise", ["gaussian", "rician"])
def test_the_noise_is_a_share_of_the_range(noise):
    acquisition = Acquisition((1, 1, 1), noise=noise, noise_level=LEVEL)
    low = acquisition.apply(bright_half(), np.random.default_rng(0))
    assert low[:20].std() == pytest.approx(50, rel=0.05)
    background = {"gaussian": 50.0, "rician": 50 * math.sqrt(2 - math.pi / 2)}[noise]
    assert low[20:].std() == pytest.approx(background, rel=0.05)
    assert (low.min() >= 0) == (noise == "rician")
    again = acquisition.apply(bright_half(), np.random.default_rng(0))
    np.testing.assert_array_equal(low, again)
    with pytest.raises(ValueError, match="generator"):
        acquisition.apply(bright_half())


def test_noise_that_differs_from_place_to_place():
    high = bright_half()
    even, uneven = (
        Acquisition((1, 1, 1), noise="gaussian", noise_level=LEVEL, noise_variation=share).apply(
            high, np.random.default_rng(3)
        )
        for share in (0.0, 0.5)
    )
    # over blocks of 10 x 10 x 10 voxels
    spreads = [(made - high).reshape(4, 10, 4, 10, 4, 10).std(axis=(1, 3, 5)) for made in (even, uneven)]
    assert np.ptp(spreads[1]) > 2 * np.ptp(spreads[0]) > 0


def test_rician_noise_of_level_zero_is_a_magnitude_image():
    low = Acquisition((2, 1, 1), noise="rician").apply(-bright_half())
    assert low.min() >= 0


def test_artefacts():
    high, rng = bright_half() + 10, np.random.default_rng(0)
    bias = Acquisition((1, 1, 1), artefacts=Artefacts(bias=0.3)).apply(high, rng) / high
    assert 0.6 < bias.min() < 0.9 < 1.1 < bias.max() < 1.4
    ghosts = Acquisition((1, 1, 1), artefacts=Artefacts(ghosting=0.1)).apply(high, rng)
    assert 0 < np.abs(ghosts - high).max() <= 0.1 * high.max() * 1.01
    steps = Acquisition((1, 1, 1), artefacts=Artefacts(bits=3)).apply(high_volume())
    assert len(np.unique(steps)) == 8


# --- what is wrong, words and files


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: KSpace(extent=0),
        lambda: KSpace(window="hann"),
        lambda: KSpace(partial=0.4),
        lambda: KSpace(decay=-1),
        lambda: SliceProfile(fwhm=0),
        lambda: SliceProfile(gap=5),
        lambda: SliceProfile(shape="round"),
        lambda: Gaussian(sigma=200),
        lambda: Gaussian(radius=-1),
        lambda: Gaussian(kept=2),
        lambda: Artefacts(bias=1),
        lambda: Artefacts(bits=1),
        lambda: Acquisition((0.5, 1, 1)),
        lambda: Acquisition((2, 2, 2), (KSpace(), KSpace())),
        lambda: Acquisition((2, 2, 2), noise="white"),
        lambda: Acquisition((2, 2, 2), noise_level=0.1),
        lambda: Acquisition((2, 2, 2), noise="rician", noise_level=2),
        lambda: Acquisition((2, 2, 2), noise_variation=1),
        lambda: Acquisition((2, 2, 2), sampling="corners"),
        lambda: Acquisition.multislice((2, 2, 2), 2, ellipse=True).__class__((2, 2, 2), (SliceProfile(),) * 3, True),
        lambda: ForwardOperator(Acquisition((2, 2, 2)), (8, 8, 8), (4, 4, 5)),
        lambda: ForwardOperator(Acquisition.gaussian((2, 2, 2), sampling="corners"), (8, 8, 8), (4, 4, 4)),
    ],
)
def test_what_no_scan_has_is_refused(wrong):
    with pytest.raises(RequestError):
        wrong()


def test_presets_by_name():
    thick = Grid((60, 60, 20), (1.0, 1.0, 4.0))
    assert acquisition_named("3d", (2, 2, 2), thick).axes == (KSpace(),) * 3
    assert acquisition_named("2d-multislice", (1, 1, 4), thick).axes == (KSpace(), KSpace(), SliceProfile())
    assert acquisition_named("gaussian", (2, 2, 2), thick) == Acquisition.gaussian((2, 2, 2))
    with pytest.raises(RequestError, match="3d, 2d-multislice, gaussian"):
        acquisition_named("4d", (2, 2, 2), thick)


@pytest.mark.parametrize(
    "acquisition",
    [
        Acquisition((1, 1, 1)).with_noise(0.02),
        Acquisition((1, 1, 1), (KSpace(0.8, "tukey", 0.3, 0.7), Gaussian(0.7, 1), SliceProfile(1.2, 0.1, "boxcar"))),
        Acquisition((1, 1, 1), ellipse=True, artefacts=Artefacts(0.1, 0.02, 12)),
    ],
    ids=["noise", "axes", "artefacts"],
)
def test_a_file_tells_all(acquisition, tmp_path):
    write_acquisition(acquisition, tmp_path / "scan.json")
    assert read_acquisition(tmp_path / "scan.json") == acquisition


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ('{"axes": [{"kind": "Spiral"}, {"kind": "KSpace"}, {"kind": "KSpace"}]}', "Spiral"),
        ('{"axes": [{"kind": "KSpace"}]}', "describes no acquisition"),
        ('{"colour": 1}', "has no colour"),
        (
            '{"axes": [{"kind": "KSpace", "end": 1}, {"kind": "KSpace"}, {"kind": "KSpace"}]}',
            "describes no acquisition",
        ),
    ],
)
def test_a_file_that_describes_nothing_is_refused(text, words, tmp_path):
    path = tmp_path / "scan.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=words):
        read_acquisition(path)


def test_what_earlier_options_called_a_blur():
    assert acquisition_of_blur("fixed", (2, 2, 2), 0.7) == Acquisition.gaussian((2, 2, 2), 0.7)
    assert acquisition_of_blur("thickness", (2, 2, 2)).axes == (SliceProfile(),) * 3
    assert acquisition_of_blur("none", (2, 2, 2)).axes == (Gaussian(0.0),) * 3
    with pytest.raises(RequestError, match="wide"):
        acquisition_of_blur("wide", (2, 2, 2))


def test_an_acquisition_in_words():
    assert in_words(Acquisition((2, 2, 2))) == "k-space ends at the voxel"
    assert in_words(Acquisition.multislice((1, 1, 4), 2)) == "k: slice profile, 1 voxels wide"
    assert in_words(Acquisition.gaussian((2, 2, 1))) == "i, j: Gaussian blur, sigma 1 fine voxels"
    assert in_words(Acquisition((1, 1, 1))) == "nothing to undo"
    assert "Hamming" in in_words(Acquisition((2, 2, 2), (KSpace(window="hamming"),) * 3))
