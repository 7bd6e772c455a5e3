"""Normalised and back, and into each scalar type."""

import numpy as np
import pytest

from MRISuperResolutionLib.image.intensity import Normalisation, exact_type, to_type

SMALL_INTEGERS = ("int8", "uint8", "int16", "uint16")
INTEGERS = (*SMALL_INTEGERS, "int32", "uint32", "int64", "uint64")
FLOATS = ("float32", "float64")


def values(dtype, low, high):
    spread = np.random.default_rng(2).uniform(low, high, (12, 11, 10))
    return (np.rint(spread) if np.dtype(dtype).kind in "iu" else spread).astype(dtype)


RANGES = [
    *((dtype, np.iinfo(dtype).min, np.iinfo(dtype).max) for dtype in SMALL_INTEGERS),
    *((dtype, 0, 4095) for dtype in INTEGERS[2:]),
    *((dtype, low, high) for dtype in FLOATS for low, high in [(0, 1), (-1e-6, 1e-6), (-3e5, 2e4), (1000, 1001)]),
    # an offset that single precision does not hold beside the range
    ("float64", 1e9, 1e9 + 100),
    ("int32", 2**30, 2**30 + 500),
]


@pytest.mark.parametrize(("dtype", "low", "high"), RANGES)
def test_normalised_and_back_is_exact_to_float32_rounding(dtype, low, high):
    array = values(dtype, low, high)
    normalisation = Normalisation.of(array)
    back = normalisation.undo(normalisation.apply(array), array.dtype)
    assert back.dtype == exact_type(array.dtype)
    largest = max(abs(low), abs(high))
    rounding = 4 * (np.finfo(np.float32).eps * (high - low) + np.finfo(back.dtype).eps * largest)
    np.testing.assert_allclose(back, array.astype("float64"), rtol=0, atol=rounding)
    if np.dtype(dtype).kind in "iu":
        np.testing.assert_array_equal(to_type(back, dtype), array)


@pytest.mark.parametrize(("dtype", "low", "high"), RANGES)
def test_most_of_the_volume_lands_between_0_and_1(dtype, low, high):
    array = values(dtype, low, high)
    untouched = array.copy()
    normalised = Normalisation.of(array).apply(array)
    assert normalised.dtype == np.float32
    assert np.mean((normalised < 0) | (normalised > 1)) < 0.005
    assert normalised.min() < 0.01
    assert normalised.max() > 0.99
    np.testing.assert_array_equal(array, untouched)


@pytest.mark.parametrize(("gain", "offset"), [(3.5, 0), (0.001, 0), (1, -700), (40, 5000)])
def test_gain_and_offset_of_the_scanner_do_not_matter(gain, offset):
    array = values("float64", -100, 900)
    other = gain * array + offset
    expected = Normalisation.of(array).apply(array)
    np.testing.assert_allclose(Normalisation.of(other).apply(other), expected, atol=1e-4)


def test_nothing_is_clipped():
    array = values("float32", 0, 1)
    array[0, 0, 0], array[1, 0, 0] = 50, -50
    normalised = Normalisation.of(array).apply(array)
    assert normalised.max() == pytest.approx(50, rel=0.05)
    assert normalised.min() == pytest.approx(-50, rel=0.05)


def test_a_volume_of_almost_only_background_uses_its_whole_range():
    array = np.full((20, 20, 20), 7, np.int16)
    array[3, 4, 5], array[6, 7, 8] = 107, 57
    normalised = Normalisation.of(array).apply(array)
    assert (normalised[0, 0, 0], normalised[6, 7, 8], normalised[3, 4, 5]) == pytest.approx((0, 0.5, 1))


def test_a_constant_has_no_range():
    with pytest.raises(ValueError, match="constant"):
        Normalisation.of(np.full((4, 4, 4), 3.0))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_clamped(dtype):
    limits = np.iinfo(dtype)
    # 2**63 - 1 and 2**64 - 1 are no float64: the next one below is the best that can be had
    highest = limits.max if limits.bits < 64 else int(np.nextafter(float(limits.max), 0))
    wanted = np.array([2.4, 2.6, 99.51, -0.3, -1e30, 1e30, -np.inf, np.inf], np.float32)
    converted = to_type(wanted, dtype)
    assert converted.dtype == np.dtype(dtype)
    assert converted.tolist() == [2, 3, 100, 0, limits.min, highest, limits.min, highest]


@pytest.mark.parametrize("dtype", [name for name in INTEGERS if np.iinfo(name).bits < 64])
def test_every_integer_of_the_type_can_be_reached(dtype):
    limits = np.iinfo(dtype)
    array = np.array([limits.min, limits.min + 1, 0, 100, limits.max - 1, limits.max], dtype)
    np.testing.assert_array_equal(to_type(array.astype("float64"), dtype), array)


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_stay_as_they_are(dtype):
    array = np.array([-1e30, 0.25, 7.125], np.float32)
    converted = to_type(array, dtype)
    assert converted.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(converted, array)


def test_a_trace_of_background_is_no_range():
    array = np.full((20, 20, 20), 1e-20, np.float32)
    array[:5] *= 2
    array[10, 10, :2] = 100
    normalisation = Normalisation.of(array)
    assert normalisation.high == 100
    assert np.isfinite(normalisation.apply(array)).all()
