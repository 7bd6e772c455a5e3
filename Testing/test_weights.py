"""Weight files and their cards: what is saved is what is loaded, and nothing altered is."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.models.card import (
    Card,
    baselines,
    catalogue,
    find_card,
    load_network,
    read_card,
    save_network,
)
from MRISuperResolutionLib.models.registry import find_model
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.physics.encoding import SliceProfile
from MRISuperResolutionLib.pipeline.input_checks import check_told
from MRISuperResolutionSlicer.model_list import offered


@pytest.fixture
def saved(tmp_path):
    network = build({"name": "ReCNN", "layers": 2, "filters": 3})
    card = Card(
        name="tiny",
        summary="a test",
        architecture=network.architecture,
        contrasts=["T1w"],
        factors={"lowest": 1, "highest": 2},
        dimensions=3,
        references=0,
        planes=[],
        spacing_mm=[1, 1],
        acquisition={"blur": "fixed", "sigma": 1.0, "radius": None},
        training={"data": []},
        figures=[{"subject": "nobody"}],
        licence="CC BY 4.0",
    )
    return network, save_network(network, card, tmp_path)


def test_saved_weights_come_back(saved):
    network, card = saved
    loaded = load_network(find_card(str(card.path)))
    assert loaded.architecture == network.architecture
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def test_half_precision_weights_are_computed_with_in_single(saved, tmp_path):
    network, card = saved
    half = save_network(network.half(), card, tmp_path / "half")
    assert half.bytes < card.bytes
    assert all(t.dtype == torch.float32 for t in load_network(half).state_dict().values())


def test_the_file_describes_itself(saved):
    _, card = saved
    with safe_open(card.path, framework="pt") as file:
        inside = json.loads(file.metadata()["card"])
    on_disk = read_card(card.path.with_suffix(".json")).describe()
    assert inside["architecture"] == on_disk["architecture"]
    assert inside.items() <= on_disk.items()
    assert {"training", "acquisition", "licence", "contrasts", "factors"} <= inside.keys()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:], lambda b: b""]
)
def test_an_altered_file_is_refused(saved, damage):
    _, card = saved
    card.path.write_bytes(damage(card.path.read_bytes()))
    with pytest.raises(RequestError, match="damaged or altered"):
        load_network(card)


def test_weights_that_do_not_fit_their_card_are_refused(saved, tmp_path):
    _, card = saved
    wrong = save_network(build({"name": "ReCNN", "layers": 3, "filters": 3}), card, tmp_path / "wrong")
    with pytest.raises(RequestError, match="do not fit"):
        load_network(wrong)


def test_baselines_are_found_by_name_and_are_not_offered(saved, tmp_path, monkeypatch):
    network, card = saved
    save_network(network, replace(card, name="tiny-baseline"), tmp_path / "baselines")
    monkeypatch.setenv("MRISR_WEIGHTS", str(tmp_path))
    assert [c.name for c in catalogue()] == ["tiny"]
    assert [c.name for c in baselines()] == ["tiny-baseline"]
    assert load_network(find_card("tiny-baseline")).architecture == network.architecture
    assert find_model("tiny-baseline") == baselines()[0]


def test_every_shipped_model_loads_and_its_card_is_complete():
    assert catalogue()
    for card in [*catalogue(), *baselines()]:
        network = load_network(card)
        assert network.dimensions == card.dimensions
        assert network.references == card.references
        assert card.bytes == card.path.stat().st_size
        assert card.summary
        assert card.figures
        assert all(step["command"].startswith("mrisr train") for step in card.training["commands"])
        assert all(data["licence"] for data in card.training["data"])
        noncommercial = any("NC" in data["licence"] for data in card.training["data"])
        assert ("NC" in card.licence) == noncommercial
        # nobody trains on the subjects that the figures are from
        trained_on = {data["subject"] for data in card.training["data"]}
        assert not trained_on & {figure["subject"] for figure in card.figures}


def test_what_is_offered_in_slicer_differs_by_its_name():
    titles = [model.title for model in offered()]
    assert len(set(titles)) == len(titles)


def test_the_factors_of_thick_slices_go_further_along_one_axis_alone():
    card = replace(find_card("nullspace"), factors={"lowest": 1.0, "highest": 4.0, "highest_along_one": 6.0})
    assert card.takes((1, 1, 6))
    assert card.takes((5, 4, 4))
    assert not card.takes((1, 5, 5))
    assert not card.takes((1, 1, 6.1))
    assert card.range_text == "from 1 to 4, along one axis up to 6"
    thick = replace(card, factors={"lowest": 1.0, "highest": 1.0, "highest_along_one": 6.0})
    assert thick.range_text == "1, along one axis up to 6"


@pytest.mark.parametrize(
    ("acquisition", "words"),
    [
        (Acquisition.gaussian((2, 2, 2), 6.0), "blur of up to 3"),
        (Acquisition.gaussian((2, 2, 2), 1.0, noise="rician", noise_level=0.5), "noise of up to 0.06"),
        (Acquisition.gaussian((2, 2, 2), 1.5, noise="rician", noise_level=0.05), None),
        (Acquisition((1, 1, 6), (SliceProfile(),) * 3), None),
    ],
)
def test_nothing_is_told_far_from_what_was_learned(acquisition, words):
    card = find_card("nullspace")
    if words is None:
        check_told(card, acquisition)
        return
    with pytest.raises(RequestError, match=words):
        check_told(card, acquisition)
