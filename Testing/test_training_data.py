"""Where the truths of training come from: folders, patterns, BIDS trees, manifests; companions; the cache."""

import functools
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MRISuperResolutionLib.dataset import subjects as truth_module
from MRISuperResolutionLib.dataset.load import gather
from MRISuperResolutionLib.dataset.subjects import Truth, read_manifest
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.phantom import HEAD_MM, brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.io import from_image, read_volume, to_image, write_volume
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.training.config.presets import preset
from MRISuperResolutionLib.training.data.patch_dataset import PatchStream

DATA = os.environ.get("MRISR_DATA")

MANIFESTS = Path(__file__).resolve().parents[1] / "weights" / "manifests"

SIZE = (24, 22, 20)

phantom = functools.cache(brain_phantom)


def put(path, contrast="T1w", spacing=(1.0, 1.0, 1.0), size=SIZE, origin=(0.0, 0.0, 0.0)):
    """A small phantom at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = phantom(size, contrast).astype(np.int16)
    write_volume(Volume(array, Grid(size, spacing, origin)), path, overwrite=True)
    return path


def table(path, *rows, separator=","):
    """A manifest of these rows; their first one's keys are its columns."""
    lines = [rows[0], *(row.values() for row in rows)]
    path.write_text("\n".join(separator.join(line) for line in lines) + "\n")
    return path


def told(truths):
    """What the truths are, without their voxels."""
    return [(t.subject, t.contrast, t.split) for t in truths]


def assert_same(ones, others):
    """Bit for bit the same truths."""
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert one.volume.grid == other.volume.grid
        assert one.volume.name == other.volume.name
        assert one.companions.keys() == other.companions.keys()
        pairs = [(one.volume.array, other.volume.array)]
        pairs += [(array, other.companions[contrast]) for contrast, array in one.companions.items()]
        for a, b in pairs:
            assert a.dtype == b.dtype == np.float32
            assert a.tobytes() == b.tobytes()
        told_of = [replace(t, volume=None, companions={}) for t in (one, other)]
        assert told_of[0] == told_of[1]


@pytest.fixture
def folder(tmp_path):
    """Four subjects, two contrasts of the first."""
    for name in ("sub-01_ses-1_T1w.nii.gz", "sub-01_ses-1_T2w.nii.gz", "deep/IXI002-Guys-T1.nii.gz", "c_mprage.mha"):
        put(tmp_path / "data" / name, "T2w" if "T2w" in name else "T1w")
    put(tmp_path / "data" / "d-study2_t2_flair.nrrd", "FLAIR", spacing=(1.0, 1.0, 4.0))
    (tmp_path / "data" / "sub-01_ses-1_T1w.json").write_text("{}")
    (tmp_path / "data" / "._c_mprage.mha").write_text("not for us")
    return tmp_path / "data"


@pytest.fixture
def bids(tmp_path):
    """Two subjects, one of them in two sessions, with a map and a mask that are no scans."""
    tree = tmp_path / "bids"
    for name in (
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "sub-01/ses-a/anat/sub-01_ses-a_FLAIR.nii.gz",
        "sub-01/ses-b/anat/sub-01_ses-b_run-1_T1w.nii",
        "sub-02/anat/sub-02_T1w.nii.gz",
        "sub-02/anat/sub-02_T1map.nii.gz",
        "sub-02/anat/sub-02_desc-brain_mask.nii.gz",
        "derivatives/sub-02/anat/sub-02_T1w.nii.gz",
    ):
        put(tree / name)
    (tree / "dataset_description.json").write_text(json.dumps({"Name": "A study", "License": "CC0"}))
    return tree


@pytest.fixture
def pair(tmp_path):
    """A manifest of two contrasts of one head on one grid."""
    put(tmp_path / "one.nii.gz")
    put(tmp_path / "two.nii.gz", "T2w")
    return table(
        tmp_path / "pair.csv",
        {"path": "one.nii.gz", "subject": "a", "contrast": "T1w"},
        {"path": "two.nii.gz", "subject": "a", "contrast": "T2w"},
    )


def test_names_in_a_folder_tell_subject_and_contrast(folder):
    truths = gather(str(folder))
    assert told(truths) == [
        ("c", "T1w", "train"),
        ("d", "FLAIR", "train"),
        ("IXI002-Guys", "T1w", "train"),
        ("sub-01", "T1w", "train"),
        ("sub-01", "T2w", "train"),
    ]
    assert {t.licence for t in truths} == {"not stated"}
    array = truths[0].volume.array
    assert array.dtype == np.float32
    assert -0.1 < array.min() < 0.01 < 0.99 < array.max() < 1.5


def test_thick_slices_are_true_in_their_plane_alone(folder):
    planes = {t.subject: t.planes for t in gather(str(folder))}
    assert planes == {"c": PLANES, "d": ("axial",), "IXI002-Guys": PLANES, "sub-01": PLANES}


def test_a_pattern_chooses_files(folder):
    assert told(gather(f"{folder}/sub-*")) == [("sub-01", "T1w", "train"), ("sub-01", "T2w", "train")]
    assert len(gather(f"{folder}/**/*.nii.gz")) == 3
    assert told(gather(str(folder / "c_mprage.mha"))) == [("c", "T1w", "train")]


@pytest.mark.parametrize("name", ["brain.nii.gz", "T1w.nii.gz", "a_T1w_mask.nii.gz", "a_T1_T2.nii.gz"])
def test_a_name_that_does_not_tell_is_refused(tmp_path, name):
    put(tmp_path / name)
    put(tmp_path / "fine_T1w.nii.gz")
    with pytest.raises(RequestError, match="manifest") as refusal:
        gather(str(tmp_path))
    assert name in str(refusal.value)
    assert "fine" not in str(refusal.value)


def test_a_bids_tree_with_sessions(bids):
    truths = gather(str(bids), validate=["02"])
    assert told(truths) == [
        ("sub-01", "FLAIR", "train"),
        ("sub-01", "T1w", "train"),
        ("sub-01", "T1w", "train"),
        ("sub-02", "T1w", "validate"),
    ]
    assert {(t.licence, t.source) for t in truths} == {("CC0", "A study")}
    # the second session has no other contrast; the first one's shows another day
    assert [list(t.companions) for t in truths] == [["T1w"], ["FLAIR"], [], []]


def test_a_bids_tree_needs_no_description(bids):
    (bids / "dataset_description.json").unlink()
    truths = gather(str(bids))
    assert len(truths) == 4
    assert truths[0].licence == "not stated"


def test_a_damaged_description_is_refused(bids):
    (bids / "dataset_description.json").write_text("[")
    with pytest.raises(RequestError, match="dataset_description"):
        gather(str(bids))


@pytest.mark.parametrize(("name", "separator"), [("list.csv", ","), ("list.tsv", "\t")])
def test_a_manifest_of_little_more_than_paths(tmp_path, name, separator):
    for letter in "ab":
        put(tmp_path / f"{letter}.nii.gz")
    manifest = table(
        tmp_path / name,
        {"path": "a.nii.gz", "subject": "a", "contrast": "T1w", "split": "train", "planes": "n/a", "kspace": ""},
        {
            "path": "b.nii.gz",
            "subject": "b",
            "contrast": "T1w",
            "split": "validate",
            "planes": "axial",
            "kspace": "1 1 0.5",
        },
        separator=separator,
    )
    truths = gather(str(manifest))
    assert told(truths) == [("a", "T1w", "train"), ("b", "T1w", "validate")]
    assert [t.planes for t in truths] == [PLANES, ("axial",)]
    assert truths[1].volume.grid.size == (24, 22, 10)
    elsewhere = manifest.rename(tmp_path.parent / f"{tmp_path.name}-{name}")
    assert_same(gather(str(tmp_path), manifest=elsewhere), truths)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,subject\na,a\n", "lacks the column.*contrast"),
        ("path,subject,contrast\n", "no volume"),
        ("path,subject,contrast\na.nii.gz,,T1w\n", "line 2 .* no subject"),
        ("path,subject,contrast\na.nii.gz,a\n", "line 2 .* no contrast"),
        ("path,subject,contrast\na.nii.gz,a,T1w,b\n", "quotes"),
        ("path,subject,contrast,split\na.nii.gz,a,T1w,\n", "split"),
        ("path,subject,contrast,split\na.nii.gz,a,T1w,train\na.nii.gz,a,T2w,validate\n", "both splits"),
        ("path,subject,contrast,planes\na.nii.gz,a,T1w,oblique\n", "plane"),
        ("path,subject,contrast,kspace\na.nii.gz,a,T1w,0.01 1 1\n", "kspace"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path, text, message):
    put(tmp_path / "a.nii.gz")
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(RequestError, match=message):
        gather(str(tmp_path / "list.csv"))


def test_a_manifest_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes("path,subject,contrast\nä,a,T1w\n".encode("latin-1"))
    with pytest.raises(RequestError, match="UTF-8"):
        gather(str(tmp_path / "list.csv"))


@pytest.mark.parametrize("missing", ["nowhere", "nothing-*.nii.gz", "."])
def test_data_that_is_not_there_is_refused(tmp_path, missing):
    with pytest.raises(RequestError, match="no volumes"):
        gather(str(tmp_path / missing))


def test_a_good_volume_among_bad_ones_does_not_hide_them(tmp_path):
    put(tmp_path / "fine_T1w.nii.gz")
    content = put(tmp_path / "short_T1w.nii").read_bytes()
    (tmp_path / "short_T1w.nii").write_bytes(content[:-1000])
    (tmp_path / "garbage_T1w.nii.gz").write_bytes(b"no image")
    constant, holes = np.ones(SIZE, np.float32), np.ones(SIZE, np.float32)
    holes[3, 4, 5] = np.nan
    for name, array in (("constant", constant), ("nan", holes)):
        sitk.WriteImage(to_image(Volume(array, Grid(SIZE))), str(tmp_path / f"{name}_T1w.nrrd"))
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(RequestError, match="4 volumes") as refusal:
            gather(str(tmp_path), cache=cache)
        for name in ("short", "garbage", "constant", "nan"):
            assert f"{name}_T1w" in str(refusal.value)
        assert "fine" not in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_one_bad_volume_is_told_as_such(tmp_path):
    put(tmp_path / "fine_T1w.nii.gz")
    missing = {"path": "gone.nii.gz", "subject": "a", "contrast": "T1w"}
    fine = {"path": "fine_T1w.nii.gz", "subject": "b", "contrast": "T1w"}
    manifest = table(tmp_path / "list.csv", fine, missing)
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(RequestError, match=r"^there is no .*gone\.nii\.gz"):
            gather(str(manifest), cache=cache)


def test_contrasts_choose_volumes(folder):
    assert told(gather(str(folder), contrasts=["T2w", "FLAIR"])) == [
        ("d", "FLAIR", "train"),
        ("sub-01", "T2w", "train"),
    ]
    with pytest.raises(RequestError, match="no volume is PDw: choose from FLAIR, T1w, T2w"):
        gather(str(folder), contrasts=["T1w", "PDw"])


def test_subjects_are_named_to_validate(folder):
    truths = gather(str(folder), validate=["01", "c"])
    assert {t.subject for t in truths if t.split == "validate"} == {"sub-01", "c"}
    with pytest.raises(RequestError, match=r"no subject x to validate on: choose from .*sub-01"):
        gather(str(folder), validate=["c", "x"])
    with pytest.raises(RequestError, match="all of the 4"):
        gather(str(folder), validate=["c", "d", "sub-01", "IXI002-Guys"])


def test_a_split_in_the_manifest_is_not_overruled(pair):
    text = pair.read_text().replace("contrast\n", "contrast,split\n").replace("w\n", "w,train\n")
    pair.write_text(text)
    with pytest.raises(RequestError, match="leave out"):
        gather(str(pair), validate=["a"])


def test_a_share_of_the_subjects_validates_and_others_that_join_change_nothing(tmp_path, monkeypatch):
    any_volume = Volume(np.zeros((3, 3, 3), np.float32), Grid((3, 3, 3)))
    monkeypatch.setattr(truth_module, "_decoded", lambda entry: any_volume)

    def split(subjects, share):
        rows = [{"path": f"{s}_{c}.nii", "subject": s, "contrast": c} for s in subjects for c in ("T1w", "T2w")]
        truths = gather(str(table(tmp_path / "list.csv", *rows)), validate=[share])
        splits = {s: {t.split for t in truths if t.subject == s} for s in subjects}
        assert all(len(found) == 1 for found in splits.values())
        return {s for s, found in splits.items() if found == {"validate"}}

    few, many = [f"s{n:03}" for n in range(20)], [f"s{n:03}" for n in range(60)]
    assert split(few, "0.2") == split(many, "0.2") & set(few)
    assert 5 <= len(split(many, "0.2")) <= 20
    with pytest.raises(RequestError, match="none of the 20"):
        split(few, "0.000001")


def test_scans_on_one_grid_are_companions(pair):
    one, two = gather(str(pair))
    assert one.companions["T2w"] is two.volume.array
    assert two.companions["T1w"] is one.volume.array
    assert gather(str(pair), contrasts=["T1w"])[0].companions == {}


def test_a_companion_is_on_the_grid_and_may_be_of_thick_slices(pair):
    folder = pair.parent
    put(folder / "two.nii.gz", "T2w", origin=(0.0, 0.0, 0.0005))
    assert list(gather(str(pair))[0].companions) == ["T2w"]
    put(folder / "two.nii.gz", "T2w", origin=(0.0, 0.0, 0.01))
    assert not any(t.companions for t in gather(str(pair)))
    put(folder / "two.nii.gz", "T2w", size=(24, 22, 22))
    assert not any(t.companions for t in gather(str(pair)))
    put(folder / "two.nii.gz", "T2w")
    pair.write_text(pair.read_text().replace("contrast\n", "contrast,planes\n").replace("T2w", "T2w,axial"))
    assert [list(t.companions) for t in gather(str(pair))] == [["T2w"], ["T1w"]]


def head(contrast, size):
    spacing = tuple(extent / n for extent, n in zip(HEAD_MM, size, strict=True))
    return Volume(phantom(size, contrast, noise=0.0), Grid(size, spacing))


def turned(volume, degrees, shift):
    """The volume as a scanner would see it after the head has moved by a small rigid motion."""
    centre = volume.grid.to_world((np.array(volume.grid.size) - 1) / 2)
    motion = sitk.Euler3DTransform()
    motion.SetCenter(centre.tolist())
    motion.SetMatrix(Rotation.from_euler("xyz", degrees, degrees=True).as_matrix().ravel().tolist())
    motion.SetTranslation(shift)
    return from_image(sitk.Resample(to_image(volume), to_image(volume), motion, sitk.sitkBSpline, 0.0))


def test_companions_are_registered_on_request(tmp_path, monkeypatch):
    fixed, moving = head("T1w", (32, 40, 32)), head("T2w", (30, 36, 30))
    write_volume(fixed, tmp_path / "a_T1w.nii.gz")
    write_volume(turned(moving, (4, -3, 5), (3, -4, 2)), tmp_path / "a_T2w.nii.gz")
    assert not any(t.companions for t in gather(str(tmp_path)))
    cache = tmp_path / "cache"
    truths = gather(str(tmp_path), register=True, cache=cache)
    found = truths[0].companions["T2w"]
    assert found.shape == fixed.grid.size
    wanted = phantom(fixed.grid.size, "T2w", noise=0.0)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9
    monkeypatch.delattr("MRISuperResolutionLib.dataset.load.on_grid")
    assert_same(gather(str(tmp_path), register=True, cache=cache), truths)


def test_scans_that_cannot_be_aligned_are_refused_together(tmp_path, monkeypatch):
    def nothing_in_common(reference, target, moving_to):
        raise RequestError(f"cannot align the reference {reference.name}")

    monkeypatch.setattr("MRISuperResolutionLib.dataset.load.on_grid", nothing_in_common)
    put(tmp_path / "a_T1w.nii.gz")
    put(tmp_path / "a_T2w.nii.gz", size=(24, 22, 22))
    with pytest.raises(RequestError, match=r"2 volumes .*a_T2w\.nii\.gz.*a_T1w\.nii\.gz"):
        gather(str(tmp_path), register=True)


def files_in(cache):
    return {path: path.stat().st_mtime_ns for path in cache.iterdir()}


def test_the_cache_gives_bit_identical_truths_without_reading_again(pair, tmp_path, monkeypatch):
    pair.write_text(pair.read_text().replace("contrast\n", "contrast,kspace\n").replace("w\n", "w,0.8 1 0.7\n"))
    plain = gather(str(pair))
    cache = tmp_path / "new" / "cache"
    assert_same(gather(str(pair), cache=cache), plain)
    before = files_in(cache)
    monkeypatch.delattr(truth_module, "read_volume")
    again = gather(str(pair), cache=cache)
    assert_same(again, plain)
    assert files_in(cache) == before
    assert {path.suffix for path in before} == {".npy"}
    # mapped, and nobody's arithmetic reaches the file
    assert isinstance(again[0].volume.array.base, np.memmap)
    again[0].volume.array[:] = 0
    assert_same(gather(str(pair), cache=cache), plain)


def test_the_cache_knows_content_and_settings(pair, tmp_path):
    cache = tmp_path / "cache"
    gather(str(pair), cache=cache)
    assert len(files_in(cache)) == 2
    put(tmp_path / "one.nii.gz", "FLAIR")
    changed = gather(str(pair), cache=cache)
    assert len(files_in(cache)) == 3
    assert_same(changed, gather(str(pair)))
    pair.write_text(pair.read_text().replace("contrast\n", "contrast,kspace\n").replace("T2w", "T2w,1 1 0.5"))
    cropped = gather(str(pair), cache=cache)
    assert len(files_in(cache)) == 4
    assert_same(cropped, gather(str(pair)))


def cut_short(content):
    return content[: len(content) // 2]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_short, flipped, lambda content: b"", lambda content: b"nonsense" * 100])
def test_a_damaged_entry_is_made_anew(pair, tmp_path, damage):
    cache = tmp_path / "cache"
    plain = gather(str(pair), cache=cache)
    intact = {path: path.read_bytes() for path in cache.iterdir()}
    for path, content in intact.items():
        path.unlink()  # what is mapped stays
        path.write_bytes(damage(content))
    assert_same(gather(str(pair), cache=cache), plain)
    assert {path: path.read_bytes() for path in cache.iterdir()} == intact


def test_a_header_beside_its_voxels_is_not_cached(tmp_path):
    volume = read_volume(put(tmp_path / "a.nii.gz"))
    sitk.WriteImage(to_image(volume), str(tmp_path / "a_T1w.mhd"))
    first = gather(str(tmp_path / "*.mhd"), cache=tmp_path / "cache")
    sitk.WriteImage(to_image(Volume(volume.array[::-1], volume.grid)), str(tmp_path / "a_T1w.mhd"))
    second = gather(str(tmp_path / "*.mhd"), cache=tmp_path / "cache")
    np.testing.assert_array_equal(second[0].volume.array, first[0].volume.array[::-1])


def test_a_cache_that_cannot_be_written_to_is_refused(pair, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RequestError, match="cannot write to the cache"):
        gather(str(pair), cache=tmp_path / "file" / "cache")


def test_two_processes_share_a_cache(pair, tmp_path):
    cache = tmp_path / "cache"
    program = (
        "import sys; from pathlib import Path; from MRISuperResolutionLib.dataset.load import gather; "
        "gather(sys.argv[1], cache=Path(sys.argv[2]))"
    )
    library = str(Path(truth_module.__file__).parents[2])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(pair), str(cache)],
            env={**os.environ, "PYTHONPATH": library},
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
    assert {path.suffix for path in files_in(cache)} == {".npy"}
    assert_same(gather(str(pair), cache=cache), gather(str(pair)))


def test_patches_are_drawn_from_mapped_volumes(tmp_path, recwarn):
    put(tmp_path / "a_T1w.nii.gz", size=(64, 64, 64))
    protocol = preset("dggrn", architecture={"name": "DGGRN", "factor": 2, "filters": 4, "blocks": 1}, batch=4)
    network = build(protocol.architecture)
    batches = [
        PatchStream(gather(str(tmp_path), cache=cache), network, protocol).batch(0)
        for cache in (None, tmp_path / "cache", tmp_path / "cache")
    ]
    for source, target in batches[1:]:
        assert (source == batches[0][0]).all()
        assert (target == batches[0][1]).all()
    assert not [w for w in recwarn if "writ" in str(w.message)]


@pytest.mark.skipif(not DATA, reason="MRISR_DATA is not set: no real volumes to test on")
def test_the_manifests_of_the_shipped_weights_still_read(tmp_path):
    lines = (MANIFESTS / "t2w.csv").read_text().splitlines()
    short = tmp_path / "t2w.csv"
    short.write_text("\n".join([lines[0], lines[3], lines[-1]]) + "\n")
    truths = read_manifest(short, Path(DATA))
    assert told(truths) == [("cstar-01", "T2w", "train"), ("ljubljana-mni-26", "T2w", "validate")]
    assert [t.planes for t in truths] == [PLANES, ("axial",)]
    assert_same(gather(DATA, short, cache=tmp_path / "cache"), truths)


@pytest.mark.parametrize("name", ["t1w", "t2w"])
def test_the_manifests_of_the_shipped_weights_are_understood(name, monkeypatch):
    made = Volume(np.zeros((3, 3, 3), np.float32), Grid((3, 3, 3)))
    monkeypatch.setattr(truth_module, "_decoded", lambda entry: made)
    truths = gather("anywhere", MANIFESTS / f"{name}.csv")
    assert len(truths) == 9
    assert {t.split for t in truths} == {"train", "validate"}
    assert all("not stated" not in (t.licence, t.source) for t in truths)


def of_planes(*planes):
    """A volume on a grid whose k axis is across axial slices, i across sagittal ones; it changes along k alone."""
    size = (24, 23, 22)
    rng = np.random.default_rng(0)
    array = np.broadcast_to(rng.uniform(0.3, 1, size[2]).astype(np.float32), size)
    return Truth("head", "T1w", "train", planes, "CC0", "here", Volume(np.ascontiguousarray(array), Grid(size)))


def test_slices_are_degraded_in_their_plane_alone():
    axial, sagittal = of_planes("axial"), of_planes("sagittal")
    assert axial.degradable((1, 2, 3)) == (2, 3, 1)
    assert sagittal.degradable((2, 3, 1)) == (1, 2, 3)
    assert axial.degradable((2, 3, 4)) is None
    assert axial.degradable((2, 3, 4), closest=True) == (3, 4, 1)
    assert of_planes(*PLANES).degradable((2, 3, 4)) == (2, 3, 4)
    assert of_planes("axial", "sagittal").degradable((1, 2, 2)) is None


def test_slices_teach_a_3d_network_what_they_are_true_in():
    protocol = preset("recnn", architecture={"layers": 2, "filters": 2}, patch=9, batch=4, flips_and_rotations=True)
    network = build(protocol.architecture)
    # blurred across the lines along which alone it changes, a volume stays as it is
    for source, target in itertools.islice(PatchStream([of_planes("axial")], network, protocol), 3):
        np.testing.assert_allclose(source, target, atol=1e-5)
    source, target = next(iter(PatchStream([of_planes("sagittal")], network, protocol)))
    assert (source - target).abs().max() > 0.01


def test_slices_of_two_planes_are_not_for_a_3d_network():
    protocol = preset("recnn", architecture={"layers": 2, "filters": 2}, patch=9)
    with pytest.raises(RequestError, match="true in 3D or in just one plane"):
        PatchStream([of_planes("axial", "sagittal")], build(protocol.architecture), protocol)
