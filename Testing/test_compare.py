"""``mrisr compare``: what is compared with what, the tables, and that no work is done twice."""

import csv

import numpy as np
import pytest

from MRISuperResolutionLib.dataset.subjects import Truth
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.evaluation import compare as comparing
from MRISuperResolutionLib.evaluation.case import Case, cases
from MRISuperResolutionLib.evaluation.entrants import contender, family, listed
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.tissue import tissue
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import write_volume
from MRISuperResolutionLib.methods import METHODS
from MRISuperResolutionLib.physics.acquisition import Acquisition

SIZE = (24, 28, 20)


@pytest.fixture
def heads(tmp_path):
    """A folder with two heads, in T1w."""
    folder = tmp_path / "heads"
    folder.mkdir()
    for number, size in enumerate((SIZE, (26, 24, 22))):
        write_volume(Volume(brain_phantom(size, "T1w"), Grid(size)), folder / f"sub-{number}_T1w.nii.gz")
    return folder


def truth(planes=PLANES, contrast="T1w", array=None, **facts):
    array = brain_phantom(SIZE, contrast) if array is None else array
    return Truth("head", contrast, "validate", planes, "CC0", "phantom", Volume(array, Grid(array.shape)), **facts)


def scores(folder):
    with (folder / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def test_list_names_every_method_once(mrisr_here):
    names = mrisr_here("compare", "--list").out.split()
    assert names[: len(METHODS)] == list(METHODS)
    assert len(set(names)) == len(names)
    assert "plain" in names


def test_tables_hold_every_method_on_every_volume(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    methods = ["linear", "ibp", "plain", "slices"]
    outcome = mrisr_here("compare", heads, "--factors", "2", "1,1,2", "--methods", *methods, "--out", out)
    assert outcome.code == 0, outcome.err
    rows = scores(out)
    assert len(rows) == 2 * 2 * 5
    psnr = {(r["subject"], r["label"], r["method"]): r["psnr_db"] and float(r["psnr_db"]) for r in rows}
    for subject in ("sub-0", "sub-1"):
        for label in ("T1w 2x2x2", "T1w 1x1x2"):
            assert psnr[subject, label, "linear"] < psnr[subject, label, "spline"] < psnr[subject, label, "ibp"]
            assert psnr[subject, label, "plain"] > 0
            # a network of slices is no match for volumes
            assert psnr[subject, label, "slices"] == ""
    assert "| slices | - |" in outcome.out
    assert (out / "scores.md").read_text(encoding="utf-8") in outcome.out


def test_a_network_that_explains_the_scan_beats_one_that_does_not(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    options = ["--factors", "2", "--methods", "plain", "plain+consistent", "--out", out]
    outcome = mrisr_here("compare", heads, *options)
    assert outcome.code == 0, outcome.err
    found = {(r["subject"], r["method"]): r for r in scores(out)}
    psnr, unexplained = ({k: float(r[name]) for k, r in found.items()} for name in ("psnr_db", "unexplained"))
    for subject in ("sub-0", "sub-1"):
        assert psnr[subject, "plain+consistent"] > psnr[subject, "plain"] + 1
        # a volume explains a scan without noise
        assert unexplained[subject, "plain+consistent"] < 2e-3 < 0.01 < unexplained[subject, "plain"]


def test_the_noise_of_the_truth_limits_what_can_be_reached(mrisr_here, tmp_path):
    heads = tmp_path / "heads"
    heads.mkdir()
    size, level = (48, 48, 48), 0.1
    clean = brain_phantom(size, "T1w").astype(np.float32)
    noise = np.random.default_rng(0).normal(0, level * np.ptp(clean), size).astype(np.float32)
    write_volume(Volume(clean + noise, Grid(size)), heads / "sub-0_T1w.nii.gz")
    limits = {}
    for factors in ("2", "1,1,2"):
        out = tmp_path / factors
        options = ["--factors", factors, "--methods", "ibp", "plain", "--everywhere", "--out", out]
        outcome = mrisr_here("compare", heads, *options)
        assert outcome.code == 0, outcome.err
        rows = scores(out)
        (limits[factors],) = {float(row["limit_db"]) for row in rows}
        assert all(float(row["psnr_db"]) < limits[factors] for row in rows)
        assert f" {limits[factors]:.2f} |" in outcome.out
    # of a scan of an eighth of the voxels less is foretold than of one of half of them
    assert limits["1,1,2"] - limits["2"] == pytest.approx(10 * np.log10((7 / 8) / (1 / 2)), abs=0.01)
    expected = 20 * np.log10(np.ptp(clean + noise) / (level * np.ptp(clean) * np.sqrt(7 / 8)))
    assert limits["2"] == pytest.approx(expected, abs=1)


def test_what_is_told_of_the_blur_need_not_be_true(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    methods = ["plain", "plain+untold", "ibp", "ibp+sigma=1", "ibp+sigma=2", "ibp+untold", "ibp+sharp"]
    methods += ["plain+sharp"]
    outcome = mrisr_here("compare", heads, "--sigma", "1.4", "--methods", *methods, "--out", out)
    assert outcome.code == 0, outcome.err
    psnr = {(r["subject"], r["method"]): float(r["psnr_db"]) for r in scores(out)}
    for subject in ("sub-0", "sub-1"):
        assert psnr[subject, "ibp"] > psnr[subject, "ibp+sigma=1"] > psnr[subject, "spline"]
        # where there was nothing to undo, nothing is undone
        assert psnr[subject, "ibp+sigma=1"] > psnr[subject, "ibp+sharp"] > psnr[subject, "spline"] - 0.5
        assert psnr[subject, "plain+sharp"] != psnr[subject, "plain"]
        # it takes the same blur for granted, but no noise
        assert psnr[subject, "ibp"] > psnr[subject, "ibp+untold"] > psnr[subject, "ibp+sigma=1"]
        assert psnr[subject, "plain+untold"] == psnr[subject, "plain"]


def test_a_scan_may_be_blurred_as_wide_as_its_voxels(mrisr_here, heads, tmp_path):
    scored = {}
    for blur in ("fixed", "thickness"):
        options = ["--blur", blur, "--factors", "4", "--methods", "linear", "--out", tmp_path / blur]
        assert mrisr_here("compare", heads, *options).code == 0
        scored[blur] = [float(row["psnr_db"]) for row in scores(tmp_path / blur)]
    assert scored["fixed"] != scored["thickness"]


def test_slices_are_degraded_in_their_plane_alone(mrisr_here, heads, tmp_path):
    outcome = mrisr_here(
        "compare", heads, "--planes", "axial", "coronal", "--methods", "slices", "linear", "--out", tmp_path / "out"
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    rows = scores(tmp_path / "out")
    assert {row["label"] for row in rows} == {"T1w 2x2 axial", "T1w 2x2 coronal"}
    assert all(row["psnr_db"] for row in rows)


def test_no_work_is_done_twice(heads, tmp_path, monkeypatch):
    done, interrupted = [], [KeyboardInterrupt]
    attempt = comparing.attempt

    def recorded(method, case, *how):
        if len(done) == 3 and interrupted:
            raise interrupted.pop()
        done.append((method, case.truth.subject))
        return attempt(method, case, *how)

    monkeypatch.setattr(comparing, "attempt", recorded)
    from MRISuperResolutionLib.dataset.load import gather
    from MRISuperResolutionLib.runtime.device import Computing

    chosen = cases(gather(str(heads)), [[2]], [], Acquisition.gaussian((1, 1, 1)))

    def compare(*methods):
        return list(comparing.compare(chosen, methods, tmp_path / "scores", Computing()))

    with pytest.raises(KeyboardInterrupt):
        compare("linear", "bicubic")
    assert done == [("linear", "sub-0"), ("bicubic", "sub-0"), ("linear", "sub-1")]
    first = compare("linear", "bicubic")
    assert done[3:] == [("bicubic", "sub-1")]
    again = compare("linear", "bicubic")
    assert len(done) == 4
    assert {(s.method, s.subject, s.psnr_db) for s in again} == {(s.method, s.subject, s.psnr_db) for s in first}
    assert all(score.picture.size for score in again)
    # a damaged score is made anew, and others than the methods asked for are left alone
    damaged = sorted((tmp_path / "scores").iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-40])
    compare("linear", "bicubic")
    assert len(done) == 5


def test_processes_find_what_one_finds(mrisr_here, heads, tmp_path):
    for jobs in ("1", "2"):
        options = ["--methods", "linear", "sinc", "--jobs", jobs]
        outcome = mrisr_here("compare", heads, *options, "--out", tmp_path / jobs)
        assert outcome.code == 0, outcome.err
    one, two = scores(tmp_path / "1"), scores(tmp_path / "2")
    assert [(r["method"], r["psnr_db"]) for r in one] == [(r["method"], r["psnr_db"]) for r in two]


def test_noise_is_the_same_for_every_method():
    case = Case(truth(), Acquisition.gaussian((2, 2, 2), noise="rician", noise_level=0.05))
    (_, first), (_, second) = case.pair(), case.pair()
    assert np.array_equal(first.array, second.array)
    assert not np.array_equal(first.array, Case(case.truth, Acquisition.gaussian((2, 2, 2))).pair()[1].array)


def test_tissue_encloses_dark_fluid_and_leaves_the_background_and_its_rim_out():
    array = np.zeros((20, 20, 20), np.float32)
    array[4:16, 4:16, 4:16] = 1
    array[8:12, 8:12, 8:12] = 0
    inside = tissue(array)
    assert inside[9, 9, 9]
    assert inside.sum() == 8**3
    # a head that goes on beyond the volume has no rim there
    cut = tissue(array[6:])
    assert cut[0, 9, 9]


@pytest.mark.parametrize("factor", [2, 3])
def test_every_nth_sample_stands_at_the_centre_of_its_cell(factor):
    """The truth is brought to the cells of the scanner's samples, and not these to the truth's."""

    def wave(i, k):
        return np.broadcast_to(
            (2 + np.sin(i / 5)[:, None, None] + np.cos(k / 4)).astype(np.float32), (len(i), 8, len(k))
        )

    whole = truth(array=wave(np.arange(24), np.arange(20)))
    acquisition = Acquisition.gaussian((factor, 1, factor), sigma=0.0, sampling="corners")
    high, low = Case(whole, acquisition).pair()
    assert np.allclose(low.array, whole.volume.array[::factor, :, ::factor], atol=1e-5)
    assert low.grid.distance_to(high.grid) < 1e-9
    assert high.grid.spacing == pytest.approx((1, 1, 1))
    i, k = (np.arange(n) + 0.5 - factor / 2 for n in (high.grid.size[0], high.grid.size[2]))
    # beyond the faces the truth goes on as in a mirror
    assert np.allclose(high.array[3:-3, :, 3:-3], wave(i, k)[3:-3, :, 3:-3], atol=2e-3)


def test_protocols_are_the_papers_and_options_override_them(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    outcome = mrisr_here(
        "compare", heads, "--protocol", "du2019", "--methods", "linear", "--planes", "axial", "--out", out
    )
    assert outcome.code == 0, outcome.err
    rows = scores(out)
    assert {row["label"] for row in rows} == {f"T1w {f}x{f} axial radius 1 corners" for f in (2, 3, 4)}
    psnr = {(r["subject"], r["label"], r["method"]): float(r["psnr_db"]) for r in rows}
    for subject in ("sub-0", "sub-1"):
        for factor in (2, 3, 4):
            label = f"T1w {factor}x{factor} axial radius 1 corners"
            assert psnr[subject, label, "spline"] > psnr[subject, label, "linear"]
    outcome = mrisr_here("compare", heads, "--protocol", "mri-gan", "--methods", "nearest", "--out", out)
    assert outcome.code == 0, outcome.err
    rows = scores(out)
    assert {row["label"] for row in rows} == {"T1w 1x1 axial k-space 0.5"}
    # nothing is to be interpolated, and nothing above Nyquist is restored
    assert len({(r["subject"], r["psnr_db"]) for r in rows}) == 2
    assert all(float(row["high_frequency_error"]) == pytest.approx(1, abs=0.01) for row in rows)


def test_several_protocols_in_one_run_ask_for_a_case_once(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    protocols = ("--protocol", "volumes", "pham2017", "mri-gan")
    outcome = mrisr_here("compare", heads, *protocols, "--methods", "spline", "--out", out)
    assert outcome.code == 0, outcome.err
    own = [row["label"] for row in scores(out) if row["subject"] == "sub-0"]
    mixed = ["T1w 2x2x3", "T1w 2x2.5x2", "T1w 2x3x3", "T1w 2.5x2.5x2.5"]
    assert own == ["T1w 2x2x2", "T1w 3x3x3", "T1w 4x4x4", *mixed, "T1w 1x1 axial k-space 0.5"]


def test_every_kind_of_case_has_its_picture(mrisr_here, heads, tmp_path):
    out = tmp_path / "out"
    outcome = mrisr_here("compare", heads, "--factors", "2", "1,1,3", "--methods", "linear", "slices", "--out", out)
    assert outcome.code == 0, outcome.err
    assert {path.name for path in out.glob("*.png")} == {"t1w-2x2x2.png", "t1w-1x1x3.png"}


def test_a_family_stands_for_the_weights_that_serve_the_case(monkeypatch, weights):
    assert family("dggrn-t2w-x3") == "dggrn"
    assert family("recnn10-t1w") == "recnn10"
    assert family("recnn10-t1w-t2w") == "recnn10"
    assert family("gan-cpce-t2w") == "gan-cpce"
    monkeypatch.setenv("MRISR_WEIGHTS", str(weights))
    assert "guided" in listed()
    volume = Case(truth(), Acquisition.gaussian((2, 2, 2)))
    _, low = volume.pair()
    # it needs a reference
    assert contender("guided", volume, low, 0) is None
    model, references = contender("guided", volume, low, 2)
    assert (model.name, references) == ("guided", 1)
    # it learned from another contrast
    other = Case(truth(contrast="T2w"), Acquisition.gaussian((2, 2, 2)))
    assert contender("plain", other, other.pair()[1], 0) is None
    assert contender("nmu", other, other.pair()[1], 2)[1] == 1


@pytest.mark.parametrize(
    ("factors", "plane", "name"),
    [((2, 2, 2), None, "recnn10-multimodal"), ((2, 2, 1), "axial", "recnn2d-multimodal")],
)
def test_of_a_family_slices_and_volumes_have_their_own(factors, plane, name):
    assert family(name) == "multimodal"
    case = Case(truth(), Acquisition.gaussian(factors), plane)
    assert contender("multimodal", case, case.pair()[1], 1)[0].name == name


def test_a_truth_serves_where_it_is_true():
    axial = truth(planes=("axial",))
    found = cases([axial, truth()], [[2]], ["axial", "sagittal"], Acquisition.gaussian((1, 1, 1), kept=(0.5,) * 3))
    assert [(case.truth is axial, case.plane) for case in found] == [
        (True, "axial"), (False, "axial"), (False, "sagittal")
    ]  # fmt: skip
    assert found[0].acquisition.factors == (2, 2, 1)
    assert [getattr(axis, "kept", 1) for axis in found[0].acquisition.axes] == [0.5, 0.5, 1]
    with pytest.raises(RequestError, match="none of the volumes"):
        cases([axial], [[2]], [], Acquisition.gaussian((1, 1, 1)))
    # as volumes too, where nothing is asked of them across the slices
    assert [
        case.acquisition.factors for case in cases([axial], [[1, 2, 3]], [], Acquisition.gaussian((1, 1, 1)))
    ] == [(2, 3, 1)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nothing to compare"),
        (["HEADS", "--methods", "magic"], "unknown method 'magic'"),
        (["HEADS", "--factors", "2,3"], "2,3"),
        (["HEADS", "--factors", "two"], "two"),
        (["HEADS", "--factors", "2,2,1", "--planes", "axial"], "single numbers"),
        (["HEADS", "--jobs", "0"], "--jobs"),
        (["HEADS", "--contrasts", "PDw"], "PDw"),
        (["HEADS", "--kspace", "2"], "k-space"),
        (["HEADS", "--methods", "nmu+consistent"], "for networks"),
        (["HEADS", "--methods", "linear+sigma=1"], "linear undoes no blur"),
        (["HEADS", "--methods", "nmu+sigma=1.2.3"], "unknown method 'nmu+sigma=1.2.3'"),
        (["HEADS", "--methods", "nmu+sigma=1000"], "sigma is 1000"),
        (["HEADS", "--blur", "thickness", "--sigma", "1"], "--sigma is of the fixed blur"),
        (["HEADS", "--blur", "none", "--radius", "1"], "--radius is of the blur"),
    ],
)
def test_refused_in_one_sentence(mrisr_here, heads, tmp_path, options, words):
    outcome = mrisr_here("compare", *[heads if o == "HEADS" else o for o in options], "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1
    assert words in outcome.err
    assert not (tmp_path / "out").exists()
