"""``mrisr ablate``: one thing is varied, all else is the same, and the table says what came of it."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from MRISuperResolutionLib.ablation.run import protocol_of
from MRISuperResolutionLib.ablation.studies import STUDIES, find_variant
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import write_volume
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.training.config.presets import preset

SIZE = (34, 32, 30)

TINY = [
    *("--architecture", "layers=3", "filters=4", "--patch", "9", "--batch", "2", "--patches-per-block", "2"),
    *("--steps", "3", "--validate-every", "2", "--log-every", "1"),
]


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """Three heads in T1w."""
    folder = tmp_path_factory.mktemp("heads")
    for seed in range(3):
        array = brain_phantom(SIZE, "T1w", seed=seed).astype(np.int16)
        write_volume(Volume(array, Grid(SIZE)), folder / f"sub-{seed}_T1w.nii.gz")
    return folder


def findings(folder):
    with (folder / "findings.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_study_varies_one_thing_and_is_judged_at_its_factors(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    options = ["--data", heads, "--validate", "2", "--out", out, *TINY]
    outcome = mrisr_here("ablate", "scales", "--values", "2,2,2", "2,2,2+3,3,3", *options)
    assert outcome.code == 0, outcome.err
    rows = findings(out / "scales")
    assert [row["value"] for row in rows] == ["2,2,2", "2,2,2+3,3,3"]
    # Table 1's factors, also those that a network was not trained for
    for factors in ("2x2x2", "2x2.5x2", "3x3x3"):
        assert all(np.isfinite(float(row[f"gain {factors} db"])) for row in rows)
    assert "2,2,2+3,3,3" in outcome.out
    assert (out / "scales" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_given_stands_beside_what_is_varied():
    study = STUDIES["depth"]
    given = {"steps": 7, "architecture": {"filters": 4}}
    one, other = (protocol_of(study, find_variant(study, value), given) for value in ("3", "5"))
    assert (one.steps, one.architecture["filters"], one.architecture["layers"]) == (7, 4, 3)
    assert replace(one, architecture=other.architecture) == other
    assert one.architecture | {"layers": 5} == other.architecture


def test_a_study_goes_on_where_it_was(mrisr_here, heads, tmp_path):
    options = ["--data", heads, "--validate", "2", "--out", tmp_path, *TINY]
    assert mrisr_here("ablate", "residual", "--values", "yes", *options).code == 0
    first = findings(tmp_path / "residual")
    checkpoint = tmp_path / "residual" / "yes" / "last.ckpt"
    before = checkpoint.stat().st_mtime_ns
    assert mrisr_here("ablate", "residual", *options).code == 0
    both = findings(tmp_path / "residual")
    assert [row["value"] for row in both] == ["no", "yes"]
    assert both[1]["gain 2x2x2 db"] == first[0]["gain 2x2x2 db"]
    assert checkpoint.stat().st_mtime_ns == before
    # so early, the spline is not even reached without it
    assert float(both[0]["gain 2x2x2 db"]) < float(both[1]["gain 2x2x2 db"])


def test_fewer_subjects_are_fewer(mrisr_here, heads, tmp_path):
    options = ["--data", heads, "--validate", "2", "--out", tmp_path, *TINY]
    assert mrisr_here("ablate", "subjects", "--values", "1", "2", *options).code == 0
    one, two = (float(row["gain 2x2x2 db"]) for row in findings(tmp_path / "subjects"))
    assert one != two
    options[options.index(tmp_path)] = tmp_path / "more"
    outcome = mrisr_here("ablate", "subjects", "--values", "1", "3", *options)
    assert outcome.code == 2
    assert "there are 2 subjects" in outcome.err
    # before the first of them is trained
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_of_networks_that_can_be_built(name):
    study = STUDIES[name]
    for value in study.values:
        variant = find_variant(study, value)
        protocol = preset(variant.protocol, **{**study.budget, **variant.settings})
        assert build(protocol.architecture)


def test_list_names_every_study(mrisr_here):
    assert [line.split()[0] for line in mrisr_here("ablate", "--list").out.splitlines()] == list(STUDIES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "name a study"),
        (["magic"], "magic"),
        (["depth"], "--data"),
        (["depth", "--data", "HEADS"], "--validate"),
        (["depth", "--data", "HEADS", "--validate", "2", "--values", "deep"], "deep"),
        (["depth", "--data", "HEADS", "--validate", "2", "--values", "1"], "layers=1"),
        (["optimisers", "--data", "HEADS", "--validate", "2", "--values", "luck"], "luck"),
        (["residual", "--data", "HEADS", "--validate", "2", "--values", "perhaps"], "perhaps"),
    ],
)
def test_refused_in_one_sentence(mrisr_here, heads, tmp_path, options, words):
    outcome = mrisr_here("ablate", *[heads if o == "HEADS" else o for o in options], "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1
    assert words in outcome.err
    assert not (tmp_path / "out").exists()
