"""Training on small phantoms: the stream, resume, export, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy import ndimage

from MRISuperResolutionLib.cli.main import main
from MRISuperResolutionLib.dataset.subjects import COLUMNS, read_manifest
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.linear_operators import resample
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.tissue import noise_of
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import write_volume
from MRISuperResolutionLib.models.card import find_card
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.pipeline.upscale import upscale
from MRISuperResolutionLib.training.config.presets import preset
from MRISuperResolutionLib.training.config.train_config import draw_factors, parse_factors
from MRISuperResolutionLib.training.data.patch_dataset import PatchStream
from MRISuperResolutionLib.training.export import export
from MRISuperResolutionLib.training.losses.reconstruction import beyond_noise
from MRISuperResolutionLib.training.modules.base import rate_at
from MRISuperResolutionLib.training.run import noted_commands, train
from MRISuperResolutionLib.training.warm_start import warm_start
from MRISuperResolutionLib.training.weights_report import trials

SIZE = (72, 70, 68)

ROWS = [
    {"path": "a.nii.gz", "subject": "a", "contrast": "T1w", "split": "train", "planes": "all"},
    {"path": "b.nii.gz", "subject": "b", "contrast": "T1w", "split": "train", "planes": "axial"},
    {"path": "c.nii.gz", "subject": "c", "contrast": "T1w", "split": "validate", "planes": "all"},
]

RECNN = preset(
    "recnn",
    architecture={"name": "ReCNN", "layers": 3, "filters": 4},
    factors=(parse_factors("1,1,1.5-3"), parse_factors("2,2,2")),
    batch=4,
    patch=17,
    patches_per_block=2,
    steps=6,
    validate_every=3,
)

DGGRN = preset(
    "dggrn",
    architecture={"name": "DGGRN", "factor": 2, "filters": 4, "blocks": 1},
    batch=8,
    steps=4,
    validate_every=4,
)


def write_manifest(folder, rows):
    lines = [",".join(COLUMNS)]
    for row in rows:
        lines.append(
            ",".join(
                {"kspace": "1 1 1", "licence": "CC0", "source": "made here", **row}[column] for column in COLUMNS
            )
        )
    path = folder / "manifest.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate("abc"):
        array = brain_phantom(SIZE, "T1w", seed=seed).astype(np.int16)
        write_volume(Volume(array, Grid(SIZE)), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def truths(data):
    return read_manifest(write_manifest(data, ROWS), data)


def split(truths, name):
    return [truth for truth in truths if truth.split == name]


@pytest.mark.parametrize("protocol", [RECNN, DGGRN], ids=["3D", "2D"])
def test_a_batch_depends_on_its_number_and_the_seed_alone(truths, protocol):
    network = build(protocol.architecture)
    stream = PatchStream(split(truths, "train"), network, protocol)
    source, target = stream.batch(5)
    space = (protocol.patch,) * network.dimensions
    assert source.shape == (protocol.batch, 1, *space)
    assert target.shape == (protocol.batch, 1, *(n * network.factor for n in space))
    again = PatchStream(split(truths, "train"), network, protocol).batch(5)
    assert torch.equal(source, again[0])
    assert not torch.equal(source, stream.batch(6)[0])
    other = PatchStream(split(truths, "train"), network, dataclasses.replace(protocol, seed=1)).batch(5)
    assert not torch.equal(source, other[0])


@pytest.mark.parametrize("protocol", [RECNN, DGGRN], ids=["3D", "2D"])
def test_input_and_target_of_a_patch_show_the_same_place(truths, protocol):
    """A misplaced patch would correlate better with a shifted target than with its own."""
    network = build(protocol.architecture)
    source, target = PatchStream(split(truths, "train"), network, protocol).batch(0)
    pairs = [(resample(x, y.shape), y) for x, y in zip(source[:, 0].numpy(), target[:, 0].numpy(), strict=True)]
    inner = (slice(3, -3),) * network.dimensions

    def error(shift, axis):
        # of all patches: one may show nothing that changes along the axis
        return sum(np.abs(np.roll(fine, shift, axis)[inner] - truth[inner]).mean() for fine, truth in pairs)

    for axis in range(network.dimensions):
        assert error(0, axis) < min(error(1, axis), error(-1, axis))


def test_factors_fall_on_every_axis():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_factors((parse_factors("1,1,2-3"),), rng) for _ in range(60)])
    assert ((drawn > 1).sum(axis=1) == 1).all()
    assert (drawn > 1).any(axis=0).all()
    assert drawn.max() <= 3


@pytest.mark.parametrize("text", ["2,2", "2,2,2,2", "a,b,c", "0.5,1,1", "3-2,1,1", ""])
def test_factors_that_make_no_sense_are_refused(text):
    with pytest.raises(RequestError, match="factors"):
        parse_factors(text)


def test_presets_are_the_papers():
    recnn, dggrn = preset("recnn"), preset("dggrn")
    assert (recnn.patch, recnn.batch, recnn.learning_rate, recnn.bias_rate) == (25, 64, 1e-3, 0.1)
    assert (dggrn.patch, dggrn.batch, dggrn.learning_rate, dggrn.decay) == (12, 64, 1e-4, 0.9)
    assert (dggrn.radius, recnn.radius, dggrn.sigma, recnn.sigma) == (1, None, 1.0, 1.0)
    assert rate_at(0, dggrn) == 1
    assert rate_at(dggrn.steps * 21 // 65, dggrn) == pytest.approx(0.9)
    assert rate_at(dggrn.steps * 61 // 65, dggrn) == pytest.approx(0.9**3)
    with pytest.raises(RequestError, match="protocol"):
        preset("none")


def test_a_killed_run_goes_on_as_if_it_had_not_been(truths, tmp_path, monkeypatch):
    whole = train(RECNN, truths, tmp_path / "whole", [(2, 2, 2)], progress=False)
    intact = PatchStream.batch

    def dies_in_the_fifth_batch(stream, number):
        if number == 4:
            raise OSError("killed")
        return intact(stream, number)

    monkeypatch.setattr(PatchStream, "batch", dies_in_the_fifth_batch)
    with pytest.raises(OSError, match="killed"):
        train(RECNN, truths, tmp_path / "parts", [(2, 2, 2)], progress=False)
    monkeypatch.undo()
    resumed = train(RECNN, truths, tmp_path / "parts", [(2, 2, 2)], progress=False)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=1e-6, atol=1e-7)
    logs = sorted((tmp_path / "parts" / "log").glob("*/metrics.csv"))
    assert len(logs) == 2
    assert all("gain 2x2x2" in log.read_text() for log in logs)


def test_a_run_taken_up_with_other_settings_is_told_as_what_it_was(truths, tmp_path):
    short = dataclasses.replace(RECNN, steps=3)
    for protocol, command in ((short, "first"), (short, "first"), (RECNN, "second")):
        train(protocol, truths, tmp_path, [(2, 2, 2)], command, progress=False)
    assert noted_commands(tmp_path) == [{"from_step": 0, "command": "first"}, {"from_step": 3, "command": "second"}]


def test_training_lowers_the_loss(truths, tmp_path):
    protocol = dataclasses.replace(RECNN, steps=40, validate_every=40, factors=(parse_factors("2,2,2"),))
    network = train(protocol, truths, tmp_path, [(2, 2, 2)], progress=False)
    source, target = PatchStream(split(truths, "train"), network, protocol).batch(1000)
    torch.manual_seed(protocol.seed)
    with torch.no_grad():
        before = torch.nn.functional.mse_loss(build(protocol.architecture)(source), target)
        after = torch.nn.functional.mse_loss(network(source), target)
    assert after < before


@pytest.mark.parametrize("protocol", [RECNN, DGGRN], ids=["3D", "2D"])
def test_exported_weights_serve_upscale(truths, tmp_path, protocol):
    network = build(protocol.architecture)
    card = export(network, "mine", "a test", protocol, truths, [(2, 2, 2)], [], tmp_path)
    assert card.licence == "CC BY 4.0"
    assert card.contrasts == ["T1w"]
    assert [figure["subject"] for figure in card.figures] == ["c"]
    assert {data["subject"] for data in card.training["data"]} == {"a", "b"}
    assert find_card(str(card.path)) == card
    low = Volume(np.random.default_rng(0).random((9, 8, 7)), Grid((9, 8, 7)))
    plane = None if card.dimensions == 3 else "axial"
    high = upscale(low, str(card.path), plane=plane)
    assert high.grid.size == ((18, 16, 14) if plane is None else (18, 16, 7))


def test_one_noncommercial_volume_makes_the_weights_noncommercial(data, tmp_path):
    rows = [{**ROWS[0], "licence": "CC BY-NC 3.0"}, *ROWS[1:2]]
    truths = read_manifest(write_manifest(tmp_path, rows), data)
    card = export(build(RECNN.architecture), "nc", "", RECNN, truths, [(2, 2, 2)], [], tmp_path)
    assert card.licence == "CC BY-NC 4.0"


def test_the_empty_part_of_k_space_is_cropped_away(data, tmp_path):
    rows = [{**ROWS[0], "kspace": "0.5 0.8 1"}]
    (truth,) = read_manifest(write_manifest(tmp_path, rows), data)
    assert truth.volume.grid.size == (36, 56, 68)
    assert truth.volume.grid.distance_to(Grid(SIZE)) < 1e-9
    blurred = resample(Acquisition.gaussian((1, 1, 1), kept=(0.5, 0.8, 1)).apply(np.ones((4, 4, 4))), (4, 4, 4))
    np.testing.assert_allclose(blurred, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ROWS[0], "path": "missing.nii.gz"}], "missing.nii.gz"),
        ([ROWS[0], {**ROWS[2], "subject": "a"}], "both splits"),
        ([{**ROWS[0], "split": "test"}], "split"),
        ([{**ROWS[0], "planes": "oblique"}], "plane"),
        ([{**ROWS[0], "kspace": "2 1"}], "kspace"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(data, tmp_path, rows, message):
    with pytest.raises(RequestError, match=message):
        read_manifest(write_manifest(tmp_path, rows), data)


def test_a_manifest_without_a_column_is_refused(data, tmp_path):
    (tmp_path / "manifest.csv").write_text("path,subject\na.nii.gz,a\n")
    with pytest.raises(RequestError, match="contrast"):
        read_manifest(tmp_path / "manifest.csv", data)


def test_the_command_trains_and_exports(data, tmp_path, capsys):
    command = [
        *("train", "--protocol", "dggrn", "--name", "tiny", "--summary", "a test"),
        *("--manifest", str(write_manifest(tmp_path, ROWS)), "--data", str(data)),
        *("--folder", str(tmp_path / "run"), "--export", str(tmp_path / "weights")),
        *("--architecture", "filters=4", "blocks=1", "--batch", "4", "--steps", "2", "--no-bar"),
    ]
    assert main(command) == 0
    assert "tiny.safetensors" in capsys.readouterr().out
    assert (tmp_path / "run" / "last.ckpt").is_file()
    card = find_card(str(tmp_path / "weights" / "tiny.safetensors"))
    assert card.architecture == {"name": "DGGRN", "factor": 2, "filters": 4, "blocks": 1, "gradient_layers": 4}
    (noted,) = card.training["commands"]
    assert noted["from_step"] == 0
    assert str(data) not in noted["command"]


@pytest.mark.parametrize(
    "extra",
    [
        ["--architecture", "filters"],
        ["--architecture", "dimensions=2"],
        ["--factors", "2,2"],
        ["--protocol", "none"],
        ["--protocol", "dggrn", "--factors", "2,2,2"],
        ["--protocol", "dggrn", "--loss", "relative"],
    ],
)
def test_the_command_refuses_settings_that_make_no_sense(data, tmp_path, extra, capsys):
    manifest = str(write_manifest(tmp_path, ROWS))
    command = ["train", "--protocol", "recnn", "--name", "n", "--summary", "s", "--manifest", manifest]
    command += ["--data", str(data), "--folder", str(tmp_path / "r"), "--export", str(tmp_path / "w"), *extra]
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "r").exists()


def recnn(layers, **sizes):
    return build({"name": "ReCNN", "layers": layers, "filters": 4, **sizes})


def test_a_deeper_network_begins_as_the_shallower_one():
    source, deeper = recnn(3), recnn(6)
    warm_start(deeper, source)
    x = torch.rand(1, 1, 9, 9, 9)
    assert torch.equal(deeper(x), source(x))


def test_a_network_for_another_factor_begins_with_all_but_its_subpixel_layer():
    source, other = (build({"name": "DGGRN", "factor": f, "filters": 4, "blocks": 2}) for f in (2, 3))
    before = other.expand.weight.clone()
    warm_start(other, source)
    assert torch.equal(other.head.weight, source.head.weight)
    assert torch.equal(other.tail.weight, source.tail.weight)
    assert torch.equal(other.expand.weight, before)


@pytest.mark.parametrize(
    ("network", "source"),
    [
        (recnn(3), recnn(6)),
        (recnn(3), recnn(3, filters=8)),
        (recnn(3), build({"name": "DGGRN", "factor": 2, "filters": 4, "blocks": 1})),
        (build({"name": "DGGRN", "factor": 2, "filters": 4, "blocks": 1}), recnn(3)),
    ],
)
def test_a_start_from_another_kind_of_network_is_refused(network, source):
    with pytest.raises(RequestError, match="choose others"):
        warm_start(network, source)


def test_scanners_differ_where_the_protocol_says_so(truths):
    training = [t for t in truths if t.split == "train"]
    network = build(RECNN.architecture)
    plain, varied = (
        PatchStream(training, network, dataclasses.replace(RECNN, sigma_spread=spread, noise=noise)).batch(0)
        for spread, noise in ((0.0, 0.0), (0.3, 0.05))
    )
    assert plain[0].shape == varied[0].shape
    assert not torch.equal(plain[0], varied[0])
    again = PatchStream(training, network, dataclasses.replace(RECNN, sigma_spread=0.3, noise=0.05)).batch(0)
    assert torch.equal(varied[0], again[0])


def test_figures_at_factors_that_are_no_whole_numbers(truths, tmp_path):
    """68 voxels at 1/3.5 are 19, and 19 times 3.5 are not 68: the way back is by the spacing."""
    validate = [t for t in truths if t.split == "validate"]
    card = export(build(RECNN.architecture), "tiny", "a test", RECNN, truths, [(1.0, 1.0, 3.0)], [], tmp_path)
    wide = dataclasses.replace(card, factors={"lowest": 1.0, "highest": 4.0})
    (tmp_path / "tiny.json").write_text(json.dumps(wide.describe()))
    (trial,) = trials(find_card(str(tmp_path / "tiny.safetensors")), validate, RECNN, [(1.0, 1.0, 3.5)])
    assert trial.low.grid.size[2] == 19
    assert trial.result.grid.size == trial.spline.grid.size == SIZE
    assert trial.figure()["spline_psnr_db"] > 10


def test_the_noise_of_a_truth_is_found_and_allowed_for():
    # without its texture, which looks like noise
    clean = ndimage.gaussian_filter(brain_phantom((48, 56, 48), "T1w"), 2) / 1000
    rng = np.random.default_rng(0)
    for noise in (0.02, 0.05):
        errors = rng.normal(0, noise, clean.shape)
        assert noise_of(clean + errors) == pytest.approx(noise, rel=0.15)
        # the third axis as if it had been interpolated
        smooth = ndimage.gaussian_filter1d(clean + errors, 1.5, axis=2)
        left = ndimage.gaussian_filter1d(errors, 1.5, axis=2).std()
        assert noise_of(smooth) == pytest.approx(left, rel=0.15)
        assert np.mean(beyond_noise(np.abs(errors), noise) == 0) == pytest.approx(0.9, abs=0.01)
    # 3-4-5
    reach = 1.6449
    assert beyond_noise(np.array([5.0, 2.0]), 4 / reach) == pytest.approx([3, 0], abs=1e-3)
    assert beyond_noise(torch.tensor([5.0]), 4 / reach).item() == pytest.approx(3, abs=1e-3)
    assert noise_of(np.zeros((8, 8, 8))) == 0
