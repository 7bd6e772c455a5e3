"""--model auto: weights that suit the input, and the reason; never ones that were not made for it."""

import dataclasses

import pytest

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.models.card import Card, catalogue
from MRISuperResolutionLib.pipeline.model_selection import choose, gain

HEAD = Grid((60, 60, 50))


def figure(contrast, gained, factors=(2, 2, 2)):
    return {"contrast": contrast, "factors": list(factors), "psnr_db": 30 + gained, "spline_psnr_db": 30.0}


def card(name, contrasts=("T1w",), gained=1.0, **facts):
    usual = {
        "summary": "",
        "architecture": {"name": "ReCNN"},
        "factors": {"lowest": 1.0, "highest": 4.0},
        "dimensions": 3,
        "references": 0,
        "planes": [],
        "spacing_mm": [0.3, 2.0],
        "acquisition": {},
        "training": {},
        "figures": [figure(contrast, gained) for contrast in contrasts],
        "licence": "CC0",
    }
    return Card(name=name, contrasts=list(contrasts), **{**usual, **facts})


PLAIN, BETTER = card("plain"), card("better", gained=2.0)
SLICES = card("slices", dimensions=2, planes=["axial"], factors={"in_plane": 2})
TOLD = card("told", ("T1w", "T2w"), architecture={"name": "NullSpaceNet"})
ONE_AXIS = {"lowest": 1.0, "highest": 1.0, "highest_along_one": 6.0}
GUIDED = card("guided", references=1)


@pytest.mark.parametrize(
    ("cards", "asked", "expected"),
    [
        ([PLAIN, BETTER], {"contrast": "T1w"}, "better"),
        # told of the scan, before the gain on its card
        ([PLAIN, BETTER, TOLD], {"contrast": "T1w"}, "told"),
        # of another contrast
        ([PLAIN, BETTER, TOLD], {"contrast": "T2w"}, "told"),
        # unknown: only what learned from several
        ([PLAIN, BETTER, TOLD], {}, "told"),
        ([PLAIN, SLICES], {"contrast": "T1w", "plane": "axial"}, "slices"),
        ([SLICES, PLAIN], {"contrast": "T1w", "scale": [2, 2, 1]}, "plain"),
        ([PLAIN, GUIDED], {"contrast": "T1w", "references": 1}, "guided"),
        # outside the voxel sizes of its training
        ([PLAIN, dataclasses.replace(BETTER, spacing_mm=[1.5, 2.0])], {"contrast": "T1w"}, "plain"),
    ],
)
def test_the_weights_that_suit_best(cards, asked, expected):
    choice = choose(cards, HEAD, **asked)
    assert choice.card.name == expected
    assert choice.why.startswith(f"{expected}: it learned from T1w")


@pytest.mark.parametrize(
    ("cards", "asked", "words"),
    [
        ([PLAIN], {"contrast": "T2w"}, "learned from T2w"),
        ([PLAIN], {}, "--contrast"),
        ([PLAIN], {"contrast": "T1w", "scale": [6]}, "other factors"),
        ([PLAIN], {"contrast": "T1w", "plane": "axial"}, "plane"),
        ([PLAIN], {"contrast": "T1w", "references": 1}, "references"),
        ([], {"contrast": "T1w"}, "none of the 0"),
        # what nothing can do
        ([PLAIN], {"contrast": "T1w", "scale": [0.5]}, "0.5"),
        ([PLAIN], {"contrast": "T1w", "scale": [2, 2]}, "2 factors"),
        ([PLAIN], {"contrast": "T1w", "spacing": [2, 2, 2]}, "coarser"),
    ],
)
def test_where_none_suits_it_is_said(cards, asked, words):
    with pytest.raises(RequestError, match=words):
        choose(cards, HEAD, **asked)


def test_the_gain_is_that_of_the_contrast():
    one = card("one", figures=[figure("T1w", 1.0), figure("T1w", 2.0), figure("T2w", 9.0)])
    assert gain(one, "T1w", (2, 2, 2)) == pytest.approx(1.5)
    assert gain(one, None, (3, 3, 3)) == pytest.approx(4.0)
    assert gain(card("none", figures=[]), "T1w", (2, 2, 2)) == 0


def test_the_gain_is_that_at_factors_like_those_asked_for():
    both = card("both", figures=[figure("T1w", 5.0), figure("T1w", 1.0, (1, 1, 3)), figure("T1w", 2.0, (3, 1, 1))])
    assert gain(both, "T1w", (2, 2, 2.5)) == pytest.approx(5.0)
    assert gain(both, "T1w", (1, 4, 1)) == pytest.approx(1.5)
    # of thick slices alone
    thick = card("thick", figures=[figure("T1w", 1.2, (1, 1, 3))], factors=ONE_AXIS)
    other = card("other", figures=[figure("T1w", 5.0), figure("T1w", 1.0, (1, 1, 3))])
    assert choose([other, thick], HEAD, "T1w", scale=[1, 1, 3]).card.name == "thick"
    assert choose([other, thick], HEAD, "T1w", scale=[2]).card.name == "other"


@pytest.mark.parametrize("contrast", ["T1w", "T2w", "FLAIR"])
def test_the_shipped_weights_serve_thick_slices_of_every_contrast(contrast):
    thick = Grid((230, 230, 30), spacing=(0.9, 0.9, 3.6))
    choice = choose(catalogue(), thick, contrast, spacing=(0.9, 0.9, 0.9))
    assert contrast in choice.card.contrasts
    assert choice.card.dimensions == 3


def test_from_the_shell(mrisr_here, volume, results):
    named = results / "head_T1w.mha"
    named.write_bytes(volume.read_bytes())
    outcome = mrisr_here("upscale", named, results / "out.nii.gz", "--model", "auto", "--progress", "none")
    assert outcome.code == 0, outcome.err
    assert "it learned from T1w volumes" in outcome.err
    outcome = mrisr_here("upscale", volume, results / "other.nii.gz", "--model", "auto")
    assert outcome.code == 2
    assert "--contrast" in outcome.err
    outcome = mrisr_here("upscale", volume, results / "other.nii.gz", "--model", "auto", "--contrast", "T1w")
    assert outcome.code == 0, outcome.err
    # what is known of a scan may be said to any model
    outcome = mrisr_here("upscale", volume, results / "o.nii.gz", "--model", "spline", "--contrast", "T1w")
    assert outcome.code == 0, outcome.err
