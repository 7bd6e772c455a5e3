"""mrisr benchmark: what it prints adds up, what is compared is the same image; how fast anything is, no test says."""

import json

import numpy as np
import pytest
import torch

from MRISuperResolutionLib.benchmark import scaling
from MRISuperResolutionLib.benchmark.baselines import (
    DEFAULT,
    Task,
    Window,
    best_window,
    computed_voxels,
    monai,
    plain,
)
from MRISuperResolutionLib.benchmark.peak_flops import convolution_peak
from MRISuperResolutionLib.image.linear_operators import spline_matrix
from MRISuperResolutionLib.inference.engine import bytes_per_voxel, planned, run_network
from MRISuperResolutionLib.inference.stream import share_to_compute
from MRISuperResolutionLib.io.arrays import Channels, Interpolated
from MRISuperResolutionLib.networks import build

CPU = torch.device("cpu")

SMALL = {"name": "ReCNN", "layers": 3, "filters": 4}


def task(architecture=SMALL, size=(20, 22, 24)):
    torch.manual_seed(0)
    network = build(architecture).eval()
    source = np.random.default_rng(0).random((network.inputs, *size)).astype(np.float32)
    return Task(network, source, CPU, torch.float32)


def test_json_says_what_was_measured(mrisr_here):
    outcome = mrisr_here(
        "benchmark", "--quick", "--json", "--size", "24", "26", "28", "--models", "plain", "slices",
        "--precision", "float32", "--device", "cpu",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["machine"]["threads"] == torch.get_num_threads()
    assert [result["model"] for result in told["results"]] == ["plain", "slices"]
    for result in told["results"]:
        assert result["seconds"] > 0
        assert result["voxels_per_s"] == pytest.approx(24 * 26 * 28 / result["seconds"])
        assert result["share_of_peak"] > 0
        assert result["redundant_share"] == 0
        assert result["deviation"] < 1e-5
        assert result["speedup_over_plain"] > 0


def test_thick_slices_are_measured_by_their_factors(mrisr_here):
    outcome = mrisr_here(
        "benchmark", "--alone", "--json", "--size", "24", "26", "28", "--factors", "1,1,2", "--repeat", "1",
        "--models", "plain", "--precision", "float32",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (result,) = json.loads(outcome.out)["results"]
    assert result["voxels_per_s"] == pytest.approx(24 * 26 * 28 / result["seconds"])


def test_a_step_of_training_is_measured_by_the_trainer(mrisr_here):
    outcome = mrisr_here("benchmark", "--training", "--json", "--models", "slices", "--precision", "float32")
    assert outcome.code == 0, outcome.err
    (told,) = json.loads(outcome.out.splitlines()[-1])["training"]
    assert told["patches_per_s"] == pytest.approx(told["batch"] / told["seconds"])
    assert told["hours_of_the_papers_patches"] == pytest.approx(
        640_000 / told["batch"] * told["seconds"] / 3600, rel=0.01
    )


def test_growth_is_drawn_and_told_with_the_powers_that_it_follows(mrisr_here, results, monkeypatch):
    monkeypatch.setattr(scaling, "LAYERS", (3, 6))
    monkeypatch.setattr(scaling, "SHARES", (0.25, 1e-9))
    path, threads = results / "growth.png", torch.get_num_threads()
    outcome = mrisr_here(
        "benchmark", "--growth", path, "--json", "--quick", "--size", "48", "48", "48", "--models", "plain"
    )
    assert outcome.code == 0, outcome.err
    assert path.read_bytes().startswith(b"\x89PNG")
    told = json.loads(outcome.out)["growth"]
    assert told["edge"] == 48
    large, seconds = ({cause: [] for cause in scaling.CAUSES} for _ in range(2))
    for point in told["points"]:
        large[point["cause"]].append(point["large"])
        seconds[point["cause"]].append(point["seconds"])
        assert point["seconds"] > 0
    assert large["voxels"] == [32**3, 48**3]
    assert large["layers"] == [3, 6]
    assert large["threads"][0] == 1
    assert large["threads"][-1] == threads
    whole, quarter = large["GiB allowed"]
    assert quarter == pytest.approx(whole / 4, rel=1e-5)
    # one run: the usual one, of whichever cause
    assert seconds["voxels"][-1] == seconds["layers"][0] == seconds["GiB allowed"][0] == seconds["threads"][-1]
    slope = np.log(seconds["layers"][1] / seconds["layers"][0]) / np.log(2)
    assert told["slopes"]["layers"]["seconds"] == pytest.approx(slope)


def test_a_power_is_that_of_a_straight_line_of_logarithms():
    points = [scaling.Point("voxels", x, 3 * x**1.5, None if x == 4 else 2 / x) for x in (1, 2, 4, 8)]
    found = scaling.slopes([*points, scaling.Point("threads", 1, 2.0, 2.0)])
    assert found["voxels"] == {"seconds": pytest.approx(1.5), "gib": pytest.approx(-1)}
    assert found["threads"] == {"seconds": None, "gib": None}


def test_nothing_of_the_volume_that_grows_is_background():
    low = np.random.default_rng(0).random((16, 16, 16), np.float32)
    source = Channels([Interpolated(low, [spline_matrix(16, 32)] * 3)])
    assert share_to_compute(build(SMALL), source) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "8", "80", "80"], "16 or more"),
        (["--repeat", "0"], "--repeat"),
        (["--models", "magic"], "magic"),
        (["--device", "toaster"], "toaster"),
        (["--models", "slices", "--factors", "2"], "leave out --factors"),
        (["--models", "plain", "--factors", "1,2"], "1,1,3"),
        (["--models", "plain", "--factors", "1,1,5"], "from 1 to 4"),
        (["--training", "--factors", "2"], "--factors says nothing of what --training measures"),
        (["--memory", "1", "--precision", "float32"], "--precision says nothing of what --memory measures"),
        (["--memory", "1", "--alone"], "--alone"),
        (["--training", "--memory", "1"], "--memory says nothing of what --training measures"),
        (["--growth", "a.png", "--memory", "1"], "--growth says nothing of what --memory measures"),
        (["--growth", "a.png", "--precision", "float32"], "--precision says nothing of what --growth measures"),
        (["--growth", "a.png", "--size", "32", "32", "32"], "48 or more"),
        (["--growth", "a.png", "--size", "64", "64", "80"], "the same even number"),
        (["--growth", "a.png", "--models", "plain", "slow"], "leave slow out"),
        (["--growth", "a.png", "--models", "slices"], "3D ReCNN"),
        (["--growth", "a.nii"], "the ending .png"),
    ],
)
def test_refused_in_one_sentence(mrisr_here, options, words):
    outcome = mrisr_here("benchmark", *options)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert words in outcome.err


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_peak_is_not_passed_by_the_processor(dimensions):
    # a core does at most 4,096 operations a cycle, and no clock is quicker than 10 GHz
    assert (
        1e6 < convolution_peak(dimensions, CPU, torch.float32, seconds=0.01) < 4096 * 1e10 * torch.get_num_threads()
    )


def test_plain_is_what_the_engine_makes():
    for architecture in (SMALL, {"name": "DGGRN", "factor": 2, "filters": 4, "blocks": 1}):
        one = task(architecture)
        ours = run_network(one.network, one.source, device=CPU)
        np.testing.assert_allclose(plain(one).reshape(ours.shape), ours, atol=1e-5)


def test_monai_makes_the_same_away_from_its_seams():
    pytest.importorskip("monai")
    one = task(size=(30, 30, 30))
    truth = plain(one)
    np.testing.assert_allclose(monai(one, DEFAULT), truth, atol=1e-5)
    cut = monai(one, Window(20, 0.5))
    assert np.abs(cut - truth)[..., :10, :10, :10].max() < np.abs(cut - truth).max()


def test_the_best_window_overlaps_by_what_the_network_sees_and_fits():
    one = task(size=(64, 64, 64))
    bytes_voxel = bytes_per_voxel(one.network, torch.float32)
    assert best_window(one, 10**12).side >= 64
    most = bytes_voxel * 50**3
    window = best_window(one, most)
    assert window.side == 48
    assert window.overlap * window.side >= 2 * one.network.receptive_radius
    assert best_window(one, 1) is None


def test_windows_are_counted_as_monai_lays_them():
    pytest.importorskip("monai")
    seen = []
    one = task(size=(30, 41, 24))
    one.network.register_forward_hook(lambda network, given, made: seen.append(made[:, 0].numel()))
    monai(one, Window(16, 0.4))
    assert sum(seen) == computed_voxels((30, 41, 24), 16, 0.4)


def test_planned_voxels_are_the_ones_computed():
    one = task(size=(40, 40, 40))
    assert planned(one.network, (40, 40, 40), torch.float32, 10**12) == 40**3
    assert planned(one.network, (40, 40, 40), torch.float32, 1) is None
    assert planned(one.network, (40, 40, 40), torch.float32, 60_000) > 40**3
