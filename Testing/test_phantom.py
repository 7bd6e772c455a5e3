"""The phantom: repeatable, brain-like in its figures, and with detail that a lower resolution loses."""

import numpy as np
import pytest

from MRISuperResolutionLib.image.linear_operators import resample
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.physics.acquisition import Acquisition

SIZE = (48, 60, 44)


def test_the_same_arguments_give_the_same_volume_and_another_seed_another_folding():
    first = brain_phantom(SIZE, seed=1)
    assert first.shape == SIZE
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, brain_phantom(SIZE, seed=1))
    other = brain_phantom(SIZE, seed=2)
    assert np.abs(first - other).mean() > 10


@pytest.mark.parametrize("contrast", ["T1w", "T2w", "FLAIR"])
def test_intensities_are_those_of_an_mri(contrast):
    volume = brain_phantom(SIZE, contrast)
    assert volume.min() >= 0
    assert 500 < volume.max() < 1500
    assert (volume == 0).mean() > 0.2
    assert 0.2 < (volume > 200).mean() < 0.8


def test_contrasts_share_their_anatomy_and_differ_in_brightness():
    t1w, t2w = (brain_phantom(SIZE, contrast, noise=0) for contrast in ("T1w", "T2w"))
    np.testing.assert_array_equal(t1w > 0, t2w > 0)
    inside = t1w > 100
    assert np.corrcoef(t1w[inside], t2w[inside])[0, 1] < -0.3


def test_half_the_resolution_loses_more_than_the_noise():
    clean = brain_phantom(SIZE, noise=0)
    noise = np.std((brain_phantom(SIZE) - clean)[clean > 100])
    back = resample(Acquisition.gaussian((2, 2, 2)).apply(clean), SIZE)
    assert np.std((back - clean)[clean > 100]) > 4 * noise


@pytest.mark.parametrize("wrong", [{"size": (8, 48, 48)}, {"size": (48, 48)}, {"contrast": "CT"}, {"noise": -1}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        brain_phantom(**wrong)
