"""Training against a critic: the losses by hand, runs that go on, export and use, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from MRISuperResolutionLib.dataset.subjects import Truth, normalised
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.models.card import find_card
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.pipeline.upscale import upscale
from MRISuperResolutionLib.runtime.device import Computing
from MRISuperResolutionLib.training.callbacks import LAST, read_checkpoint
from MRISuperResolutionLib.training.config.presets import preset
from MRISuperResolutionLib.training.config.validation import check_fit
from MRISuperResolutionLib.training.curves import read_curves
from MRISuperResolutionLib.training.data.patch_dataset import PatchStream
from MRISuperResolutionLib.training.data.simulation import simulated
from MRISuperResolutionLib.training.export import export
from MRISuperResolutionLib.training.losses.adversarial import (
    gradient_penalty,
    joint_sparsifying_transform,
    total_variation,
    wasserstein,
)
from MRISuperResolutionLib.training.losses.perceptual import STAGES, Perceptual, layout
from MRISuperResolutionLib.training.modules.gan import CircleLesson
from MRISuperResolutionLib.training.optim import rate_at
from MRISuperResolutionLib.training.run import train
from MRISuperResolutionLib.training.validate import Examiner

SIZE = (40, 38, 36)

CPU = Computing(device="cpu")

SMALL = {
    "gan-cpce": {"architecture": {"filters": 3}},
    "gan-circle": {"architecture": {"layers": 2, "filters": 4, "last_filters": 3}},
}

FEW = {
    "batch": 2,
    "patch": 32,
    "patches_per_block": 2,
    "critic_steps": 2,
    "critic_filters": 2,
    "steps": 6,
    "validate_every": 3,
    "save_every": 1,
    "log_every": 1,
    "learning_rate": 1e-3,
}

COLOURS = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums in another order are other sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vgg_tensors(widths=(2, 2, 3, 3, 4)):
    """What torchvision's VGG-19 is called in a file, with few random filters."""
    torch.manual_seed(0)
    filters = [width for width, count in zip(widths, STAGES, strict=True) for _ in range(count)]
    tensors = {"classifier.0.weight": torch.zeros(1)}
    for place, inputs, outputs in zip(layout(), [3, *filters], filters, strict=False):
        tensors[f"features.{place}.weight"] = 0.3 * torch.randn(outputs, inputs, 3, 3)
        tensors[f"features.{place}.bias"] = 0.1 * torch.rand(outputs)
    return tensors


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file(vgg_tensors(), path)
    return path


@pytest.fixture(scope="module")
def truths():
    made = []
    for seed, split in enumerate(("train", "validate")):
        volume = normalised(Volume(brain_phantom(SIZE, "T2w", seed=seed).astype(np.float32), Grid(SIZE)))
        made.append(Truth(f"head {seed}", "T2w", split, PLANES, "CC0", "here", volume))
    return made


def protocol_of(name, vgg, **settings):
    return preset(name, **{**SMALL[name], **FEW, "vgg": vgg if name == "gan-cpce" else None, **settings})


# losses


def test_the_penalty_of_a_linear_critic_is_its_slope_s():
    """w.x has the slope |w| = sqrt(4 * 9 * 0.25) = 3 everywhere: (3 - 1) squared."""
    weight = torch.full((1, 1, 4, 9), 0.5)
    true, made = torch.rand(5, 1, 4, 9), torch.rand(5, 1, 4, 9)

    def critic(images):
        return (weight * images).flatten(1).sum(dim=1, keepdim=True)

    assert gradient_penalty(critic, true, made).item() == pytest.approx(4.0, rel=1e-5)
    expected = critic(made).mean() - critic(true).mean() + 10 * 4
    assert wasserstein(critic, true, made, 10.0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_penalty_teaches_the_critic():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    gradient_penalty(critic, torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)).backward()
    assert critic[1].weight.grad.abs().max() > 0


def test_the_total_variation_of_a_ramp_is_its_slopes():
    ramp = (0.5 * torch.arange(6.0)[:, None] - 0.25 * torch.arange(8.0))[None, None]
    assert total_variation(ramp).item() == pytest.approx(0.75)
    assert total_variation(torch.ones(2, 1, 5, 5)) == 0
    # the error of half of the ramp is the other half
    found = joint_sparsifying_transform(0.5 * ramp, ramp, balance=0.2)
    assert found.item() == pytest.approx(0.2 * 0.375 + 0.8 * 0.375)
    assert joint_sparsifying_transform(ramp, ramp, balance=0.2).item() == pytest.approx(0.2 * 0.75)


def test_the_perceptual_loss_is_that_of_vgg_19_s_sixteenth_convolution(vgg):
    assert layout() == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    perceptual = Perceptual(vgg)
    layers = list(perceptual.network)
    # five stages of which the last is not halved
    assert [n for n, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)] == [4, 9, 18, 27]
    assert len(layers) == 36
    result, target = torch.rand(2, 1, 32, 32, requires_grad=True), torch.rand(2, 1, 32, 32)
    tensors, colours = vgg_tensors(), torch.cat([(result - m) / d for m, d in COLOURS], dim=1)
    others = torch.cat([(target - m) / d for m, d in COLOURS], dim=1)
    for place, layer in enumerate(layers):
        if place in layout():
            weight, bias = tensors[f"features.{place}.weight"], tensors[f"features.{place}.bias"]
            colours, others = (nn.functional.conv2d(x, weight, bias, padding=1) for x in (colours, others))
        else:
            colours, others = layer(colours), layer(others)
    loss = perceptual(result, target)
    assert loss.item() == pytest.approx(((colours - others) ** 2).mean().item(), rel=1e-4)
    assert perceptual(target, target) == 0
    loss.backward()
    assert result.grad.abs().max() > 0


def test_the_rate_is_constant_for_half_of_the_run_and_falls_in_a_line():
    protocol = preset("gan-cpce")
    rates = [protocol.learning_rate * rate_at(protocol.steps * tenths // 10, protocol) for tenths in (0, 2, 5, 10)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-4, 2e-6])
    assert protocol.learning_rate * rate_at(protocol.steps * 3 // 4, protocol) == pytest.approx(5.1e-5)


# k-space


def test_the_source_is_the_central_quarter_of_the_slice_s_spectrum(truths):
    protocol = preset("gan-cpce")
    source, target = simulated(truths[0], build(protocol.architecture), protocol, np.random.default_rng(0))
    assert source.shape == target.shape
    spectrum, whole = (np.fft.fftshift(np.fft.fft2(image[0])) for image in (source, target))
    rows, columns = (np.abs(np.fft.fftshift(np.fft.fftfreq(n))) <= 0.25 for n in source.shape[1:])
    kept = rows[:, None] & columns
    assert np.abs(spectrum[kept] - whole[kept]).max() < 1e-3 * np.abs(whole).max()
    assert np.abs(spectrum[~kept]).max() < 1e-3 * np.abs(whole).max()


# runs


@pytest.mark.parametrize("name", SMALL)
def test_a_killed_run_goes_on_as_if_it_had_not_been(truths, vgg, tmp_path, monkeypatch, name):
    protocol = protocol_of(name, vgg, ema=0.9)
    whole = train(protocol, truths, tmp_path / "whole", [(1, 1, 1)], progress=False)
    curves = read_curves(tmp_path / "whole")
    assert curves["critic's loss"][0].tolist() == [1, 2, 3, 4, 5, 6]
    # the generators' last loss is told until their next step
    steps, losses = curves["loss"]
    assert steps.tolist() == [2, 3, 4, 5, 6]
    assert losses[0] == losses[1] != losses[2] == losses[3] != losses[4]
    assert curves["gain 1x1x1"][0].tolist() == [3, 6]
    intact = PatchStream.batch

    def dies_in_the_fifth_batch(stream, number):
        if number == 4:
            raise OSError("killed")
        return intact(stream, number)

    monkeypatch.setattr(PatchStream, "batch", dies_in_the_fifth_batch)
    with pytest.raises(OSError, match="killed"):
        train(protocol, truths, tmp_path / "parts", [(1, 1, 1)], progress=False)
    monkeypatch.undo()
    assert read_checkpoint(tmp_path / "parts" / LAST)["global_step"] == 3
    resumed = train(protocol, truths, tmp_path / "parts", [(1, 1, 1)], progress=False)
    for key, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], tensor), key
    again = read_curves(tmp_path / "parts")
    for key in ("loss", "critic's loss", "gain 1x1x1"):
        np.testing.assert_array_equal(again[key], curves[key])


@pytest.mark.parametrize("name", SMALL)
def test_both_sides_learn_at_the_rate_of_the_schedule(truths, vgg, tmp_path, name):
    torch.manual_seed(0)
    protocol = protocol_of(name, vgg)
    train(protocol, truths, tmp_path, [(1, 1, 1)], progress=False)
    checkpoint = read_checkpoint(tmp_path / LAST)
    assert checkpoint["global_step"] == 6
    # the network of 6 steps has learned three times
    for state, steps in zip(checkpoint["optimizer_states"], (3, 6), strict=True):
        assert {int(moments["step"]) for moments in state["state"].values()} == {steps}
        assert state["param_groups"][0]["lr"] == pytest.approx(1e-3 * 0.02)
    assert not any("vgg" in key or "perceptual" in key for key in checkpoint["state_dict"])


@pytest.mark.parametrize("name", SMALL)
def test_exported_weights_sharpen_a_volume_on_its_own_grid(truths, vgg, tmp_path, name):
    protocol = protocol_of(name, vgg, steps=2, validate_every=2)
    network = train(protocol, truths, tmp_path / "run", [(1, 1, 1)], progress=False)
    card = export(network, "sharp", "a test", protocol, truths, [(1, 1, 1)], [], tmp_path)
    assert find_card(str(card.path)) == card
    assert card.factors == {"lowest": 1, "highest": 1}
    assert card.acquisition["kspace"] == [0.5, 0.5, 1.0]
    assert card.training["settings"]["kspace"] == 0.5
    assert "vgg" not in json.dumps(card.describe())
    (figure,) = card.figures
    assert figure["factors"] == [1, 1, 1]
    whole = truths[1].volume
    low = Volume(Acquisition.gaussian((1, 1, 1), kept=(0.5, 0.5, 1)).apply(whole.array), whole.grid)
    result = upscale(low, str(card.path), scale=[1], plane="axial", computing=CPU)
    assert result.grid == low.grid
    assert result.array.shape == SIZE
    assert np.abs(result.array - low.array).max() > 0


def test_the_gain_is_that_over_the_truncated_image(truths, vgg):
    protocol = protocol_of("gan-circle", vgg)
    network = build(protocol.architecture)
    nn.init.zeros_(network.tail.weight)
    assert Examiner(truths[1:], network.eval(), protocol, [(1, 1, 1)])(network)["gain 1x1x1"] == 0


def test_circle_s_generators_lower_the_four_losses_as_weighted(vgg):
    """Of networks that change nothing, cycles and identities are perfect: what is left is adversarial and sparse."""
    protocol = protocol_of("gan-circle", vgg, sparsity_weight=2.0, cycle_weight=3.0, identity_weight=5.0)
    lesson = CircleLesson(build(protocol.architecture), protocol, lambda network: {})
    x, y = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)
    for generator in (lesson.network, lesson.back):
        nn.init.zeros_(generator.tail.weight)
        nn.init.zeros_(generator.tail.bias)
    judged = lesson.judge_y(x).mean() + lesson.judge_x(y).mean()
    sparsity = joint_sparsifying_transform(x, y, 0.5)
    assert lesson.generators_loss(x, y).item() == pytest.approx((2 * sparsity - judged).item(), rel=1e-4)
    nn.init.constant_(lesson.back.tail.bias, 0.1)
    # F adds 0.1: F(G(x)) and G(F(y)) are 0.1 off, and so is F(x)
    judged = lesson.judge_y(x).mean() + lesson.judge_x(y + 0.1).mean()
    expected = 2 * sparsity - judged + 3 * (0.1 + 0.1) + 5 * 0.1
    assert lesson.generators_loss(x, y).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_a_loss_that_is_no_number_ends_the_run(truths, vgg, tmp_path, name):
    protocol = protocol_of(name, vgg, learning_rate=1e30)
    with pytest.raises(RequestError, match=r"the loss is \S+ at step \d: lower the learning rate"):
        train(protocol, truths, tmp_path, [(1, 1, 1)], progress=False)


def test_it_trains_in_bfloat16(truths, vgg, tmp_path):
    for name in SMALL:
        protocol = protocol_of(name, vgg, steps=2, precision="bfloat16")
        network = train(protocol, truths, tmp_path / name, [(1, 1, 1)], progress=False)
        assert all(torch.isfinite(p).all() for p in network.parameters())


# what is refused


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gan-cpce", {"vgg": "none"}, "--vgg"),
        ("gan-circle", {"patch": 31}, "32 or more"),
        ("gan-circle", {"gradient_clip": 1.0}, "gradient_clip"),
        ("gan-circle", {"precision": "float16"}, "bfloat16"),
        ("gan-circle", {"devices": 2}, "one process"),
        ("gan-circle", {"architecture": {"name": "ReCNN"}, "factors": "2,2,2"}, "2D network"),
        ("gan-circle", {"architecture": {"name": "MCSR"}}, "without references"),
        ("gan-circle", {"architecture": {"name": "ResNet"}, "factors": []}, "target grid"),
        ("gan-circle", {"kspace": 1.0}, "nothing to learn"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(vgg, name, settings, message):
    protocol = preset(name, **{"vgg": vgg, **settings})
    with pytest.raises(RequestError, match=message):
        check_fit(protocol, build(protocol.architecture))


def broken(how):
    tensors = vgg_tensors()
    if how == "a layer missing":
        del tensors["features.34.bias"]
    elif how == "another kernel":
        tensors["features.0.weight"] = torch.zeros(2, 3, 5, 5)
    elif how == "channels that do not fit":
        tensors["features.5.weight"] = torch.zeros(3, 7, 3, 3)
    elif how == "another network":
        tensors = {"weight": torch.zeros(2)}
    return tensors


@pytest.mark.parametrize("how", ["a layer missing", "another kernel", "channels that do not fit", "another network"])
def test_another_layout_than_vgg_19_s_is_refused(tmp_path, how):
    save_file(broken(how), tmp_path / "vgg.safetensors")
    with pytest.raises(RequestError, match="torchvision's VGG-19") as refusal:
        Perceptual(tmp_path / "vgg.safetensors")
    assert len(str(refusal.value).splitlines()) == 1


def test_a_file_that_is_missing_or_no_safetensors_is_refused(truths, tmp_path):
    with pytest.raises(RequestError, match="check the path"):
        train(protocol_of("gan-cpce", tmp_path / "none"), truths, tmp_path / "run", [(1, 1, 1)], progress=False)
    assert not (tmp_path / "run").exists()
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(RequestError, match="torchvision's VGG-19"):
        Perceptual(tmp_path / "text")


def test_a_run_is_taken_up_with_the_same_critic(truths, vgg, tmp_path):
    protocol = protocol_of("gan-circle", vgg, steps=2, validate_every=2)
    train(protocol, truths, tmp_path, [(1, 1, 1)], progress=False)
    before = (tmp_path / LAST).read_bytes()
    for change in ({"critic_filters": 3}, {"loss": "mse"}):
        with pytest.raises(RequestError, match="another critic"):
            train(dataclasses.replace(protocol, **change), truths, tmp_path, [(1, 1, 1)], progress=False)
    assert (tmp_path / LAST).read_bytes() == before
