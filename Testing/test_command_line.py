"""The command line: what it writes, what it refuses and in which words, and what is left when it is stopped."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import Outcome
from volumes import OBLIQUE, blobs, centred_grid, world_of

from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import read_header, read_volume, write_volume
from MRISuperResolutionLib.models.card import find_card

KEY = "MRISuperResolution."


def strict_json(text):
    """As parsers outside Python read it: they know neither NaN nor Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def assert_refused(outcome, *words, code=2):
    """The exit code, and one line on stderr that holds each of ``words``."""
    assert outcome.code == code, outcome.err
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1, outcome.err
    for word in words:
        assert word in outcome.err


def save(path, array, **image):
    """``array`` [k, j, i] as an image file."""
    sitk.WriteImage(sitk.GetImageFromArray(array, **image), str(path))
    return path


def noise(*shape):
    return np.random.default_rng(4).integers(1, 900, shape).astype(np.float32)


@pytest.fixture
def reference(volume):
    """Another contrast of the same head, finer, on a grid of its own."""
    grid = centred_grid((40, 40, 40), (0.8, 0.8, 0.8))
    path = volume.with_name("reference.nrrd")
    write_volume(Volume((300 - blobs(world_of(grid))).astype(np.float32), grid), path)
    return path


def without_acquisition(said):
    """What was said besides what was found of the scan."""
    return "".join(line + "\n" for line in said.splitlines() if not line.startswith("acquisition"))


# --- what is written


@pytest.mark.parametrize(
    ("options", "size", "made"),
    [
        ("spline", (28, 24, 16), {"model": "spline", "factors": "2x2x2"}),
        ("spline --scale 1.5", (21, 18, 12), {"factors": "1.5x1.5x1.5"}),
        ("spline --scale 1 2 3.1", (14, 24, 25), {"factors": "1x2x3.125"}),
        ("spline --spacing 0.5 0.5 0.5", (28, 26, 40), {}),
        (
            "plain --scale 2 2 1 --precision float32",
            (28, 24, 8),
            {"model": "plain", "device": "cpu", "precision": "float32"},
        ),
        ("plain --spacing 1 1.1 1", (14, 12, 20), {"factors": "1x1x2.5"}),
        ("slices", (28, 24, 8), {"plane": "axial", "factors": "2x2x1"}),
        ("slices --scale 2 --plane axial", (28, 24, 8), {"plane": "axial"}),
        ("slices --plane coronal", (28, 24, 8), {"plane": "coronal"}),
        ("slices --plane sagittal", (28, 24, 8), {"plane": "sagittal"}),
        (
            "plain --blur fixed --sigma 0.7",
            (28, 24, 16),
            {"acquisition": "Gaussian blur, sigma 0.7 fine voxels", "noise_level": "0.01"},
        ),
        (
            "plain --scale 1 1 3 --blur thickness --noise-level 0",
            (14, 12, 24),
            {"acquisition": "k: slice profile, 1 voxels wide"},
        ),
        ("plain --blur none", (28, 24, 16), {"acquisition": "k-space ends at the voxel", "noise_level": "0.01"}),
        ("plain --acquisition 3d", (28, 24, 16), {"acquisition": "k-space ends at the voxel"}),
        (
            "plain --acquisition 2d-multislice --scale 1 1 3",
            (14, 12, 24),
            {"acquisition": "k: slice profile, 1 voxels wide"},
        ),
        ("nmu --acquisition gaussian --noise-level 0.02", (28, 24, 16), {"noise_level": "0.02"}),
        ("ibp --blur fixed --sigma 0.7", (28, 24, 16), {"model": "ibp"}),
        ("guided --reference REF", (28, 24, 16), {"references": "1", "registered": "False"}),
    ],
)
def test_upscaling_fills_the_same_box(mrisr_here, volume, results, reference, options, size, made):
    out = results / "out.mha"
    options = [str(reference) if word == "REF" else word for word in options.split()]
    before = read_volume(volume)
    if "--plane" in options:
        # each plane leaves the axis across it as it is
        across = before.grid.slice_axis(options[-1])
        size = tuple(n if a == across else 2 * n for a, n in enumerate(before.grid.size))
    outcome = mrisr_here("upscale", volume, out, "--device", "cpu", "--model", *options)
    assert (outcome.code, without_acquisition(outcome.err)) == (0, "")
    after = read_volume(out)
    assert after.grid.size == size
    assert np.abs(after.grid.corners() - before.grid.corners()).max() < 1e-6
    assert after.array.dtype == np.int16
    assert after.array.std() > 0
    header = read_header(out)
    assert {key: header[KEY + key] for key in made} == made


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("model", ["spline", "plain", "slices"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_the_scalar_type_stays(mrisr_here, volume, results, dtype, model, suffix):
    source, out = results / f"in{suffix}", results / f"out{suffix}"
    head = read_volume(volume)
    write_volume(replace(head, array=head.array.astype(dtype)), source)
    assert mrisr_here("upscale", source, out, "--model", model).code == 0
    assert read_volume(out).array.dtype == dtype


def test_a_reference_is_moved_only_on_demand(mrisr_here, results, reference):
    grid = centred_grid((36, 32, 24), (1.0, 1.0, 1.5), OBLIQUE)
    source, still, moved = (results / f"{name}.mha" for name in ("in", "still", "moved"))
    write_volume(Volume(blobs(world_of(grid)).astype(np.float32), grid), source)
    for out, options in ((still, []), (moved, ["--register"])):
        outcome = mrisr_here("upscale", source, out, "--model", "guided", "--reference", reference, *options)
        assert outcome.code == 0, outcome.err
        assert read_header(out)[KEY + "registered"] == str(bool(options))
    assert not np.array_equal(read_volume(still).array, read_volume(moved).array)


def test_a_volume_too_small_to_align_is_refused(mrisr_here, volume, results):
    slab = save(results.with_name("slab.mha"), noise(3, 20, 20))
    options = ("--model", "guided", "--reference", volume, "--register", "--device", "cpu")
    assert_refused(mrisr_here("upscale", slab, results / "out.mha", *options), "align")
    assert list(results.iterdir()) == []


def test_a_reference_of_something_else_is_refused(mrisr_here, results, reference):
    head, other = results.with_name("head.nrrd"), save(results.with_name("other.mha"), noise(40, 40, 40))
    write_volume(read_volume(reference), head)
    options = ("--model", "guided", "--register", "--device", "cpu")
    outcome = mrisr_here("upscale", head, results / "out.mha", "--reference", other, *options)
    assert_refused(outcome, "other.mha", "nothing in common")
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("model", ["spline", "plain", "slices"])
def test_progress_as_json(mrisr, volume, results, weights, model):
    out = results / "out.nrrd"
    outcome = mrisr("upscale", volume, out, "--model", model, "--progress", "json")
    assert (outcome.code, outcome.err) == (0, "")
    first, *told, last = [strict_json(line) for line in outcome.out.splitlines()]
    assert first["event"] == "started"
    fractions = [event["fraction"] for event in told if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert (last["event"], last["output"]) == ("done", str(out))
    assert tuple(last["size"]) == read_volume(out).grid.size
    header = read_header(out)
    assert last["provenance"] == {key: header[key] for key in last["provenance"]}
    if model != "spline":
        assert header[KEY + "sha256"] == find_card(str(weights / f"{model}.safetensors")).sha256


def test_weights_are_found_by_path_under_any_name(mrisr_here, volume, results, weights):
    for suffix in (".json", ".safetensors"):
        (results / f"mine{suffix}").write_bytes((weights / f"plain{suffix}").read_bytes())
    outcome = mrisr_here("upscale", volume, results / "out.mha", "--model", results / "mine.safetensors")
    assert outcome.code == 0, outcome.err


def test_overwriting_is_done_only_on_demand(mrisr_here, volume, results):
    out = results / "out.mha"
    out.write_text("precious")
    assert_refused(mrisr_here("upscale", volume, out, "--model", "spline"), str(out), "--overwrite")
    assert out.read_text() == "precious"
    assert mrisr_here("upscale", volume, out, "--model", "spline", "--overwrite").code == 0
    assert read_volume(out).grid.size == (28, 24, 16)
    assert [path.name for path in results.iterdir()] == ["out.mha"]


@pytest.mark.parametrize("command", ["upscale --model spline", "degrade --scale 2"])
def test_the_input_is_never_replaced(mrisr_here, volume, command):
    name, *options = command.split()
    assert_refused(mrisr_here(name, volume, volume, *options, "--overwrite"), "both input and output")


@pytest.mark.parametrize("command", ["upscale --model spline", "degrade --scale 2"])
def test_nothing_is_written_into_a_dicom_folder(mrisr_here, tmp_path, command):
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "IM1.dcm").write_bytes(b"a patient's slice")
    name, *options = command.split()
    outcome = mrisr_here(name, folder, folder / "IM1.dcm", *options, "--overwrite")
    assert_refused(outcome, "lies in the DICOM folder")
    assert (folder / "IM1.dcm").read_bytes() == b"a patient's slice"


def test_two_volumes_may_differ_in_nothing_but_their_format(
    mrisr_here, volume, results, doubting_weights, monkeypatch
):
    monkeypatch.setenv("MRISR_WEIGHTS", str(doubting_weights))
    (results / "alias").symlink_to(results)
    options = ("upscale", volume, results / "o.nii.gz", "--model", "doubting", "--expected-error")
    assert mrisr_here(*options, results / "o.nii").code == 0
    assert read_volume(results / "o.nii").array.min() > 0
    assert_refused(mrisr_here(*options, results / "alias" / "o.nii.gz", "--overwrite"), "one file")


def test_the_contrast_is_read_as_people_write_it(mrisr_here, volume, results):
    options = ("upscale", volume, results / "out.mha", "--model", "auto", "--contrast")
    assert mrisr_here(*options, "t1").code == 0
    assert_refused(mrisr_here(*options, "xyz", "--overwrite"), "xyz is not known")


def test_what_errors_to_expect_depends_on_the_contrast(mrisr_here, volume, results, doubting_weights, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(doubting_weights))
    options = ("upscale", volume, results / "o.nrrd", "--model", "doubting", "--contrast", "t2", "--overwrite")
    # what is known of a scan may be said where it changes nothing
    assert mrisr_here(*options).code == 0
    assert mrisr_here(*options, "--expected-error", results / "e.nrrd").code == 0
    assert read_header(results / "e.nrrd")["MRISuperResolution.contrast"] == "T2w"


def test_the_header_tells_what_a_method_undid(mrisr_here, volume, results):
    for sigma in ("1", "2"):
        outcome = mrisr_here(
            "upscale", volume, results / f"{sigma}.nrrd", "--model", "ibp", "--blur", "fixed", "--sigma", sigma
        )
        assert outcome.code == 0, outcome.err
        header = read_header(results / f"{sigma}.nrrd")
        assert header["MRISuperResolution.acquisition"] == f"Gaussian blur, sigma {sigma} fine voxels"
        assert header["MRISuperResolution.device"] == "cpu"


def test_a_reference_is_never_replaced(mrisr_here, volume, reference):
    options = ("--model", "guided", "--reference", reference, "--overwrite")
    assert_refused(mrisr_here("upscale", volume, reference, *options), "both input and output")


# --- what is imported


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import MRISuperResolutionLib", "torch numpy SimpleITK scipy"),
        ("import MRISuperResolutionLib.pipeline.cost_estimate", "torch SimpleITK scipy"),
        ("main(['--help'])", "torch numpy SimpleITK scipy"),
        ("main(['upscale', '--help'])", "torch numpy SimpleITK scipy"),
        ("main(['models'])", "torch"),
        ("main(['models', '--json'])", "torch"),
        ("main(['upscale', 'IN', 'OUT', '--model', 'spline'])", "torch"),
    ],
)
def test_nothing_slow_is_imported_in_vain(weights, volume, results, code, unwanted):
    code = code.replace("IN", str(volume)).replace("OUT", str(results / "out.mha"))
    script = f"""
import sys
from MRISuperResolutionLib.cli.main import main
try:
    {code}
except SystemExit as end:
    assert not end.code
print(*sys.modules, file=sys.stderr)
"""
    environment = {**os.environ, "MRISR_WEIGHTS": str(weights)}
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert child.returncode == 0, child.stderr
    assert not set(unwanted.split()) & set(child.stderr.split())


def test_the_first_line_waits_for_nothing_slow():
    script = """
import sys
from MRISuperResolutionLib.cli.main import main
sys.modules["numpy"] = None
main(["upscale", "IN", "OUT", "--model", "spline", "--progress", "json"])
"""
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert strict_json(child.stdout)["event"] == "started"
    assert "numpy" in child.stderr


def test_a_missing_package_is_named(weights, volume, results):
    script = f"""
import sys
sys.modules["torch"] = None
from MRISuperResolutionLib.cli.main import main
sys.exit(main(["upscale", {str(volume)!r}, {str(results / "out.mha")!r}, "--model", "plain"]))
"""
    environment = {**os.environ, "MRISR_WEIGHTS": str(weights)}
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert_refused(Outcome(child.returncode, child.stdout, child.stderr), "torch is not installed")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('DLL load failed:\\nlibtorch')", "DLL load failed: libtorch"),
        ("raise OSError('libcudart.so: cannot open shared object file')", "libcudart.so"),
        ("import torch._C", "torch._C"),
        ("from torch import Tensor", "Tensor"),
        ("", "empty"),
    ],
)
def test_a_package_that_is_only_partly_there_is_named(mrisr, volume, results, tmp_path, monkeypatch, code, reason):
    broken = tmp_path / "packages" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(broken.parent), prepend=os.pathsep)
    outcome = mrisr("upscale", volume, results / "out.mha", "--model", "plain")
    assert_refused(outcome, "the Python package torch cannot be loaded", reason, "install it again")


# --- the other commands


def test_models_lists_the_cards(mrisr_here, weights):
    cards = strict_json(mrisr_here("models", "--json").out)
    assert [card["name"] for card in cards] == ["guided", "plain", "slices", "slow"]
    for card in cards:
        assert card["bytes"] == (weights / card["file"]).stat().st_size
        assert {"sha256", "licence", "contrasts", "factors", "dimensions", "references"} <= set(card)
        assert f"\n{card['name']}: " in "\n" + mrisr_here("models").out


def test_a_reader_that_has_gone_is_no_error(start):
    child = start("models")
    child.stdout.close()
    assert child.stderr.read() == ""
    assert child.wait(timeout=120) == 141


@pytest.mark.parametrize(
    ("options", "size", "made"),
    [
        ("--scale 2", (7, 6, 4), {"factors": "2x2x2", "acquisition": "Gaussian blur, sigma 1 fine voxels"}),
        ("--scale 1 1 2", (14, 12, 4), {"factors": "1x1x2"}),
        (
            "--scale 2 --sigma 0.7 --radius 1",
            (7, 6, 4),
            {"acquisition": "Gaussian blur, sigma 0.7 fine voxels, radius 1"},
        ),
        ("--scale 2 --blur thickness", (7, 6, 4), {"acquisition": "slice profile, 1 voxels wide"}),
        (
            "--scale 2 --blur none --sampling corners",
            (7, 6, 4),
            {"acquisition": "samples without a blur", "sampling": "corners"},
        ),
        (
            "--scale 1 --kspace 0.5 0.5 1",
            (14, 12, 8),
            {"acquisition": "i, j: Gaussian blur, sigma 1 fine voxels, k-space 0.5"},
        ),
        ("--scale 2 --acquisition 3d", (7, 6, 4), {"acquisition": "k-space ends at the voxel"}),
        (
            "--scale 1 1 2 --acquisition 2d-multislice",
            (14, 12, 4),
            {"acquisition": "k: slice profile, 1 voxels wide"},
        ),
        ("--scale 2 --noise rician --noise-level 0.1 --seed 7", (7, 6, 4), {"noise": "rician", "seed": "7"}),
        ("--scale 2 --noise gaussian --noise-level 0.1", (7, 6, 4), {"noise": "gaussian", "seed": "0"}),
    ],
)
def test_degrading(mrisr_here, volume, results, options, size, made):
    plain, out, again = (results / f"{name}.mha" for name in ("plain", "out", "again"))
    for path, choice in ((plain, "--scale 2 --sigma 3"), (out, options), (again, options)):
        outcome = mrisr_here("degrade", volume, path, *choice.split())
        assert (outcome.code, outcome.err) == (0, "")
    low = read_volume(out)
    assert low.grid.size == size
    assert low.array.dtype == np.int16
    header = read_header(out)
    assert {key: header[KEY + key] for key in made} == made
    assert np.array_equal(low.array, read_volume(again).array)
    assert not np.array_equal(low.array, read_volume(plain).array)


def test_degrading_to_other_than_whole_voxels_says_the_way_back(mrisr_here, volume, results):
    low, back = results / "low.mha", results / "back.mha"
    outcome = mrisr_here("degrade", volume, low, "--scale", 1, 1.3, 2)
    spacing = outcome.err.partition("--spacing ")[2].split()[:3]
    assert mrisr_here("upscale", low, back, "--model", "spline", "--spacing", *spacing).code == 0
    assert read_volume(back).grid.distance_to(read_volume(volume).grid) < 1e-6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--scale 2 2", "2 factors"),
        ("--scale 0.5", "0.5"),
        ("--scale nan", "nan"),
        ("--scale 8", "smaller factors"),
        ("--scale 2 --sigma 0", "sigma"),
        ("--scale 2 --radius -1", "radius"),
        ("--scale 2 --kspace 0 1 1", "k-space"),
        ("--scale 2 --noise rician", "noise level"),
        ("--scale 2 --acquisition 3d --sigma 1", "leave out --sigma"),
        ("--scale 2 --acquisition there-is-none.json", "there-is-none.json"),
        ("--scale 2 --acquisition 3d --sampling corners", "papers"),
        ("--scale 2 --noise rician --noise-level 0.1 --seed -1", "--seed"),
        ("--scale 2 --seed 1", "--seed"),
        ("--scale 2 --blur none --sigma 2", "--sigma"),
        ("--scale 2 --blur thickness --sigma 2", "--sigma"),
        ("--scale 2 --blur none --radius 2", "--radius"),
    ],
)
def test_degrading_is_refused(mrisr_here, volume, results, options, words):
    assert_refused(mrisr_here("degrade", volume, results / "low.mha", *options.split()), words)
    assert list(results.iterdir()) == []


def test_evaluating(mrisr_here, volume, results):
    same = strict_json(mrisr_here("evaluate", volume, volume, "--json").out)
    assert same["psnr_db"] is None
    assert (same["ssim"], same["nrmse"], same["geometry_error_mm"], same["shift_voxels"]) == (1, 0, 0, 0)
    assert "psnr_db              inf" in mrisr_here("evaluate", volume, volume).out

    head = read_volume(volume)
    wrong, mask = results / "wrong.mha", results / "mask.mha"
    inside = np.zeros(head.grid.size, np.uint8)
    inside[2:9, 2:9, 2:6] = 1
    write_volume(replace(head, array=inside), mask)
    write_volume(replace(head, array=np.where(inside, head.array, head.array + 9).astype(np.int16)), wrong)
    assert 0 < strict_json(mrisr_here("evaluate", wrong, volume, "--json").out)["psnr_db"] < 100
    masked = strict_json(mrisr_here("evaluate", wrong, volume, "--mask", mask, "--json").out)
    more = strict_json(mrisr_here("evaluate", wrong, volume, "--scale", 2, 1, 1, "--structure", mask, "--json").out)
    assert more["high_frequency_error"] > 0
    assert more["contrast_error"] != 0
    assert_refused(mrisr_here("evaluate", wrong, volume, "--scale", 2, 1), "2 factors")
    assert (masked["psnr_db"], masked["nrmse"], masked["voxels"]) == (None, 0, inside.sum())


def test_evaluating_is_refused(mrisr_here, volume, results):
    head = read_volume(volume)
    coarse, empty, holed = results / "coarse.mha", results / "empty.mha", results / "holed.mha"
    mrisr_here("degrade", volume, coarse, "--scale", 2)
    write_volume(replace(head, array=0 * head.array), empty)
    holes = head.array.astype(np.float32)
    holes[0, 0, 0] = np.nan
    image = sitk.ReadImage(str(volume))
    holed_image = sitk.GetImageFromArray(holes.transpose(2, 1, 0))
    holed_image.CopyInformation(image)
    sitk.WriteImage(holed_image, str(holed))
    assert_refused(mrisr_here("evaluate", coarse, volume), str(coarse), str(volume), "grid")
    assert_refused(mrisr_here("evaluate", volume, volume, "--mask", coarse), str(coarse), "grid")
    assert_refused(mrisr_here("evaluate", volume, volume, "--mask", empty), str(empty), "empty")
    assert_refused(mrisr_here("evaluate", holed, volume), str(holed), "1 NaN")
    assert_refused(mrisr_here("evaluate", volume, results / "none.mha"), "none.mha")


@pytest.mark.parametrize("size", [(0, 0, 0), (-3, 40, 40), (40, 40, 4)])
def test_a_demo_too_small_is_refused(mrisr_here, results, size):
    assert_refused(mrisr_here("demo", "--out", results / "demo", "--size", *size), "--size")
    assert list(results.iterdir()) == []


def test_the_demo_shows_a_volume_and_slices():
    from MRISuperResolutionLib.cli.commands.demo import _quickest
    from MRISuperResolutionLib.models.card import catalogue

    chosen = _quickest(catalogue())
    assert [(card.architecture["name"], card.dimensions) for card in chosen] == [
        ("DGGRN", 2),
        ("NullSpaceNet", 3),
        ("ReCNN", 3),
    ]


def test_a_demo_without_weights_is_refused(mrisr_here, results, monkeypatch):
    monkeypatch.setenv("MRISR_WEIGHTS", str(results))
    assert_refused(mrisr_here("demo", "--out", results / "demo"), str(results))
    assert list(results.iterdir()) == []


# --- input that cannot be used


def text(path):
    path.write_text("this is no volume\n" * 40)


def holes(path):
    array = noise(8, 9, 10)
    array[3, 2, 1] = np.nan
    array[4, 4, 4] = np.inf
    array[5, 5, 5] = -np.inf
    save(path, array)


def cut_short(path):
    save(path, noise(8, 9, 10))
    path.write_bytes(path.read_bytes()[:-1000])


INPUTS = {
    "missing": ("in.nii.gz", lambda path: None, ["there is no"]),
    "text": ("in.nii.gz", text, ["cannot read"]),
    "empty": ("in.nii.gz", lambda path: path.touch(), ["cannot read"]),
    "folder": ("in", lambda path: path.mkdir(), ["no DICOM series"]),
    "name too long": ("i" * 300, lambda path: None, ["too long"]),
    "2D": ("in.nii.gz", lambda path: save(path, noise(9, 10)), ["2 dimensions"]),
    "4D": ("in.nii.gz", lambda path: save(path, noise(3, 8, 9, 10), isVector=False), ["4 dimensions"]),
    "colour": ("in.nrrd", lambda path: save(path, noise(8, 9, 10, 3).astype(np.uint8), isVector=True), ["colour"]),
    "constant": ("in.nii.gz", lambda path: save(path, 0 * noise(8, 9, 10) + 5), ["constant (5"]),
    "thin": ("in.nii.gz", lambda path: save(path, noise(8, 2, 10)), ["2 voxel(s)", "10 x 2 x 8"]),
    "holes in NRRD": ("in.nrrd", holes, ["1 NaN and 2 infinite", "(1, 2, 3)"]),
    "holes in NIfTI": ("in.nii.gz", holes, ["1 NaN and 2 infinite", "(1, 2, 3)"]),
    "cut NRRD": ("in.nrrd", cut_short, ["cut short"]),
    "cut MetaImage": ("in.mha", cut_short, ["cut short"]),
    "cut NIfTI": ("in.nii", cut_short, ["cut short"]),
    "cut compressed NIfTI": ("in.nii.gz", cut_short, ["cut short"]),
}


@pytest.mark.parametrize(("name", "make", "words"), INPUTS.values(), ids=INPUTS)
def test_an_input_is_refused(mrisr_here, tmp_path, results, name, make, words):
    source = tmp_path / name
    make(source)
    assert_refused(mrisr_here("upscale", source, results / "out.mha", "--model", "spline"), name, *words)
    assert list(results.iterdir()) == []


# --- requests that cannot be served


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--model spline --scale 0.5", "0.5"),
        ("--model spline --scale 0", "factor 0"),
        ("--model spline --scale 1000", "1000"),
        ("--model spline --scale nan", "nan"),
        ("--model spline --scale inf", "inf"),
        ("--model spline --scale -2", "-2"),
        ("--model spline --scale 2 2", "2 factors"),
        ("--model spline --scale 2 2 2 2", "4 factors"),
        ("--model spline --scale two", "two"),
        ("--model spline --scale 2 --spacing 1 1 1", "both a scale and a spacing"),
        ("--model spline --spacing 0 1 1", "positive"),
        ("--model spline --spacing -1 1 1", "positive"),
        ("--model spline --spacing nan 1 1", "positive"),
        ("--model spline --spacing 1 1 4", "coarser"),
        ("--model spline --spacing 1e-9 1 1", "factor"),
        ("--model spline --spacing 1 1", "--spacing"),
        ("--model spline --plane axial", "--plane"),
        ("--model spline --plane diagonal", "diagonal"),
        ("--model spline --reference IN", "takes none"),
        ("--model spline --register", "--reference"),
        ("--model spline --device cuda", "spline"),
        ("--model spline --precision bfloat16", "spline"),
        ("--model plain --scale 5", "from 1 to 4"),
        ("--model plain --spacing 0.2 0.2 1", "from 1 to 4"),
        ("--model plain --plane axial", "--plane"),
        ("--model plain --reference IN", "takes none"),
        ("--model plain --device abacus", "abacus"),
        ("--model plain --device cpu:1", "cpu:1"),
        ("--model plain --precision float8", "float8"),
        ("--model plain --max-memory 0", "--max-memory"),
        ("--model plain --max-memory -1", "--max-memory"),
        ("--model plain --max-memory nan", "--max-memory"),
        ("--model plain --max-memory inf", "--max-memory"),
        ("--model slices --scale 3", "2 2 1"),
        ("--model slices --scale 2 2 2", "2 2 1"),
        ("--model slices --scale 0.5", "0.5"),
        ("--model slices --spacing 0.5 0.55 1", "2 2 1"),
        ("--model slices --reference IN", "takes none"),
        ("--model guided", "needs 1"),
        ("--model guided --reference IN IN", "needs 1"),
        ("--model guided --reference missing.nii.gz", "missing.nii.gz"),
        ("--model guided --reference FAR", "covers 0%"),
        ("--model guess", "guess"),
        ("--model missing.safetensors", "missing.safetensors"),
        ("", "--model"),
        ("--model spline --sharpen", "--sharpen"),
        ("--model spline --blur fixed", "interpolates"),
        ("--model plain --blur wide", "--blur"),
        ("--model plain --sigma 1", "--blur"),
        ("--model plain --blur thickness --sigma 1", "leave one"),
        ("--model plain --blur none --sigma 1", "leave one"),
        ("--model plain --blur fixed --sigma -1", "sigma"),
        ("--model plain --blur fixed --noise-level 2", "noise level"),
    ],
)
def test_a_request_is_refused(mrisr_here, volume, results, options, words):
    far = volume.with_name("far.mha")
    head = read_volume(volume)
    write_volume(replace(head, grid=replace(head.grid, origin=(1000.0, 0.0, 0.0))), far)
    options = [{"IN": volume, "FAR": far}.get(word, word) for word in options.split()]
    assert_refused(mrisr_here("upscale", volume, results / "out.mha", *options, "--progress", "json"), words)
    assert list(results.iterdir()) == []


def test_a_device_that_is_not_there_is_refused(mrisr_here, volume, results):
    import torch

    device = f"cuda:{torch.cuda.device_count()}"
    assert_refused(mrisr_here("upscale", volume, results / "out.mha", "--model", "plain", "--device", device), "cuda")


@pytest.mark.parametrize("model", ["spline", "plain", "slices"])
def test_too_little_memory(mrisr_here, volume, results, model):
    options = ("--model", model, "--max-memory", 0.001, "--progress", "json")
    assert_refused(mrisr_here("upscale", volume, results / "out.mha", *options), "--max-memory", code=3)
    assert list(results.iterdir()) == []


# --- places that cannot be written to


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.xyz", ".xyz"),
        ("out", "no suffix"),
        ("out.png", ".png"),
        ("out.mhd", ".nii.gz"),
        ("out.vtk", "position"),
        ("none/out.mha", "does not exist"),
        ("o" * 300 + ".mha", "too long"),
        ("o" * 248 + ".mha", "too long"),
    ],
)
def test_an_output_is_refused(mrisr_here, volume, results, name, words):
    assert_refused(mrisr_here("upscale", volume, results / name, "--model", "spline"), words)
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_a_folder_is_no_output(mrisr_here, volume, results, options):
    assert_refused(mrisr_here("upscale", volume, results, "--model", "spline", *options), "folder")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes to read-only folders")
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_read_only_folder_is_refused(mrisr_here, volume, results, suffix):
    results.chmod(0o500)
    assert_refused(mrisr_here("upscale", volume, results / f"out{suffix}", "--model", "spline"), "out")
    assert list(results.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_folder_that_takes_no_files_is_refused(mrisr_here, volume, suffix):
    assert_refused(mrisr_here("upscale", volume, f"/proc/out{suffix}", "--model", "spline"), f"/proc/out{suffix}")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_full_disk_leaves_nothing(mrisr, volume, results, suffix):
    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    out = results / f"out{suffix}"
    outcome = mrisr("upscale", volume, out, "--model", "spline", "--scale", 4, preexec_fn=small_disk)
    assert_refused(outcome, str(out), "disk")
    assert list(results.iterdir()) == []


# --- weights that cannot be used


def shortened(folder):
    path = folder / "plain.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def altered(folder):
    path = folder / "plain.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def no_weights(folder):
    (folder / "plain.safetensors").unlink()


def broken_card(folder):
    (folder / "plain.json").write_text('{"name": "plain", ')


def card_without_facts(folder):
    (folder / "plain.json").write_text('{"name": "plain"}')


def card_of_another(folder):
    card = strict_json((folder / "plain.json").read_text())
    card["architecture"]["filters"] = 5
    (folder / "plain.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (shortened, "sha256"),
        (altered, "sha256"),
        (no_weights, "missing"),
        (broken_card, "plain.json"),
        (card_without_facts, "plain.json"),
        (card_of_another, "do not fit"),
    ],
)
def test_damaged_weights_are_refused(mrisr_here, volume, results, weights, tmp_path, monkeypatch, damage, words):
    folder = tmp_path / "weights"
    folder.mkdir()
    for suffix in (".json", ".safetensors"):
        (folder / f"plain{suffix}").write_bytes((weights / f"plain{suffix}").read_bytes())
    damage(folder)
    monkeypatch.setenv("MRISR_WEIGHTS", str(folder))
    options = ("--model", "plain", "--progress", "json")
    assert_refused(mrisr_here("upscale", volume, results / "out.mha", *options), words)
    assert list(results.iterdir()) == []


# --- stopped on the way


@pytest.fixture
def large(tmp_path):
    """Noise, so that neither computing nor compressing is over at once."""
    return save(tmp_path / "large.mha", noise(40, 40, 40).astype(np.int16))


def wait_for(child, reached):
    """Read the child's progress until an event fulfils ``reached``."""
    for line in child.stdout:
        if reached(strict_json(line)):
            return
    raise AssertionError(child.stderr.read())


def computing(event):
    return event.get("fraction", 0) > 0.1


def ended(child):
    """Exit code and stderr, once the child is gone."""
    code = child.wait(timeout=60)
    return code, child.stderr.read()


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda child: child.send_signal(signal.SIGINT), 130),
        (lambda child: child.send_signal(signal.SIGTERM), 143),
        (lambda child: child.send_signal(signal.SIGHUP), 129),
        (lambda child: child.stdin.close(), 143),
    ],
    ids=["Ctrl-C", "SIGTERM", "closed terminal", "closed stdin"],
)
def test_a_stopped_run_leaves_nothing(start, large, results, stop, code):
    # whatever started the tests may ignore the end of its terminal, and hand that on
    options = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}
    child = start("upscale", large, results / "out.nii.gz", "--model", "slow", "--progress", "json", **options)
    wait_for(child, computing)
    stop(child)
    assert ended(child) == (code, "error: cancelled: no file was left half-written\n")
    assert list(results.iterdir()) == []


def start_stuck(name, *arguments):
    """A child process ``mrisr`` that has come to a long call into a library: ``SimpleITK.name``, which half writes
    the file if it is given one, and does not end before its time."""
    script = f"""
import sys, time
from pathlib import Path
import SimpleITK
from MRISuperResolutionLib.cli.main import main

def stuck(*arguments):
    if isinstance(arguments[-1], str):
        Path(arguments[-1]).write_text("half")
    print('{{"event": "stuck"}}', flush=True)
    time.sleep(90)

SimpleITK.{name} = stuck
sys.exit(main())
"""
    command = [sys.executable, "-c", script, "upscale", *map(str, arguments), "--progress", "json"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child = subprocess.Popen(command, text=True, **pipes)
    wait_for(child, lambda event: event["event"] == "stuck")
    return child


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda child: child.send_signal(signal.SIGINT), 130),
        (lambda child: child.send_signal(signal.SIGTERM), 143),
        (lambda child: child.stdin.close(), 143),
    ],
    ids=["Ctrl-C", "SIGTERM", "closed stdin"],
)
def test_aligning_does_not_hold_up_the_end(volume, reference, weights, results, stop, code):
    options = ("--model", weights / "guided.safetensors", "--reference", reference, "--register")
    child = start_stuck("ImageRegistrationMethod.Execute", volume, results / "out.mha", *options)
    stop(child)
    assert ended(child) == (code, "error: cancelled: no file was left half-written\n")
    assert list(results.iterdir()) == []


def test_the_end_of_stdin_ends_a_run_that_does_not_see_it(volume, results):
    child = start_stuck("WriteImage", volume, results / "out.mha", "--model", "spline")
    assert len(list(results.iterdir())) == 1
    child.stdin.close()
    assert ended(child)[0] == 143
    assert list(results.iterdir()) == []


def test_the_end_of_stdin_after_the_work_changes_nothing(start, volume, results):
    child = start("upscale", volume, results / "out.mha", "--model", "plain", "--progress", "json")
    wait_for(child, lambda event: event["event"] == "done")
    child.stdin.close()
    assert ended(child) == (0, "")


@pytest.mark.parametrize("further", [False, True])
def test_a_run_stopped_while_writing_leaves_nothing(start, large, results, further):
    options = ("--model", "spline", "--scale", 4, "--progress", "json")
    child = start("upscale", large, results / "out.nii.gz", *options)
    wait_for(child, lambda event: event.get("step") == "writing")
    child.send_signal(signal.SIGTERM)
    while further and child.poll() is None:
        # these must not break into the clean-up after the first
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGTERM)
    code, err = ended(child)
    assert code in ((130, 143) if further else (143,))
    assert err == "error: cancelled: no file was left half-written\n"
    assert list(results.iterdir()) == []


def test_a_reader_of_the_progress_that_has_gone_ends_the_run(start, large, results):
    child = start("upscale", large, results / "out.nii.gz", "--model", "slow", "--progress", "json")
    wait_for(child, computing)
    child.stdout.close()
    assert ended(child) == (141, "")
    assert list(results.iterdir()) == []


def test_no_standard_output_is_needed(mrisr_here, volume, results, monkeypatch):
    # as in programs with windows
    monkeypatch.setattr(sys, "stdout", None)
    assert mrisr_here("upscale", volume, results / "out.mha", "--model", "spline", "--progress", "json").code == 0


def test_no_standard_error_is_needed(volume, results):
    command = f"{sys.executable} -m MRISuperResolutionLib upscale '{volume}' '{results}/out.mha' --model spline"
    outcome = subprocess.run(["sh", "-c", f"{command} 2>&-"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert (outcome.returncode, outcome.stdout) == (0, b"")
    assert (results / "out.mha").exists()


def test_another_standard_input_than_a_pipe_does_not_stop_the_run(volume, results):
    # as cron, nohup and batch systems start it
    arguments = ["upscale", str(volume), str(results / "out.mha"), "--model", "spline", "--progress", "json"]
    command = [sys.executable, "-m", "MRISuperResolutionLib", *arguments]
    child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (child.returncode, child.stderr) == (0, "")


def test_noise_of_magnitudes_is_not_added_to_negative_values(mrisr_here, volume, results):
    head = read_volume(volume)
    write_volume(replace(head, array=head.array.astype(np.float32) - 100), results / "negative.nrrd")
    options = ("--scale", "2", "--noise-level", "0.01", "--noise")
    assert_refused(
        mrisr_here("degrade", results / "negative.nrrd", results / "low.nrrd", *options, "rician"), "gaussian"
    )
    assert mrisr_here("degrade", results / "negative.nrrd", results / "low.nrrd", *options, "gaussian").code == 0
