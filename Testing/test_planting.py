"""mrisr plant: what is planted is where, as large and as bright as it is said to be, and is judged as it looks."""

import math

import numpy as np
import pytest
from scipy import ndimage

from MRISuperResolutionLib.dataset.subjects import Truth
from MRISuperResolutionLib.evaluation.case import Case
from MRISuperResolutionLib.evaluation.detectability.detection import Verdict, invented, judged, share_found
from MRISuperResolutionLib.evaluation.detectability.lesion_insertion import (
    APART,
    REACH,
    SHAPES,
    Shape,
    planted,
    quiet_places,
    structures,
)
from MRISuperResolutionLib.evaluation.detectability.report import markdown
from MRISuperResolutionLib.evaluation.detectability.study import TRUTH, Planting, harvests
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.runtime.device import Computing

SIZE = (52, 54, 56)


def ground(seed=0):
    """Even tissue with a little texture, background on one side."""
    rng = np.random.default_rng(seed)
    array = 0.5 + 0.01 * ndimage.gaussian_filter(rng.normal(size=SIZE), 1)
    array[:6] = 0
    return array.astype(np.float32)


def case(factors=(2, 2, 2)):
    truth = Truth("head", "T1w", "validate", PLANES, "CC0", "here", Volume(ground(), Grid(SIZE)))
    return Case(truth, Acquisition.gaussian(factors))


def one(shape, seed=0):
    return structures([(26, 26, 26)], [shape], np.random.default_rng(seed))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6])
def test_a_ball_has_the_volume_of_its_width(width):
    (structure,) = one(Shape("ball", width))
    assert structure.filled.sum() == pytest.approx(math.pi / 6 * width**3, rel=0.15 if width == 1 else 0.05)
    assert structure.filled.max() <= 1
    centre = ndimage.center_of_mass(structure.filled)
    assert np.abs(np.array(centre) - REACH).max() <= 0.55


@pytest.mark.parametrize("seed", range(3))
def test_a_tube_has_the_volume_of_its_width_and_length(seed):
    (structure,) = one(Shape("tube", 2), seed)
    assert structure.filled.sum() == pytest.approx(math.pi * 12, rel=0.1)


def test_places_are_quiet_apart_and_in_tissue():
    array = ground()
    array[30:34, 30:34, 30:34] = 1
    tissue = array > 0.1
    places = np.array(quiet_places(array, tissue, 8))
    assert len(places) > 3
    assert all(tissue[tuple(place)] for place in places)
    gaps = np.abs(places[:, None] - places[None]).max(axis=-1) + 100 * np.eye(len(places))
    assert gaps.min() > APART
    # never at the bright cube's edge
    assert all(not ((place > 27) & (place < 37)).all() for place in places)
    assert (places >= APART).all()
    assert (places < np.array(SIZE) - APART).all()
    assert quiet_places(array, np.zeros(SIZE, bool), 8) == []


def test_planting_leaves_the_volume_as_it_was():
    array = ground()
    before = array.copy()
    sown = planted(array, one(Shape("ball", 4)), -0.2)
    np.testing.assert_array_equal(array, before)
    assert (sown - array).min() == pytest.approx(-0.2)


def test_the_truth_keeps_all_and_the_scan_without_it_nothing():
    found = one(Shape("ball", 3))
    array = ground()
    sown = planted(array, found, 0.2)
    (kept,) = judged(found, 0.2, sown, array)
    assert kept.contrast == pytest.approx(1)
    assert kept.volume == 1
    assert kept.response > 0.5 > abs(kept.empty)
    (gone,) = judged(found, 0.2, array, array)
    assert (gone.contrast, gone.volume) == (0, 0)
    (dark,) = judged(found, -0.2, planted(array, found, -0.2), array)
    assert dark.contrast == pytest.approx(1)
    (grown,) = judged(found, 0.2, array + ndimage.gaussian_filter(4 * (sown - array), 1), array)
    assert grown.volume > 1.5


def test_found_is_what_passes_all_but_a_few_false_alarms():
    verdicts = [
        Verdict("ball", response, empty, 1, 1) for response, empty in zip([2, 2, 0, 0], [0, 0.1, 0.2, 1], strict=True)
    ]
    assert share_found(verdicts) == 0.5


def test_inventions_are_counted():
    array = ground()
    tissue = array > 0.1
    assert invented(array, array, tissue, 0.2) == 0
    made_up = planted(
        array, structures([(18, 20, 20), (36, 36, 36)], [Shape("ball", 3)], np.random.default_rng(0)), 0.2
    )
    assert invented(made_up, array, tissue, 0.2) == 2
    assert invented(array, made_up, tissue, 0.2) == 2
    faint = array + (made_up - array) / 4
    assert invented(faint, array, tissue, 0.2) == 0


def test_methods_are_told_apart():
    found = list(harvests([case()], ["nearest", "ibp"], Planting(4, 0.2), Computing()))
    assert [harvest.method for harvest in found] == [TRUTH, "nearest", "ibp"]
    contrast = {h.method: np.mean([v.contrast for v in h.verdicts]) for h in found}
    assert contrast[TRUTH] == pytest.approx(1)
    assert contrast["nearest"] < contrast["ibp"] < 1
    assert {len(h.verdicts) for h in found} == {8}
    text = markdown(found)
    assert len(text.splitlines()) == 4 + 3
    assert all(shape.name in text for shape in SHAPES)


def test_from_the_shell(mrisr_here, tmp_path):
    from MRISuperResolutionLib.io import write_volume

    write_volume(Volume(ground(), Grid(SIZE)), tmp_path / "head_T1w.nii.gz")
    out = tmp_path / "planted.md"
    outcome = mrisr_here(
        "plant",
        tmp_path / "head_T1w.nii.gz",
        "--methods",
        "linear",
        "--factors",
        "1,1,3",
        "--count",
        "3",
        "--out",
        out,
    )
    assert outcome.code == 0, outcome.err
    assert "| linear |" in outcome.out
    assert out.read_text().strip() == outcome.out.strip()
    for options, words in ((["--contrast", "0"], "--contrast"), (["--methods", "magic"], "magic"), ([], "nothing")):
        data = [tmp_path / "head_T1w.nii.gz"] if options else []
        outcome = mrisr_here("plant", *data, "--methods", "linear", *options)
        assert outcome.code == 2
        assert words in outcome.err
