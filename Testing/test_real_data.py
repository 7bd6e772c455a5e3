"""The shipped weights on real volumes that they never saw (set MRISR_DATA to run these)."""

import os
from pathlib import Path

import numpy as np
import pytest

from MRISuperResolutionLib import Acquisition, Computing, Grid, Volume, evaluate, read_volume, upscale
from MRISuperResolutionLib.evaluation.metrics import shift

DATA = os.environ.get("MRISR_DATA")

pytestmark = pytest.mark.skipif(not DATA, reason="MRISR_DATA is not set: no real volumes to test on")

OASIS = ["oasis-1010", "oasis-1015", "oasis-1110", "oasis-1122"]


# as users have it: bfloat16 where the processor has it, since elsewhere it is slower than single precision by far
CPU = Computing(precision="auto", device="cpu")


def read(name):
    return read_volume(Path(DATA) / name)


def piece(volume, start, size):
    array = volume.array[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))].astype(np.float32)
    return Volume(np.ascontiguousarray(array), Grid(size, volume.grid.spacing, direction=volume.grid.direction))


def gain(truth, factors, model, **how):
    """dB over cubic spline under the blur of one fine voxel, which these networks learned, and the same in SSIM."""
    acquisition = Acquisition.gaussian(factors, radius=how.pop("radius", None))
    low = Volume(acquisition.apply(truth.array), acquisition.grid(truth.grid))
    spline = evaluate(upscale(low, "spline", scale=factors), truth)
    result = upscale(low, model, scale=factors, acquisition=None, computing=CPU, **how)
    found = evaluate(result, truth)
    assert found["shift_voxels"] < 0.05
    return found["psnr_db"] - spline["psnr_db"], found["ssim"] - spline["ssim"]


@pytest.mark.parametrize("subject", OASIS)
def test_recnn_gains_3_db_over_spline_on_brains_it_never_saw(subject):
    truth = piece(read(f"validate-noncommercial/{subject}_T1w.nii.gz"), (40, 50, 45), (64, 64, 64))
    decibels, similarity = gain(truth, (2, 2, 2), "recnn10-t1w")
    assert decibels >= 3.0
    assert similarity > 0


@pytest.mark.parametrize("factors", [(1, 1, 3), (3, 1, 1), (2, 2.5, 2), (3, 3, 3)])
def test_one_recnn_serves_every_factor(factors):
    truth = piece(read("validate-noncommercial/oasis-1015_T1w.nii.gz"), (40, 50, 45), (60, 60, 60))
    decibels, _ = gain(truth, factors, "recnn10-t1w")
    assert decibels > 0.5


def test_dggrn_gains_2_db_over_spline_on_axial_slices():
    truth = piece(read("validate/ljubljana-mni-26_T2w.nii.gz"), (0, 0, 85), (182, 218, 12))
    decibels, similarity = gain(truth, (2, 2, 1), "dggrn-t2w-x2", plane="axial", radius=1)
    assert decibels >= 2.0
    assert similarity > 0


def test_a_clinical_scan_with_thick_slices_becomes_isotropic_in_place():
    scan = read("validate/ljubljana-20-study2_T1w.nii.gz")
    middle = piece(scan, (60, 60, 10), (96, 96, 16))
    thin = upscale(middle, "recnn10-t1w", scale=(1, 1, 3), acquisition=None, computing=CPU)
    spline = upscale(middle, "spline", scale=(1, 1, 3))
    assert thin.grid.size == (96, 96, 48)
    assert thin.grid.distance_to(middle.grid) < 1e-6
    assert shift(thin.array, spline.array) < 0.05
    # no stripes: what the network adds has no share that repeats with the slices
    added = (thin.array - spline.array).mean(axis=(0, 1))
    phases = added.reshape(16, 3).mean(axis=0)
    assert np.ptp(phases) < 0.01 * np.ptp(middle.array)
