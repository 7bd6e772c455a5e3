"""What the scanner did, estimated: where k-space was filled with zeros, noise, kinds and widths on real heads."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import fft

from MRISuperResolutionLib import Volume, upscale
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.io import read_header, read_volume, write_volume
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.physics.encoding import KSpace, SliceProfile
from MRISuperResolutionLib.physics.estimation.estimate import AxisEstimate, Estimate
from MRISuperResolutionLib.pipeline.scan_acquisition import acquired_grid, estimated, fewer_cosines

DATA = os.environ.get("MRISR_DATA")

HEADS = ("validate-noncommercial/oasis-1015_T1w", "validate/ljubljana-mni-26_FLAIR", "validate/arc-2265_T2w")

real = pytest.mark.skipif(not DATA, reason="MRISR_DATA is not set: no real volumes to test on")


def head(name):
    """The middle of a real head, in voxels that divide by 2 and by 4."""
    array = read_volume(Path(DATA, f"{name}.nii.gz")).array.astype(np.float32)
    return array[tuple(slice((n - 96) // 2, (n + 96) // 2) for n in array.shape)]


def scanned(array, acquisition, noise=0.0):
    acquisition = acquisition.with_noise(noise)
    high = Grid(array.shape)
    return Volume(np.abs(acquisition.apply(array, np.random.default_rng(0))), acquisition.grid(high))


def filled_with_zeros(array, size):
    """``array`` on a finer grid over the same box, its k-space filled with zeros."""
    spectrum = np.zeros(size)
    spectrum[tuple(slice(n) for n in array.shape)] = fft.dctn(array, norm="ortho")
    return fft.idctn(spectrum, norm="ortho") * np.sqrt(np.prod(size) / array.size)


@real
@pytest.mark.parametrize("name", HEADS)
def test_kspace_that_ends_is_told_from_a_blur(name):
    array = head(name)
    for noise in (0.0, 0.02):
        sharp = estimated(scanned(array, Acquisition.three_d((2, 2, 2)), noise))
        assert [axis.kind for axis in sharp.axes] == ["ends"] * 3
        blurred = estimated(scanned(array, Acquisition.gaussian((2, 2, 2)), noise))
        assert [axis.kind for axis in blurred.axes] == ["blur"] * 3
        # 2.35 fine voxels are 1.18 of the scan's
        assert blurred.axes[0].width == pytest.approx(1.18, abs=0.25)
        assert blurred.noise_level == pytest.approx(noise, abs=0.006)
        assert blurred.preset((2, 2, 2)) == "gaussian"
        assert sharp.preset((2, 2, 2)) == "3d"


@real
@pytest.mark.parametrize("name", HEADS)
def test_slices_have_a_profile(name):
    found = estimated(scanned(head(name), Acquisition.multislice((1, 1, 4), 2), 0.02))
    i, j, k = found.axes
    assert (i.kind, j.kind, k.kind) == ("ends", "ends", "blur")
    assert k.across
    assert k.width == pytest.approx(1.0, abs=0.2)
    assert found.preset((1, 1, 4)) == "2d-multislice"


@real
def test_a_scan_that_was_filled_with_zeros_is_cropped_to_what_was_acquired():
    array = head(HEADS[0])[:, :, :48]
    found = estimated(Volume(filled_with_zeros(array, (160, 96, 48)), Grid((160, 96, 48), (0.6, 1, 1))))
    assert found.axes[0].share == pytest.approx(0.6, abs=0.08)
    assert (found.axes[1].share, found.axes[2].share) == (1, 1)


def test_fewer_cosines_are_what_was_acquired():
    array = brain_phantom((20, 24, 18), "T1w", seed=0)
    filled = filled_with_zeros(array, (32, 24, 30))
    np.testing.assert_allclose(fewer_cosines(filled, array.shape), array, atol=1e-3 * array.max())


def test_the_grid_of_what_was_acquired_fills_the_box():
    grid = Grid((100, 80, 40), (0.5, 0.7, 3.0), (1.0, 2.0, 3.0))
    shares = (0.6, 0.97, 1.0)
    i, j, k = (AxisEstimate("ends", 0.9, share=share) for share in shares)
    own = acquired_grid(grid, Estimate((i, j, k), 0.01))
    # what hardly differs is left as it is
    assert own.size == (60, 80, 40)
    assert own.distance_to(grid) < 1e-9


def test_units_and_offsets_do_not_matter():
    array = brain_phantom((48, 52, 40), "T1w", seed=0).astype(np.float64)
    grid = Grid(array.shape)
    plain, other = (estimated(Volume(a, grid)) for a in (array, 0.01 * array - 500))
    assert [axis.kind for axis in plain.axes] == [axis.kind for axis in other.axes]
    assert plain.noise_level == pytest.approx(other.noise_level, rel=0.01)


def test_too_few_slices_are_assumed_to_have_the_usual_profile():
    found = estimated(Volume(brain_phantom((64, 64, 16), "T2w", seed=0), Grid((64, 64, 16), (1, 1, 5))))
    assert found.axes[2].source == "assumed"
    assert found.axes[2].across
    assert found.acquisition((1, 1, 3)).axes[2] == SliceProfile(1 - 0.6 * 0.25)
    assert found.acquisition((2, 2, 1)).axes[0] == KSpace()


def test_the_result_accounts_for_the_scan_by_default():
    array = brain_phantom((24, 26, 20), "T1w", seed=0).astype(np.float32)
    low = Volume(array, Grid(array.shape))
    result = upscale(low, "nullspace", scale=(2, 2, 2))
    assert result.header["MRISuperResolution.acquisition_source"] == "estimated"
    assert "acquisition_found" in " ".join(result.header)


def test_a_classifier_learns_from_heads(tmp_path, monkeypatch):
    from MRISuperResolutionLib.physics.estimation.classifier import load_classifier
    from MRISuperResolutionLib.training import acquisition_classifier

    monkeypatch.setattr(acquisition_classifier, "STEPS", 20)
    heads = [brain_phantom((90, 92, 88), contrast, seed=0).astype(np.float32) for contrast in ("T1w", "T2w")]
    acquisition_classifier.learn(heads, tmp_path, count=4)
    learned = load_classifier(tmp_path)
    likelihood, widths, deviations = learned(np.zeros((3, len(learned.mean))))
    assert likelihood.shape == (3, 5)
    assert np.isfinite(widths).all()
    assert (deviations > 0).all()


# --- the shell


def test_the_estimate_is_printed_drawn_and_saved(mrisr_here, tmp_path):
    scan, plot, saved = tmp_path / "scan_T1w.nii.gz", tmp_path / "plot.png", tmp_path / "scan.json"
    write_volume(Volume(brain_phantom((48, 50, 40), "T1w", seed=0), Grid((48, 50, 40))), scan)
    outcome = mrisr_here("estimate", scan, "--plot", plot, "--save", saved)
    assert outcome.code == 0, outcome.err
    assert [line.split(":")[0] for line in outcome.out.splitlines()] == ["i", "j", "k", "noise"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    out = tmp_path / "out.nii.gz"
    assert mrisr_here("upscale", scan, out, "--model", "ibp", "--acquisition", saved).code == 0
    assert read_volume(out).grid.size == (96, 100, 80)
    outcome = mrisr_here("estimate", scan, "--save", saved)
    assert (outcome.code, "there already" in outcome.err) == (2, True)
    facts = json.loads(mrisr_here("estimate", scan, "--json").out)
    assert len(facts["axes"]) == 3
    assert 0 <= facts["noise_level"] <= 1


def test_what_is_stated_is_taken(mrisr_here, tmp_path):
    scan, out = tmp_path / "scan_T1w.mha", tmp_path / "out.mha"
    write_volume(Volume(brain_phantom((24, 26, 20), "T1w", seed=0), Grid((24, 26, 20))), scan)
    for name, words in (("3d", "k-space ends"), ("gaussian", "sigma 1 fine voxels")):
        options = ("--model", "ibp", "--acquisition", name, "--overwrite")
        assert mrisr_here("upscale", scan, out, *options).code == 0
        header = read_header(out)
        assert words in header["MRISuperResolution.acquisition"]
        assert "MRISuperResolution.acquisition_source" not in header
