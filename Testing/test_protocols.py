"""The papers' protocols and the choices in them, against the papers' numbers and values worked out by hand."""

import argparse
import copy
import csv
import dataclasses
import itertools

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from MRISuperResolutionLib.cli.commands.train import add_options
from MRISuperResolutionLib.cli.main import main
from MRISuperResolutionLib.dataset.subjects import Truth, normalised
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import write_volume
from MRISuperResolutionLib.models.card import Card, find_card, load_network, read_card, save_network
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.networks.base import SCHEMES, initialise
from MRISuperResolutionLib.networks.recnn import ReCNN
from MRISuperResolutionLib.pipeline.request import plan
from MRISuperResolutionLib.pipeline.upscale import upscale
from MRISuperResolutionLib.runtime.device import Computing
from MRISuperResolutionLib.training.config.fields import setting
from MRISuperResolutionLib.training.config.presets import PRESETS, preset
from MRISuperResolutionLib.training.config.run_config import Job
from MRISuperResolutionLib.training.config.train_config import ADVERSARIAL, Protocol, draw_factors, parse_factors
from MRISuperResolutionLib.training.config.validation import check_fit
from MRISuperResolutionLib.training.config.yaml_file import (
    make_job,
    make_protocol,
    overridden,
    read_settings,
    settings_text,
)
from MRISuperResolutionLib.training.data.augmentation import bent, brightened, draw_turn, turned
from MRISuperResolutionLib.training.data.patch_dataset import PatchStream
from MRISuperResolutionLib.training.export import export
from MRISuperResolutionLib.training.losses.reconstruction import gradient_loss, loss_of
from MRISuperResolutionLib.training.modules.factory import make_stream
from MRISuperResolutionLib.training.optim import OPTIMISERS, make_optimiser
from MRISuperResolutionLib.training.run import train
from MRISuperResolutionLib.training.warm_start import warm_start

CPU = Computing(device="cpu")

SIZE = (60, 58, 56)

TINY = {"layers": 3, "filters": 4}


def scan(seed, contrast):
    return normalised(Volume(brain_phantom(SIZE, contrast, seed=seed).astype(np.float32), Grid(SIZE)))


@pytest.fixture(scope="module")
def truths():
    """Two heads, each in T1w with its T2w and FLAIR as companions."""
    made = []
    for seed, split in enumerate(("train", "validate")):
        others = {contrast: scan(seed, contrast).array for contrast in ("FLAIR", "T2w")}
        made.append(Truth(f"head {seed}", "T1w", split, PLANES, "CC0", "here", scan(seed, "T1w"), others))
    return made


def training(truths):
    return [truth for truth in truths if truth.split == "train"]


def parameters(network):
    return sum(p.numel() for p in network.parameters())


# presets


@pytest.mark.parametrize(
    ("name", "sizes", "count"),
    [
        ("recnn", {}, 888_769),
        ("recnn", {"layers": 20}, 1_995_329),
        ("multiscale", {}, 1_995_329),
        # a reference gives each of the 64 filters of the first layer 27 weights more
        ("multimodal", {}, 888_769 + 27 * 64),
        ("multimodal", {"references": 2}, 888_769 + 2 * 27 * 64),
        # 3 x 3 in place of 3 x 3 x 3: a third of the weights, the same 577 biases
        ("recnn2d", {}, (888_769 - 577) // 3 + 577),
        # see test_paper_networks.py
        ("srcnn3d", {}, 52_801),
        ("scsr", {}, 407_233),
        ("scsr-multi", {}, 298_434),
        ("gan-cpce", {}, 62_337),
        ("gan-circle", {}, 160_057),
    ],
)
def test_the_presets_networks_have_the_papers_size(name, sizes, count):
    assert parameters(build(preset(name, architecture=sizes).architecture)) == count


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("recnn", {"patch": 25, "batch": 64, "learning_rate": 1e-3, "bias_rate": 0.1, "decay": 0.1, "steps": 10_000}),
        ("recnn", {"initialisation": "he", "loss": "mse", "optimiser": "adam", "flips_and_rotations": False}),
        ("recnn2d", {"patch": 25, "radius": 1, "bias_rate": 0.1, "initialisation": "he"}),
        ("dggrn", {"patch": 12, "batch": 64, "learning_rate": 1e-4, "decay": 0.9, "radius": 1, "sigma": 1}),
        ("dggrn", {"initialisation": "xavier", "loss": "mse", "flips_and_rotations": True, "decay_every": 20 / 65}),
        ("multimodal", {"architecture": {"name": "ReCNN", "layers": 10, "references": 1}}),
        ("srcnn3d", {"patch": 33, "batch": 256, "initialisation": "normal-0.001", "bias_rate": 0.1, "loss": "mse"}),
        ("scsr", {"patch": 12, "batch": 64, "learning_rate": 1e-4, "radius": 1, "loss": "mse"}),
        ("scsr-multi", {"architecture": {"name": "MCSR", "references": 1}, "loss": "mse", "radius": 1}),
        ("gan-cpce", {"patch": 64, "kspace": 0.5, "learning_rate": 1e-4, "decay": 0.02, "schedule": "linear"}),
        ("gan-circle", {"patch": 64, "kspace": 0.5, "loss": "circle", "penalty_weight": 10}),
    ],
)
def test_the_presets_numbers_are_the_papers(name, numbers):
    assert numbers.items() <= vars(preset(name)).items()


def test_resnet_is_dggrn_without_guidance():
    guided, plain = (dataclasses.asdict(preset(name)) for name in ("dggrn", "resnet"))
    assert (guided.pop("architecture")["name"], plain.pop("architecture")["name"]) == ("DGGRN", "ResNet")
    assert guided == plain


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("filters", "blocks"), [(32, 2), (128, 12)])
def test_dggrn_has_the_sizes_of_the_papers_tables(factor, filters, blocks):
    sizes = {"factor": factor, "filters": filters, "blocks": blocks}
    network = build(preset("dggrn", architecture=sizes).architecture)
    assert sizes.items() <= network.architecture.items()


def test_one_multiscale_network_is_shown_several_factors_along_each_axis():
    rng = np.random.default_rng(0)
    drawn = [draw_factors(preset("multiscale").factors, rng) for _ in range(200)]
    assert {(2, 2, 2), (3, 3, 3)} <= set(drawn)
    uneven = [factors for factors in drawn if len(set(factors)) == 3]
    assert len(uneven) > 30
    assert all(2 <= f <= 3 for f in itertools.chain(*drawn))


def test_in_2d_the_factor_across_the_slices_stays_there():
    rng = np.random.default_rng(0)
    drawn = {draw_factors((parse_factors("2,3,1"),), rng, dimensions=2) for _ in range(30)}
    assert drawn == {(2, 3, 1), (3, 2, 1)}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_its_batches(truths, name):
    # the adversarial ones' patches are larger than these heads
    critic = {"patch": 32, "vgg": "vgg19.safetensors"} if preset(name).loss in ADVERSARIAL else {}
    protocol = preset(name, batch=3, **critic)
    network = build(protocol.architecture)
    check_fit(protocol, network)
    made, again = (make_stream(training(truths), network, protocol).batch(7) for _ in range(2))
    space = (protocol.patch,) * network.dimensions
    if network.restoring:
        # blocks of the truth, whose scans are smaller
        assert made.highs.shape == (3, *space)
        assert made.sources.shape == (3, network.inputs, *made.lows.shape[1:])
    else:
        assert made[0].shape == (3, network.inputs, *space)
        assert made[1].shape == (3, 1, *(n * network.factor for n in space))
    tensors = [(one, other) for one, other in zip(made, again, strict=True) if isinstance(one, torch.Tensor)]
    assert len(tensors) >= 2
    assert all(one.dtype == torch.float32 and torch.equal(one, other) for one, other in tensors)


def test_workers_bring_the_batches_in_the_same_order(truths):
    protocol = preset("recnn2d", batch=2)
    network = build(protocol.architecture)
    stream = PatchStream(training(truths), network, protocol)
    stream.position = 5
    loader = DataLoader(stream, batch_size=None, num_workers=2)
    for number, (source, target) in zip(range(5, 10), loader, strict=False):
        expected = PatchStream(training(truths), network, protocol).batch(number)
        assert torch.equal(source, expected[0])
        assert torch.equal(target, expected[1])


# choices


@pytest.mark.parametrize(
    "choices",
    [
        {"optimiser": "adam", "initialisation": "he", "loss": "mse"},
        {"optimiser": "sgd", "initialisation": "xavier", "loss": "l1"},
        {"optimiser": "nesterov", "initialisation": "normal-0.01", "loss": "gradient"},
        {"optimiser": "rmsprop", "initialisation": "normal-0.001", "loss": "relative"},
        {"loss": "gradient", "precision": "bfloat16", "architecture": {"gradient_input": True}},
    ],
    ids=lambda choices: " ".join(map(str, choices.values())),
)
def test_every_choice_trains(truths, tmp_path, choices):
    sizes = {**TINY, **choices.pop("architecture", {})}
    few = {"batch": 2, "patch": 13, "steps": 2, "log_every": 1}
    protocol = preset("recnn", architecture=sizes, **few, **choices)
    network = train(protocol, training(truths), tmp_path, [], progress=False)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    log = csv.DictReader((tmp_path / "log" / "version_0" / "metrics.csv").read_text().splitlines())
    losses = [float(row["loss"]) for row in log if row["loss"]]
    assert len(losses) == 2
    assert np.isfinite(losses).all()


def test_another_optimiser_brings_the_papers_settings_unless_others_are_given():
    sgd = preset("recnn", optimiser="sgd")
    assert (sgd.learning_rate, sgd.gradient_clip) == (0.1, 0.4)
    assert preset("recnn", optimiser="nesterov").learning_rate == 1e-4
    assert preset("recnn", optimiser="sgd", learning_rate=0.01, gradient_clip="none").gradient_clip is None
    assert preset("recnn", optimiser="adam") == preset("recnn")


def test_optimisers_step_as_the_papers_equations_say():
    """Two steps under a gradient of 1, by Eqs. 7, 8, 10 and 11 of Pham et al."""
    rate, momentum = 0.1, 0.9
    expected = {
        "sgd": rate + rate * (1 + momentum),
        "nesterov": rate * (1 + momentum) + rate * (1 + momentum * (1 + momentum)),
        "rmsprop": rate / np.sqrt(0.01) + rate / np.sqrt(0.99 * 0.01 + 0.01),
        "adam": 2 * rate,
        "adam-0.5": 2 * rate,
    }
    assert expected.keys() == OPTIMISERS.keys()
    for name, way in expected.items():
        network = ReCNN(**TINY)
        before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
        protocol = preset("recnn", optimiser=name, learning_rate=rate, bias_rate=0.1)
        optimiser = make_optimiser(network, protocol)
        for _ in range(2):
            for p in network.parameters():
                p.grad = torch.ones_like(p)
            optimiser.step()
        for key, tensor in network.state_dict().items():
            wanted = way * (0.1 if key.endswith("bias") else 1)
            torch.testing.assert_close(before[key] - tensor, torch.full_like(tensor, wanted), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("he", np.sqrt(2 / (64 * 27))),
        ("xavier", np.sqrt(1 / (64 * 27))),
        ("normal-0.01", 0.01),
        ("normal-0.001", 0.001),
    ],
)
def test_weights_begin_as_the_paper_says(scheme, deviation):
    network = ReCNN(layers=3)
    initialise(network, scheme)
    hidden = network.body[2]
    assert hidden.weight.std().item() == pytest.approx(deviation, rel=0.02)
    if scheme == "xavier":
        assert hidden.weight.abs().max() <= np.sqrt(3 / (64 * 27))
    assert all((layer.bias == 0).all() for layer in network.body[::2])
    assert set(SCHEMES) == {"he", "xavier", "normal-0.01", "normal-0.001"}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_gradient_loss_of_a_ramp(dimensions):
    """Against nothing, a ramp of slope 0.5 has the gradient 0.5 everywhere, and the squares of its values."""
    line = 0.5 * torch.arange(5.0)
    ramp = line.expand(1, 1, *[5] * dimensions)
    loss = gradient_loss(ramp, torch.zeros_like(ramp), weight=3.0)
    assert loss.item() == pytest.approx((line**2).mean().item() + 3 * 0.25)
    # magnitudes are compared: a ramp that falls has none other
    assert gradient_loss(ramp, ramp.flip(-1), weight=1e6).item() == pytest.approx(
        ((line - line.flip(0)) ** 2).mean().item()
    )


def test_gradient_loss_of_a_flat_result_has_finite_slopes():
    flat = torch.zeros(1, 1, 6, 6, 6, requires_grad=True)
    gradient_loss(flat, torch.rand(1, 1, 6, 6, 6), 1.0).backward()
    assert torch.isfinite(flat.grad).all()


def test_losses_of_a_constant_error():
    target = torch.rand(4, 1, 6, 6)
    result, spline = target + 0.1, target + 0.2
    found = {
        name: loss_of(preset("recnn2d", loss=name))(result, target, spline).item()
        for name in ("mse", "l1", "gradient", "relative")
    }
    assert found == pytest.approx({"mse": 0.01, "l1": 0.1, "gradient": 0.01, "relative": 0.01 / 0.04}, rel=1e-3)


# what varies a scan


def test_the_papers_sixteen_flips_and_rotations_are_our_eight():
    image = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4)
    flips = [(), (1,), (2,), (1, 2)]
    papers = [np.rot90(np.flip(image, f), r, (1, 2)).tobytes() for f in flips for r in range(4)]
    ours = {turned(image, draw_turn(2, np.random.default_rng(seed))).tobytes() for seed in range(200)}
    assert len(papers) == 16
    assert set(papers) == ours
    assert {papers.count(one) for one in ours} == {2}


def test_bending_moves_all_channels_alike_and_keeps_intensities():
    truth = scan(0, "T1w").array[:, :, 28]
    images = np.stack([truth, 0.5 * truth])
    result = bent(images, 4.0, 20.0, np.random.default_rng(0))
    assert result.dtype == np.float32
    assert np.abs(result[0] - truth).max() > 0.3
    np.testing.assert_allclose(result[1], 0.5 * result[0], atol=1e-5)
    assert result.min() > truth.min() - 0.3
    assert result.max() < truth.max() + 0.3
    np.testing.assert_allclose(bent(images, 0.0, 20.0, np.random.default_rng(0)), images, atol=1e-5)


def test_bending_moves_as_far_as_asked():
    """A ramp tells the displacement along its axis: smooth, and about as large as its amplitude."""
    ramp = np.broadcast_to(np.arange(400.0, dtype=np.float32)[:, None], (400, 400))[None]
    moved = bent(ramp, 4.0, 40.0, np.random.default_rng(0))[0, 20:-20, 20:-20] - ramp[0, 20:-20, 20:-20]
    assert 2.5 < moved.std() < 4.5
    assert np.abs(np.diff(moved, axis=0)).max() < 1


def test_brightness_is_drawn_for_each_channel():
    images = np.stack([scan(0, contrast).array for contrast in ("T1w", "T2w")])
    ends = np.percentile(brightened(images, 0.5, np.random.default_rng(0)), 99.5, axis=(1, 2, 3))
    assert ((ends > 0.48) & (ends < 1.02)).all()
    assert abs(ends[0] - ends[1]) > 1e-3


# references


def multimodal(references=1, **settings):
    return preset("multimodal", architecture={**TINY, "references": references}, patch=13, batch=32, **settings)


def test_a_reference_shows_the_place_of_the_target(truths):
    truth = training(truths)[0]
    same = dataclasses.replace(truth, companions={"T2w": truth.volume.array * np.float32(0.5)})
    protocol = multimodal(flips_and_rotations=True)
    source, target = PatchStream([same], build(protocol.architecture), protocol).batch(0)
    torch.testing.assert_close(source[:, 1:], 0.5 * target)


def test_any_companion_serves_as_any_reference(truths):
    values = {"FLAIR": 0.3, "T2w": 0.7}
    flat = {name: np.full(SIZE, value, np.float32) for name, value in values.items()}
    truth = dataclasses.replace(training(truths)[0], companions=flat)
    for count in (1, 2):
        protocol = multimodal(references=count)
        source, _ = PatchStream([truth], build(protocol.architecture), protocol).batch(0)
        for channel in range(1, 1 + count):
            assert set(source[:, channel].unique().tolist()) == {np.float32(value) for value in values.values()}
        assert (source[:, 1:].flatten(2).mean(dim=2).sum(dim=1) > 0.99 * (count - 1)).all()


def test_references_are_dropped_as_often_as_asked(truths):
    protocol = multimodal(references=2, drop_reference=0.25)
    stream = PatchStream(training(truths), build(protocol.architecture), protocol)
    source = torch.cat([stream.batch(number)[0] for number in range(12)])
    dropped = (source == 0).flatten(2).all(dim=2).float().mean(dim=0)
    assert dropped[0] == 0
    assert ((dropped[1:] > 0.17) & (dropped[1:] < 0.33)).all()
    kept = PatchStream(training(truths), build(protocol.architecture), multimodal(references=2)).batch(0)[0]
    assert (kept != 0).flatten(2).any(dim=2).all()


def test_a_head_without_companions_serves_only_networks_that_go_without(truths):
    alone = dataclasses.replace(training(truths)[0], companions={})
    protocol = multimodal(references=1)
    network = build(protocol.architecture)
    with pytest.raises(RequestError, match="other contrast"):
        PatchStream([alone], network, protocol)
    assert len(PatchStream([alone, *training(truths)], network, protocol).truths) == 1
    optional = dataclasses.replace(protocol, drop_reference=0.5)
    assert len(PatchStream([alone, *training(truths)], network, optional).truths) == 2
    with pytest.raises(RequestError, match="other contrast"):
        PatchStream([alone], network, optional)


def test_a_network_that_learned_to_go_without_is_served_without(truths, tmp_path):
    protocol = multimodal(drop_reference=0.5, steps=1)
    torch.manual_seed(0)
    network = build(protocol.architecture)
    card = export(network, "with-or-without", "a test", protocol, truths, [(2, 2, 2)], [], tmp_path)
    assert card.references_optional
    assert [figure["references"] for figure in card.figures] == [1, 0]
    low, reference = scan(3, "T1w"), scan(3, "T2w")
    small = Volume(low.array[::2, ::2, ::2].copy(), low.grid.coarsened((2, 2, 2)))
    with_it = upscale(small, str(card.path), references=[reference], computing=CPU)
    without = upscale(small, str(card.path), computing=CPU)
    assert with_it.array.shape == without.array.shape
    assert np.abs(with_it.array - without.array).max() > 1e-3
    with pytest.raises(RequestError, match="up to 1"):
        upscale(small, str(card.path), references=[reference, reference], computing=CPU)


# 2D networks on the target grid


@pytest.fixture(scope="module")
def flat(truths, tmp_path_factory):
    """A 2D ReCNN, trained for a moment, and its card."""
    folder = tmp_path_factory.mktemp("flat")
    protocol = preset(
        "recnn2d", architecture=TINY, factors="2-3,2-3,1", batch=4, steps=2, validate_every=2, patches_per_block=2
    )
    network = train(protocol, truths, folder / "run", [(2, 2, 1)], progress=False)
    assert "gain 2x2x1" in (folder / "run" / "log" / "version_0" / "metrics.csv").read_text()
    return export(network, "flat", "a test", protocol, truths, [(2, 2, 1), (2, 3, 1)], [], folder)


def test_a_2d_network_on_the_target_grid_trains_and_exports(flat):
    assert (flat.dimensions, flat.factors, flat.planes) == (2, {"lowest": 2, "highest": 3}, sorted(PLANES))
    assert [figure["factors"].count(1.0) for figure in flat.figures] == [1, 1]


@pytest.mark.parametrize(
    ("how", "size"),
    [
        ({}, (20, 18, 8)),
        ({"plane": "sagittal"}, (10, 18, 16)),
        ({"scale": [2.5]}, (25, 23, 8)),
        ({"scale": [2, 3, 1], "plane": "axial"}, (20, 27, 8)),
        ({"spacing": [0.5, 0.4, 1], "plane": "axial"}, (20, 23, 8)),
    ],
)
def test_a_2d_network_on_the_target_grid_upscales(flat, how, size):
    volume = Volume(np.random.default_rng(0).random((10, 9, 8)).astype(np.float32), Grid((10, 9, 8)))
    result = upscale(volume, str(flat.path), computing=CPU, **how)
    assert result.array.shape == result.grid.size == size
    assert result.grid.distance_to(volume.grid) < 1e-6


def test_its_slices_are_the_networks_own(flat):
    """Slice by slice, on the spline-interpolated slice."""
    volume = Volume(np.random.default_rng(0).random((10, 9, 8)).astype(np.float32), Grid((10, 9, 8)))
    high, spline = (
        upscale(volume, str(flat.path), acquisition=None, computing=CPU),
        upscale(volume, "spline", scale=[2, 2, 1]),
    )
    with torch.no_grad():
        one = load_network(flat)(torch.from_numpy(np.moveaxis(spline.array, 2, 0)[:, None].copy()))[:, 0].numpy()
    # the volume's own range is all but that of the network
    assert np.abs(np.moveaxis(one, 0, 2) - high.array).max() < 0.03


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"scale": [2, 2, 2]}, "no more of them"),
        ({"scale": [4]}, "from 2 to 3"),
        ({"scale": [1.5, 2, 1]}, "from 2 to 3"),
        ({"spacing": [0.5, 0.5, 0.5]}, "no more of them"),
    ],
)
def test_what_it_was_not_made_for_is_refused(flat, how, message):
    with pytest.raises(RequestError, match=message):
        plan(Grid((10, 9, 8)), flat, plane="axial", **how)


def test_old_cards_take_what_they_always_took():
    old = Card(**{field.name: None for field in dataclasses.fields(Card)} | {"training": {"settings": {"steps": 1}}})
    assert not old.references_optional


# warm start


@pytest.mark.parametrize("kind", [{"name": "ReCNN", "layers": 3}, {"name": "ResNet", "blocks": 2}])
def test_a_network_with_more_inputs_begins_as_that_with_fewer(kind):
    more = {"references": 2, "gradient_input": True} if kind["name"] == "ReCNN" else {"gradient_input": True}
    source, network = build({**kind, "filters": 4}), build({**kind, "filters": 4, **more})
    warm_start(network, source)
    dimensions = network.dimensions
    x = torch.rand(1, 1 + network.references, *[9] * dimensions)
    without = x.clone()
    without[:, 1:] = 0
    torch.testing.assert_close(network(without), source(x[:, :1]))
    if network.references:
        # from zero weights what they say would hardly be learned
        assert (network(x) - network(without)).abs().max() > 0.01
    with pytest.raises(RequestError, match=r"gradient.*choose others"):
        warm_start(source, network)


def test_references_stay_in_their_place_when_the_gradient_comes_between():
    source = build({"name": "ReCNN", **TINY, "references": 1})
    network = build({"name": "ReCNN", "layers": 5, "filters": 4, "references": 2, "gradient_input": True})
    warm_start(network, source)
    x = torch.rand(1, 3, 9, 9, 9)
    x[:, 2] = 0
    torch.testing.assert_close(network(x), source(x[:, :2]))


def test_a_network_for_thick_slices_does_not_begin_as_one_for_all():
    sizes = {"name": "NullSpaceNet", "filters": 4, "blocks": 1}
    thick, other = build({**sizes, "thick_slices": True}), build(sizes)
    assert copy.deepcopy(thick).architecture == thick.architecture
    for network, source in ((thick, other), (other, thick)):
        with pytest.raises(RequestError, match="thick_slices"):
            warm_start(network, source)


# what does not go together


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("recnn", {"drop_reference": 0.5}, "drop"),
        ("recnn", {"elastic_share": 0.5}, "slices"),
        ("recnn", {"factors": []}, "give some"),
        ("recnn", {"factors": "1,1,1"}, "nothing to learn"),
        ("recnn", {"factors": "17,1,1"}, "16"),
        ("recnn", {"sigma_spread": 1.5}, "sigma"),
        ("recnn2d", {"factors": "2,2,2"}, "2,2,1"),
        ("dggrn", {"factors": "2,2,1"}, "leave out"),
        ("resnet", {"loss": "relative"}, "relative"),
        ("null-space", {"architecture": {"thick_slices": True}}, "such as 1,1,2-6"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(name, settings, message):
    protocol = preset(name, **settings)
    with pytest.raises(RequestError, match=message):
        check_fit(protocol, build(protocol.architecture))


def test_volumes_that_hold_no_patch_are_refused(truths):
    protocol = preset("recnn", patch=50)
    with pytest.raises(RequestError, match="50 voxels"):
        PatchStream(training(truths), build({"name": "ReCNN", **TINY}), protocol)
    empty = dataclasses.replace(training(truths)[0], volume=Volume(np.zeros(SIZE, np.float32), Grid(SIZE)))
    with pytest.raises(RequestError, match="no patch"):
        PatchStream([empty], build({"name": "ReCNN", **TINY, "dimensions": 2}), preset("recnn2d")).batch(0)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch": 0},
        {"steps": "2.5"},
        {"noise": 2},
        {"learning_rate": float("nan")},
        {"loss": "none"},
        {"flips_and_rotations": "perhaps"},
        {"factors": [2, 2, 2]},
        {"factors": 2},
        {"architecture": "deep"},
        {"nothing": 1},
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(settings):
    with pytest.raises(RequestError, match=next(iter(settings))):
        preset("recnn", **settings)


# the settings file and the command line

RUN = {"name": "n", "summary": "s: t", "data": "d", "folder": "f", "export": "e"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_settings_file_says_all_of_a_run(tmp_path, name):
    given = {
        **RUN,
        "protocol": name,
        "contrasts": ["T1w", "T2w"],
        "steps": 17,
        "learning_rate": 1e-5,
        "radius": "none",
        "validate_factors": ["2,2,1"],
        "architecture": {"filters": 8},
    }
    protocol, job = make_protocol(given), make_job(given)
    path = tmp_path / "run.yaml"
    path.write_text(settings_text(job, protocol))
    found = read_settings(path)
    assert found.keys() == {field.name for part in (Job, Protocol) for field in dataclasses.fields(part)}
    assert (make_protocol(found), make_job(found)) == (protocol, job)
    assert protocol.radius is None
    changed = make_protocol(overridden(found, {"steps": "18", "architecture": {"filters": 4}}))
    assert changed == dataclasses.replace(protocol, steps=18, architecture={**protocol.architecture, "filters": 4})


def test_a_settings_file_by_hand_is_understood(tmp_path):
    path = tmp_path / "run.yaml"
    # YAML takes 1e-4 for a text
    path.write_text("protocol: recnn\nlearning_rate: 1e-4\nfactors: [1-3,2,2]\ngradient_clip:\nseed: 3\n")
    with pytest.raises(RequestError, match="factors"):
        make_protocol(read_settings(path))
    path.write_text("protocol: recnn\nlearning_rate: 1e-4\nfactors: ['1-3,2,2']\ngradient_clip:\nseed: 3\n")
    protocol = make_protocol(read_settings(path))
    assert (protocol.learning_rate, protocol.seed, protocol.gradient_clip) == (1e-4, 3, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protocol: recnn\nlerning_rate: 1\nptach: 2\n", "lerning_rate, ptach"),
        ("- recnn\n", "no settings"),
        ("a: [1\n", "YAML"),
        ("!!python/object/apply:os.getcwd []\n", "YAML"),
        ("steps: 3\n", "protocol"),
        ("protocol: [recnn]\n", "protocol"),
    ],
)
def test_a_settings_file_that_makes_no_sense_is_refused(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        make_protocol(read_settings(path))


def test_every_setting_has_an_option_that_explains_it():
    parser = argparse.ArgumentParser()
    for part in (Job, Protocol):
        add_options(parser, part)
    options = {action.dest: action for action in parser._actions}
    for field in (field for part in (Job, Protocol) for field in dataclasses.fields(part)):
        assert options[field.name].help, field.name
        assert options[field.name].default is None


def test_a_new_setting_gets_its_option():
    @dataclasses.dataclass(frozen=True)
    class Longer(Protocol):
        more: int = setting(1, explanation="100 % new")

    parser = argparse.ArgumentParser()
    add_options(parser, Longer)
    assert "100 % new" in parser.format_help()
    assert parser.parse_args(["--more", "3"]).more == "3"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of two heads, and the manifest that lists them."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,subject,contrast,split,planes,kspace,licence,source"]
    for seed, split in enumerate(("train", "validate")):
        volume = scan(seed, "T1w")
        write_volume(Volume((1000 * volume.array).astype(np.int16), volume.grid), folder / f"{seed}.nii.gz")
        rows.append(f"{seed}.nii.gz,{seed},T1w,{split},all,1 1 1,CC0,here")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_one_file_reproduces_a_run_and_the_command_line_overrides_it(data, tmp_path, capsys):
    def folders(number):
        return ["--folder", str(tmp_path / f"run{number}"), "--export", str(tmp_path / f"weights{number}")]

    first = ["train", "--protocol", "recnn2d", "--name", "tiny", "--summary", "a test", "--no-bar", *folders(1)]
    first += ["--data", str(data), "--manifest", str(data / "manifest.csv"), "--batch", "2", "--steps", "2"]
    first += ["--architecture", "layers=2", "filters=3", "gradient_input=true", "--no-flips-and-rotations"]
    assert main(first) == 0
    written = tmp_path / "run1" / "settings.yaml"
    assert yaml.safe_load(written.read_text())["flips_and_rotations"] is False
    assert main(["train", "--settings", str(written), "--no-bar", *folders(2)]) == 0
    assert main(["train", "--settings", str(written), "--no-bar", "--steps", "1", "--seed", "5", *folders(3)]) == 0
    networks = [
        load_network(find_card(str(tmp_path / f"weights{n}" / "tiny.safetensors"))).state_dict() for n in (1, 2, 3)
    ]
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0])
    assert not all(torch.equal(networks[0][key], networks[2][key]) for key in networks[0])
    card = read_card(tmp_path / "weights3" / "tiny.json")
    assert (card.training["settings"]["steps"], card.training["settings"]["seed"]) == (1, 5)
    assert card.architecture["gradient_input"] is True
    capsys.readouterr()


def test_settings_can_be_written_and_nothing_else_done(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    options = [word for key, value in RUN.items() for word in (f"--{key}", value)]
    assert main(["train", "--protocol", "dggrn", "--write-settings", str(path), *options]) == 0
    assert make_protocol(read_settings(path)) == preset("dggrn")
    assert list(tmp_path.iterdir()) == [path]
    assert main(["train", "--protocol", "dggrn", "--name", "n"]) == 2
    assert "--summary, --data, --folder, --export" in capsys.readouterr().err


def test_weights_with_a_gradient_input_are_saved_and_loaded(tmp_path):
    network = build({"name": "ResNet", "filters": 3, "blocks": 1, "gradient_input": True})
    facts = {field.name: [] for field in dataclasses.fields(Card) if field.default is dataclasses.MISSING}
    names = {"name": "g", "summary": "", "architecture": network.architecture, "training": {}, "licence": "CC0"}
    card = save_network(network, Card(**{**facts, **names, "dimensions": 2, "references": 0}), tmp_path)
    y = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(load_network(card)(y), network.eval()(y))
