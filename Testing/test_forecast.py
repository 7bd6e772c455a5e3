"""What is told before a run: its size, its cost, and where the input lies outside what was trained."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.intensity import Normalisation
from MRISuperResolutionLib.image.linear_operators import resample
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.inference.scan_restoration import Restoration
from MRISuperResolutionLib.inference.stream import share_to_compute
from MRISuperResolutionLib.models.card import catalogue, cost_of, find_card, load_network
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.pipeline.cost_estimate import forecast, processor_rate
from MRISuperResolutionLib.pipeline.foreground_work import share_left
from MRISuperResolutionLib.pipeline.input_checks import contrast_named, warnings
from MRISuperResolutionLib.pipeline.request import plan
from MRISuperResolutionLib.runtime.memory import GIB

SCSR = Path(__file__).parents[1] / "weights" / "baselines" / "scsr-t2w-x2.safetensors"
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
    whole = forecast(THICK, card, asked, 64 * GIB, precision="float32")
    assert whole.target.size == (256, 256, 132)
    assert whole.operations == card.cost["operations"] * 256 * 256 * 132
    # thinner slabs, no work done twice
    thin = forecast(THICK, card, asked, int(1.5 * GIB), precision="float32")
    assert thin.operations == whole.operations
    assert thin.memory <= 1.5 * GIB < whole.memory
    # columns with margins
    cut = forecast(THICK, card, asked, int(0.7 * GIB), precision="float32")
    assert cut.operations > whole.operations
    assert cut.memory <= 0.7 * GIB
    assert cut.seconds(1e11) > whole.seconds(1e11) > whole.seconds(2e11)


def test_half_the_precision_takes_half_the_maps():
    card = find_card("recnn10-t1w")
    exact, half = (
        forecast(THICK, card, plan(THICK, card), 64 * GIB, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert half.operations == exact.operations
    assert 0.5 < half.memory / exact.memory < 0.7


def head(size, noise):
    """A head whose background has ``noise`` or none."""
    array = brain_phantom(size, "T1w")
    return array + noise * np.random.default_rng(0).standard_normal(size).astype(np.float32) * array.max()


def test_the_share_of_a_network_on_the_scans_own_grid(doubting_weights):
    card = find_card(str(doubting_weights / "doubting.safetensors"))
    array = np.pad(head((30, 36, 32), 0.0), ((20, 4), (4, 20), (12, 12)))
    # its axes are sorted by their factors
    factors = (3, 1, 2)
    share = share_left(array, card, plan(Grid(array.shape), card, scale=factors))
    restoration = Restoration(None, [n * f for n, f in zip(array.shape, factors, strict=True)], array.shape)
    source = restoration.source(Normalisation.of(array).apply(array))
    there = share_to_compute(load_network(card), source)
    assert 0.1 < there < 0.8
    assert share == pytest.approx(there, rel=0.1)


def test_the_share_of_thick_slices(tmp_path):
    torch.manual_seed(0)
    network = build({"name": "NullSpaceNet", "filters": 4, "blocks": 1, "guidance_layers": 1, "thick_slices": True})
    save(tmp_path, "thick", network, {"lowest": 1.0, "highest": 1.0, "highest_along_one": 6.0})
    card = find_card(str(tmp_path / "thick.safetensors"))
    array = np.pad(head((40, 50, 32), 0.0), ((41, 8), (8, 40), (6, 6)))
    asked = plan(Grid(array.shape), card, scale=(1, 1, 3))
    restoration = Restoration(None, asked.target.size, array.shape, card.cells)
    source = restoration.source(Normalisation.of(array).apply(array))
    there = share_to_compute(load_network(card), source)
    assert 0.1 < there < 0.8
    assert share_left(array, card, asked) == pytest.approx(there, rel=0.1)
    # a quarter of the voxels are those that the network has
    whole = forecast(Grid(array.shape), card, asked, 8 * GIB)
    assert whole.operations == card.cost["operations"] * math.prod(source.shape[1:])
    with pytest.raises(RequestError, match="along one axis up to 6"):
        plan(Grid(array.shape), card, scale=(2, 2, 3))


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 1, 3)])
def test_the_share_that_is_background_is_told_from_the_input(factors):
    card = find_card("recnn10-t1w")
    array = np.pad(head((32, 40, 32), 0.0), 8)
    asked = plan(Grid(array.shape), card, scale=factors)
    share = share_left(array, card, asked)
    low = Normalisation.of(array).apply(array)
    there = share_to_compute(load_network(card), resample(low, asked.target.size)[None])
    assert 0.1 < there < 0.8
    assert share == pytest.approx(there, rel=0.1)
    whole, rest = (forecast(Grid(array.shape), card, asked, 8 * GIB, share=s).operations for s in (1.0, share))
    assert rest == share * whole


def test_a_noisy_background_leaves_all_the_work_and_so_do_tiles():
    card = find_card("recnn10-t1w")
    array = head((24, 24, 24), 0.05)
    assert share_left(array, card, plan(Grid(array.shape), card)) == 1
    array = np.pad(head((24, 24, 24), 0.0), 8)
    card = find_card(str(SCSR))
    assert share_left(array, card, plan(Grid(array.shape), card)) == 1


@pytest.mark.parametrize("name", ["recnn2d-multimodal", "dggrn-t2w-x2"])
def test_the_share_of_slices_is_told_from_the_input(name):
    card = find_card(name)
    array = np.pad(head((32, 30, 26), 0.0), ((12, 12), (12, 12), (10, 20)))
    asked = plan(Grid(array.shape), card, scale=(1, 2, 2), plane="sagittal")
    share = share_left(array, card, asked)
    low = Normalisation.of(array).apply(array)
    seen = resample(low, asked.source.size)
    there = share_to_compute(load_network(card), np.stack([seen, *[np.zeros_like(seen)] * card.references]))
    assert 0.1 < there < 0.8
    assert share == pytest.approx(there, rel=0.15)


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
        # subjects and groups, not contrasts
        ("ctrl01", None),
        ("sub-ct05_T1w", "T1w"),
        ("PD001_T2w", "T2w"),
        ("MRHead", None),
        ("T1 and T2", None),
        ("", None),
    ],
)
def test_contrast_is_told_from_the_name(text, contrast):
    assert contrast_named(text) == contrast


def test_a_blur_and_a_reference_take_memory():
    card = find_card("recnn10-multimodal")
    asked = plan(THICK, card, spacing=(0.9, 0.9, 1.0))
    plain, told, guided = (
        forecast(THICK, card, asked, 2 * GIB, precision="bfloat16", **given).memory
        for given in ({}, {"told": True}, {"references": 1})
    )
    assert plain < told <= 2 * GIB
    assert plain < guided <= 2 * GIB


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
