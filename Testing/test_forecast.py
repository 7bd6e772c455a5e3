"""What is told before a run: its size, its cost, and where the input lies outside what was trained."""

from dataclasses import replace

import pytest

from MRISuperResolutionLib.forecast import forecast, processor_rate
from MRISuperResolutionLib.grid import Grid
from MRISuperResolutionLib.memory import GIB
from MRISuperResolutionLib.request import plan
from MRISuperResolutionLib.suitability import contrast_named, warnings
from MRISuperResolutionLib.weights import catalogue, cost_of, find_card, load_network

THICK = Grid((256, 256, 44), (0.9, 0.9, 3.0))


@pytest.mark.parametrize("card", catalogue(), ids=lambda card: card.name)
def test_cards_tell_the_cost_of_their_network(card):
    assert card.cost == cost_of(load_network(card))


def test_operations_are_those_of_the_paper():
    # each weight of a 3D ReCNN multiplies and adds once at each voxel; 888,769 parameters, 577 of them biases
    assert find_card("recnn10-t1w").cost["operations"] == 2 * (888_769 - 577)


def test_forecast_of_a_network_counts_its_voxels():
    card = find_card("recnn10-t1w")
    asked = plan(THICK, card, spacing=(0.9, 0.9, 1.0))
    whole = forecast(THICK, card, asked, 64 * GIB)
    assert whole.target.size == (256, 256, 132)
    assert whole.operations == card.cost["operations"] * 256 * 256 * 132
    # thinner slabs, no work done twice
    thin = forecast(THICK, card, asked, 2 * GIB)
    assert thin.operations == whole.operations
    assert thin.memory <= 2 * GIB < whole.memory
    # columns with margins
    cut = forecast(THICK, card, asked, int(0.7 * GIB))
    assert cut.operations > whole.operations
    assert cut.memory <= 0.7 * GIB
    assert cut.seconds(1e11) > whole.seconds(1e11) > whole.seconds(2e11)


def test_forecast_of_slices_counts_those_of_the_input():
    card = find_card("dggrn-t2w-x2")
    asked = plan(THICK, card, plane="axial")
    assert forecast(THICK, card, asked, 64 * GIB).operations == card.cost["operations"] * 256 * 256 * 44


def test_forecast_of_the_spline_is_small():
    outlook = forecast(THICK, None, plan(THICK, None), 8 * GIB)
    assert outlook.operations == 0
    assert outlook.memory < 2 * GIB


def test_a_processor_computes():
    assert 1e8 < processor_rate(0.001) < 1e15


@pytest.mark.parametrize(
    ("text", "contrast"),
    [
        ("sub-01_T1w", "T1w"),
        ("MPRAGE sag", "T1w"),
        ("ax_t2_tse", "T2w"),
        ("T2 FLAIR", "FLAIR"),
        ("pd_tse", "PDw"),
        ("CT-chest", "CT"),
        ("MRHead", None),
        ("T1 and T2", None),
        ("", None),
    ],
)
def test_contrast_is_told_from_the_name(text, contrast):
    assert contrast_named(text) == contrast


def test_no_warning_where_all_is_as_trained():
    card = find_card("recnn10-t1w")
    assert warnings(card, THICK, plan(THICK, card, spacing=(0.9, 0.9, 1.0)), "T1w") == []
    assert warnings(None, THICK, plan(THICK, None), None) == []


def test_warnings_name_contrast_spacing_and_anisotropy():
    card = find_card("recnn10-t1w")
    thicker = replace(THICK, spacing=(0.4, 0.4, 5.0))
    sentences = warnings(card, thicker, plan(thicker, card, scale=[1, 1, 3]), "T2w")
    assert ["T2w" in sentences[0], "0.4 x 0.4 x 1.67 mm" in sentences[1], "12.5 times" in sentences[2]] == [True] * 3
    assert len(sentences) == 3
    assert "check" in warnings(card, THICK, plan(THICK, card, spacing=(0.9, 0.9, 1.0)), None)[0]
