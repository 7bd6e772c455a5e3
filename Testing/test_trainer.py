"""The trainer: what a run keeps, how it goes on and ends, who shares the work, and what it leaves behind."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from MRISuperResolutionLib.cli.main import main
from MRISuperResolutionLib.dataset.load import gather
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import write_volume
from MRISuperResolutionLib.models.card import find_card
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.training.callbacks import BEST, LAST, read_checkpoint, weights_in
from MRISuperResolutionLib.training.config.presets import preset
from MRISuperResolutionLib.training.curves import read_curves, running_mean
from MRISuperResolutionLib.training.validate import Examiner

SIZE = (34, 32, 30)

TINY = {
    "architecture": ("layers=3", "filters=4"),
    "batch": 4,
    "patch": 9,
    "patches-per-block": 2,
    "steps": 12,
    "validate-every": 4,
    "save-every": 3,
    "log-every": 1,
    "ema": 0.9,
}

PNG = b"\x89PNG"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums in another order are other sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A manifest of two phantoms to train on and one to validate on."""
    folder = tmp_path_factory.mktemp("data")
    lines = ["path,subject,contrast,split,planes,licence"]
    for seed, name in enumerate("abc"):
        array = brain_phantom(SIZE, "T1w", seed=seed).astype(np.int16)
        write_volume(Volume(array, Grid(SIZE)), folder / f"{name}.nii.gz")
        lines.append(f"{name}.nii.gz,{name},T1w,{'validate' if name == 'c' else 'train'},all,CC0")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def command(data, folder, protocol="recnn", **settings):
    """The arguments of ``mrisr train`` for a tiny network."""
    said = {"protocol": protocol, "name": "tiny", "summary": "a test", "data": data, "folder": folder}
    said |= {"export": folder / "weights"} | (TINY if protocol == "recnn" else {})
    said |= {name.replace("_", "-"): value for name, value in settings.items()}
    words = ["train", "--no-bar"]
    for name, value in said.items():
        words += [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return words


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a run that nothing broke off."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(command(data, folder)) == 0
    return folder


AFTER_STEP_8 = """
from MRISuperResolutionLib.training.callbacks import Checkpoints
save = Checkpoints.on_train_batch_end
def die(self, trainer, *rest):
    if trainer.global_step == 8:
        os.kill(os.getpid(), 9)
    save(self, trainer, *rest)
Checkpoints.on_train_batch_end = die
"""

IN_MID_WRITE = """
write, written = os.fsync, []
def die(descriptor):
    written.append(descriptor)
    # the settings, the command, checkpoints of steps 3, 4 (the best), 6
    if len(written) == 5:
        os.ftruncate(descriptor, 1000)
        os.kill(os.getpid(), 9)
    write(descriptor)
os.fsync = die
"""

RANK_1_DIES = """
from MRISuperResolutionLib.training.modules.base import Lesson
step = Lesson.training_step
def die(self, *rest):
    if self.global_step == 4 and self.global_rank == 1:
        os.kill(os.getpid(), 9)
    return step(self, *rest)
Lesson.training_step = die
"""


@pytest.fixture(scope="module", autouse=True)
def children(data, tmp_path_factory):
    """Runs in processes of their own, name -> (process, folder); they go on beside the tests in this one."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("killed", "killed-while-saving", "two", "widowed")}
    one = {name: command(data, folder) for name, folder in folders.items()}
    shared = {name: command(data, folder, devices=2) for name, folder in folders.items()}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    started = {
        "killed": child(one["killed"], AFTER_STEP_8),
        "killed-while-saving": child(one["killed-while-saving"], IN_MID_WRITE),
        "two": started_as([*torchrun, "-m", "MRISuperResolutionLib", *shared["two"]]),
        "widowed": child(shared["widowed"], RANK_1_DIES, env=slurm(0)),
        "dead": child(shared["widowed"], RANK_1_DIES, env=slurm(1)),
    }
    yield {name: (process, folders.get(name)) for name, process in started.items()}
    for process in started.values():
        process.kill()
        process.communicate()


def child(arguments, before, env=None):
    """``mrisr``, with the Python statements ``before`` ahead of it."""
    code = f"import os, sys\n{before}\nfrom MRISuperResolutionLib.cli.main import main\nsys.exit(main({arguments!r}))"
    return started_as([sys.executable, "-c", code], env)


def started_as(words, env=None):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def slurm(rank):
    """What srun tells process number ``rank`` of two."""
    job = {"NTASKS": 2, "NTASKS_PER_NODE": 2, "NNODES": 1, "NODEID": 0, "NODELIST": "127.0.0.1", "JOB_NAME": "train"}
    job |= {"JOB_ID": os.getpid(), "PROCID": rank, "LOCALID": rank}
    return {f"SLURM_{name}": str(value) for name, value in job.items()}


def weights(folder, name=LAST):
    return weights_in(read_checkpoint(folder / name))


def assert_same_run(folder, other, tolerance=0.0):
    """The same losses, rates and gains at the same steps, and the same weights."""
    curves, others = read_curves(folder), read_curves(other)
    assert curves.keys() == others.keys()
    for name, (steps, values) in curves.items():
        np.testing.assert_array_equal(steps, others[name][0], err_msg=name)
        if not name.endswith("/s"):
            np.testing.assert_allclose(values, others[name][1], rtol=0, atol=tolerance, err_msg=name)
    for name, tensor in weights(folder).items():
        torch.testing.assert_close(tensor, weights(other)[name], rtol=0, atol=tolerance)


def assert_refused(arguments, capsys, *words):
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1, error
    for word in words:
        assert word in error


# --- a run that ends too soon


def test_a_full_disk_costs_no_checkpoint(data, whole, tmp_path, capsys):
    assert main(command(data, tmp_path, steps=6, schedule="cosine")) == 0
    before = {name: (tmp_path / name).read_bytes() for name in (LAST, BEST)}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before[LAST]) // 2, limit[1]))
    try:
        assert_refused(command(data, tmp_path), capsys, LAST, "as it was", "make room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not list(tmp_path.glob(".*"))
    assert main(command(data, tmp_path)) == 0


def test_a_loss_that_is_no_number_ends_the_run_in_one_sentence(data, tmp_path, capsys):
    assert main(command(data, tmp_path, steps=3)) == 0
    before = (tmp_path / LAST).read_bytes()
    assert_refused(command(data, tmp_path, learning_rate=1e30), capsys, "the loss is nan at step ", "learning rate")
    assert (tmp_path / LAST).read_bytes() == before
    # what the sentence advises is enough
    assert main(command(data, tmp_path, learning_rate=1e-4)) == 0


def test_a_run_taken_up_with_another_learning_rate_has_it_from_the_next_step_on(data, tmp_path):
    assert main(command(data, tmp_path, steps=6)) == 0
    assert main(command(data, tmp_path, learning_rate=1e-5)) == 0
    steps, rates = read_curves(tmp_path)["lr-Adam/weights"]
    assert dict(zip(steps.tolist(), rates.tolist(), strict=True)) == {
        s: 1e-3 if s <= 6 else 1e-5 for s in range(1, 13)
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"architecture": ("layers=4", "filters=4")}, ["another network"]),
        ({"optimiser": "sgd"}, ["optimiser adam"]),
        ({"start": "START"}, ["random weights"]),
    ],
)
def test_a_run_is_taken_up_as_what_it_is(data, whole, capsys, settings, words):
    if "start" in settings:
        settings = {"start": whole / "weights" / "tiny.safetensors"}
    before = (whole / LAST).read_bytes()
    assert_refused(command(data, whole, **settings), capsys, *words)
    assert (whole / LAST).read_bytes() == before


def test_a_damaged_checkpoint_is_named(data, whole, tmp_path, capsys):
    (tmp_path / LAST).write_bytes((whole / LAST).read_bytes()[:2000])
    assert_refused(command(data, tmp_path), capsys, LAST, "cannot be read")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precision": "float16"}, ["float16", "GPU"]),
        ({"devices": 3}, ["3 processes"]),
        ({"validate_factors": "3,3,3"}, ["from 2 to 2"]),
        ({"patience": 0}, ["patience"]),
        ({"ema": 1.5}, ["ema"]),
    ],
)
def test_settings_that_make_no_sense_leave_no_folder(data, tmp_path, capsys, settings, words):
    if settings.get("precision") == "float16" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert_refused(command(data, tmp_path / "run", **settings), capsys, *words)
    assert not (tmp_path / "run").exists()


def test_without_validation_volumes_there_is_no_best(data, tmp_path, capsys):
    (tmp_path / "site.csv").write_text("".join(data.read_text().splitlines(keepends=True)[:2]))
    arguments = command(tmp_path / "site.csv", tmp_path / "run", keep="best")
    (tmp_path / "a.nii.gz").write_bytes((data.parent / "a.nii.gz").read_bytes())
    assert_refused(arguments, capsys, "without validation volumes")


# --- averages, the best, the end


def test_the_average_is_examined_and_kept(data, whole):
    protocol = preset("recnn", architecture={"layers": 3, "filters": 4})
    network = build(protocol.architecture)
    examiner = Examiner([t for t in gather(str(data)) if t.split == "validate"], network, protocol, [(2, 2, 2)])
    network.load_state_dict(weights(whole))
    steps, gains = read_curves(whole)["gain"]
    assert examiner(network)["gain"] == pytest.approx(gains[-1], abs=1e-5)
    now = read_checkpoint(whole / LAST)["current_model_state"]
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in now.items()})
    assert abs(examiner(network)["gain"] - gains[-1]) > 1e-4
    assert steps.tolist() == [4, 8, 12]


def test_training_ends_when_the_gain_no_longer_grows(data, tmp_path, capsys):
    settings = {"learning_rate": 0.5, "ema": 0, "patience": 2, "steps": 400, "validate_every": 2, "keep": "best"}
    assert main(command(data, tmp_path, **settings)) == 0
    steps, gains = read_curves(tmp_path)["gain"]
    best = steps[gains.argmax()]
    assert f"keeping the weights of step {best}, the best" in capsys.readouterr().err
    assert read_checkpoint(tmp_path / BEST)["global_step"] == best
    assert read_checkpoint(tmp_path / LAST)["global_step"] == steps[-1] == best + 4 < 400
    kept = (tmp_path / "weights" / "tiny.safetensors").read_bytes()
    # a run that has ended is exported at once
    assert main(command(data, tmp_path, **settings)) == 0
    assert read_checkpoint(tmp_path / LAST)["global_step"] == steps[-1]
    assert (tmp_path / "weights" / "tiny.safetensors").read_bytes() == kept


def test_the_running_mean_has_the_curve_s_length_and_level():
    np.testing.assert_allclose(running_mean(np.full(300, 3.0)), 3)
    ramp = running_mean(np.arange(300.0))
    assert ramp.shape == (300,)
    np.testing.assert_allclose(ramp[10:-10], np.arange(300)[10:-10])


# --- what is left behind


def test_a_line_that_a_kill_has_cut_is_no_step(tmp_path):
    (tmp_path / "log" / "version_0").mkdir(parents=True)
    (tmp_path / "log" / "version_0" / "metrics.csv").write_text("loss,step\r\n0.5,0\r\n0.25,1\r\n0.125,1")
    steps, losses = read_curves(tmp_path)["loss"]
    assert (steps.tolist(), losses.tolist()) == ([1, 2], [0.5, 0.25])


def test_a_run_leaves_log_pictures_and_weights(whole):
    assert (whole / "curves.png").read_bytes().startswith(PNG)
    assert (whole / "validation.png").read_bytes().startswith(PNG)
    card = find_card(str(whole / "weights" / "tiny.safetensors"))
    assert card.licence == "CC BY 4.0"
    curves = read_curves(whole)
    assert {"loss", "gain", "gain 2x2x2", "steps/s", "patches/s"} <= curves.keys()
    np.testing.assert_allclose(curves["patches/s"][1], 4 * curves["steps/s"][1])
    assert list((whole / "tensorboard").glob("events.*"))


def test_tensorboard_shows_one_curve_of_two_starts(data, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    # the steps that are made again are seen once
    assert main(command(data, tmp_path, steps=8, save_every=6)) == 0
    (tmp_path / LAST).write_bytes((tmp_path / BEST).read_bytes())
    first = read_checkpoint(tmp_path / LAST)["global_step"]
    assert main(command(data, tmp_path)) == 0
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(12))
    assert first < 12


# --- fine-tuning


def test_fine_tuning_goes_on_from_weights_and_says_what_it_gained(data, whole, tmp_path, capsys):
    start = tmp_path / "start.safetensors"
    start.write_bytes((whole / "weights" / "tiny.safetensors").read_bytes())
    card = json.loads((whole / "weights" / "tiny.json").read_text())
    start.with_suffix(".json").write_text(json.dumps({**card, "licence": "CC BY-NC 4.0"}))
    settings = {"steps": 4, "validate_every": 2, "name": "tuned", "start": start}
    assert main(command(data, tmp_path / "run", "finetune", **settings)) == 0
    printed = capsys.readouterr().out
    tuned = find_card(str(tmp_path / "run" / "weights" / "tuned.safetensors"))
    assert tuned.licence == "CC BY-NC 4.0"
    assert tuned.training["start"] == {"name": "tiny", "sha256": card["sha256"], "licence": "CC BY-NC 4.0"}
    assert tuned.architecture == card["architecture"]
    assert tuned.training["settings"]["learning_rate"] == pytest.approx(1e-4)
    assert tuned.training["settings"]["batch"] == 4
    table = list(csv.DictReader((tmp_path / "run" / "before_after.csv").open()))
    assert [row["subject"] for row in table] == ["c", "mean"]
    (before,), (after,) = card["figures"], tuned.figures
    assert float(table[0]["start_psnr_db"]) == pytest.approx(before["psnr_db"], abs=0.006)
    assert float(table[0]["tuned_psnr_db"]) == pytest.approx(after["psnr_db"], abs=0.006)
    assert float(table[0]["spline_ssim"]) == pytest.approx(before["spline_ssim"], abs=6e-5)
    assert (tmp_path / "run" / "before_after.md").read_text() in printed
    # the settings of the run make it again
    assert main(["train", "--settings", str(tmp_path / "run" / "settings.yaml"), "--no-bar"]) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["--start"]),
        ({"start": "TINY", "architecture": ("layers=4",)}, ["leave out the architecture"]),
        ({"start": "TINY", "factors": "3,3,3"}, ["made for factors 2"]),
    ],
)
def test_fine_tuning_stays_with_what_the_weights_were_made_for(data, whole, tmp_path, capsys, settings, words):
    if "start" in settings:
        settings = {**settings, "start": whole / "weights" / "tiny.safetensors"}
    assert_refused(command(data, tmp_path / "run", "finetune", **settings), capsys, *words)


# --- other processes, in the end: they take their time


@pytest.mark.parametrize(("when", "saved"), [("killed", 6), ("killed-while-saving", 3)])
def test_a_killed_run_goes_on_as_if_it_had_not_been(data, whole, children, when, saved):
    process, folder = children[when]
    assert process.wait(timeout=200) == -signal.SIGKILL, process.stderr.read()
    assert read_checkpoint(folder / LAST)["global_step"] == saved
    assert main(command(data, folder)) == 0
    assert_same_run(folder, whole)
    assert len(list((folder / "log").iterdir())) == 2


def test_two_processes_take_the_steps_of_one(whole, children):
    process, folder = children["two"]
    assert process.wait(timeout=200) == 0, process.stderr.read()
    assert_same_run(folder, whole, tolerance=1e-5)
    assert [path.name for path in (folder / "log").iterdir()] == ["version_0"]


def test_a_process_does_not_wait_for_one_that_has_died(children):
    (dead, _), (widowed, folder) = children["dead"], children["widowed"]
    assert dead.wait(timeout=200) == -signal.SIGKILL, dead.stderr.read()
    # it would wait for ten minutes
    assert widowed.wait(timeout=60) == 2
    assert widowed.stderr.read().splitlines()[-1].startswith("error: another process of this run has ended")
    assert read_checkpoint(folder / LAST)["global_step"] == 3
