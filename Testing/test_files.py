"""What is written comes back, what cannot be read or written is refused in one line, and nothing is left behind."""

import gzip
import itertools
import os
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation
from volumes import IDENTITY, LEFT_HANDED, OBLIQUE, blobs, centred_grid, random_volume, world_of

from MRISuperResolutionLib import __version__
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.intensity import Normalisation
from MRISuperResolutionLib.image.volume import Volume, check_image
from MRISuperResolutionLib.io import (
    check_output,
    read_header,
    read_volume,
    room_in_file,
    to_image,
    write_volume,
)
from MRISuperResolutionLib.io.arrays import EVERYWHERE
from MRISuperResolutionLib.io.provenance import KEY, NOTE, provenance
from MRISuperResolutionLib.pipeline.registration import on_grid, register

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
GRID = Grid((7, 6, 5), (0.7, 1.1, 3.3), (-80.25, 31.5, 112.125), OBLIQUE)
MADE = {"model": "spline", "factors": (2.0, 1.0, 2.5), "sha256": "0123456789abcdef", "plane": None, "references": 0}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def refusal(action, *arguments):
    """The message of the RequestError that the action must raise: one line."""
    with pytest.raises(RequestError) as raised:
        action(*arguments)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    return message


# --- written and read again


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "float32", "float64"])
def test_voxels_type_and_geometry_come_back(tmp_path, suffix, dtype):
    volume = random_volume(GRID, dtype)
    write_volume(volume, tmp_path / f"out{suffix}")
    back = read_volume(tmp_path / f"out{suffix}")
    assert back.array.dtype == volume.array.dtype
    np.testing.assert_array_equal(back.array, volume.array)
    # NIfTI holds float32
    assert back.grid.distance_to(GRID) < (1e-4 if ".nii" in suffix else 1e-9)
    assert back.grid.spacing == pytest.approx(GRID.spacing, rel=1e-6)
    assert names_in(tmp_path) == [f"out{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_left_handed_volume_comes_back(tmp_path, suffix):
    volume = random_volume(Grid(GRID.size, GRID.spacing, GRID.origin, LEFT_HANDED))
    write_volume(volume, tmp_path / f"out{suffix}")
    back = read_volume(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.grid.distance_to(volume.grid) < 1e-4


def test_simpleitk_sees_the_same_voxel_at_the_same_place(tmp_path):
    volume = random_volume(GRID)
    write_volume(volume, tmp_path / "out.nrrd")
    image = sitk.ReadImage(str(tmp_path / "out.nrrd"))
    assert image.GetPixel(6, 4, 1) == volume.array[6, 4, 1]
    assert image.TransformIndexToPhysicalPoint((6, 4, 1)) == pytest.approx(GRID.to_world((6, 4, 1)))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_the_header_comes_back(tmp_path, suffix):
    header = provenance("Computed by super-resolution", MADE)
    write_volume(random_volume(GRID, header=header), tmp_path / f"out{suffix}")
    back = read_header(tmp_path / f"out{suffix}")
    assert {key: back[key] for key in header} == header
    assert back[f"{KEY}.factors"] == "2x1x2.5"
    assert back[f"{KEY}.version"] == __version__
    assert "not for diagnosis" in back[f"{KEY}.notice"]
    assert f"{KEY}.plane" not in back


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_holds_the_short_note(tmp_path, suffix):
    header = provenance("Computed by super-resolution", MADE)
    write_volume(random_volume(GRID, header=header), tmp_path / f"out{suffix}")
    note = read_header(tmp_path / f"out{suffix}")["descrip"]
    assert note == header[NOTE]
    assert all(word in note for word in ("mrisr", "research-only", "spline", "2x1x2.5", "01234567"))


@pytest.mark.parametrize("name", ["n" * 200, "modèle à moi " * 20], ids=["ASCII", "accents"])
def test_a_long_note_is_cut_to_what_nifti_holds(tmp_path, name):
    header = provenance("Computed by super-resolution", {"model": name})
    write_volume(random_volume(GRID, header=header), tmp_path / "out.nii.gz")
    note = read_header(tmp_path / "out.nii.gz")["descrip"]
    assert 70 < len(note.encode()) <= 79
    assert header[NOTE].startswith(note)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("odd", ["", "two\nlines", "a = b: c"], ids=["empty", "lines", "signs"])
def test_odd_header_texts_do_not_spoil_the_file(tmp_path, suffix, odd):
    volume = random_volume(GRID, header=provenance("Computed", {"model": odd}))
    write_volume(volume, tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(read_volume(tmp_path / f"out{suffix}").array, volume.array)
    if suffix in (".nrrd", ".mha"):
        assert read_header(tmp_path / f"out{suffix}").get(f"{KEY}.model", "") == " ".join(odd.split())


# --- written piece by piece


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64"])
def test_a_file_written_in_pieces_is_the_one_that_simpleitk_writes(tmp_path, suffix, dtype):
    header = provenance("Computed", MADE)
    volume = random_volume(GRID, dtype, {"ITK_FileNotes": header[NOTE]} if suffix == ".nii" else header)
    sitk.WriteImage(to_image(volume), str(tmp_path / f"whole{suffix}"))
    path = tmp_path / f"out{suffix}"
    with room_in_file(path, GRID, volume.array.dtype) as room:
        pieces = room.begin(header)
        # columns and planes, in no order
        for i, j, k in itertools.product((slice(3, 7), slice(0, 3)), (slice(0, 6),), (slice(2, 5), slice(0, 2))):
            pieces[i, j, k] = volume.array[i, j, k]
        pieces[:, :, 4:5] = volume.array[:, :, 4:5]
        assert not path.exists()
    assert path.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert names_in(tmp_path) == [path.name, f"whole{suffix}"]


def test_a_zipped_file_holds_the_one_that_is_not_zipped(tmp_path):
    write_volume(random_volume(GRID), tmp_path / "out.nii")
    write_volume(random_volume(GRID), tmp_path / "out.nii.gz")
    assert gzip.decompress((tmp_path / "out.nii.gz").read_bytes()) == (tmp_path / "out.nii").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_begun_can_begin_anew(tmp_path, suffix):
    volume = random_volume(GRID)
    with room_in_file(tmp_path / f"out{suffix}", GRID, volume.array.dtype) as room:
        room.begin({"a": "longer than the second"})[:, :, 1:2] = volume.array[:, :, :1]
        room.begin({})[EVERYWHERE] = volume.array
    np.testing.assert_array_equal(read_volume(tmp_path / f"out{suffix}").array, volume.array)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".nia"])
def test_a_room_that_is_left_by_an_error_leaves_nothing(tmp_path, suffix):
    def leave():
        with room_in_file(tmp_path / f"out{suffix}", GRID, np.dtype("int16")) as room:
            room.begin({})[:, :, :1] = np.zeros((7, 6, 1), np.int16)
            raise RequestError("no")

    assert refusal(leave) == "no"
    assert names_in(tmp_path) == []


def test_a_disk_that_is_too_small_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2**20))
    grid = Grid((1000, 1000, 1000))

    def begin():
        with room_in_file(tmp_path / "out.nii.gz", grid, np.dtype("float32")) as room:
            room.begin({})

    assert "needs 3815 MiB of the disk, and 1 MiB are free" in refusal(begin)
    assert names_in(tmp_path) == []


def test_nifti_holds_no_more_voxels_along_an_axis_than_it_can_count(tmp_path):
    def begin():
        with room_in_file(tmp_path / "out.nii", Grid((3, 3, 40_000)), np.dtype("uint8")) as room:
            room.begin({})

    assert "32767 voxels along an axis: use .nrrd or .mha" in refusal(begin)


# --- DICOM


def write_slices(folder, array, grid, series="1", leave_out=(), tilt=(0, 0, 0), slope=1, intercept=0, colour=False):
    """``array`` as a DICOM series, a file for each slice; ``tilt``: mm that each slice moves sideways."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    columns = np.reshape(grid.direction, (3, 3)).T
    for k in set(range(grid.size[2])) - set(leave_out):
        plane = array[:, :, k].T
        image = sitk.GetImageFromArray(np.stack([plane] * 3, axis=-1) if colour else plane, isVector=colour)
        image = sitk.JoinSeries(image)
        image.SetSpacing(grid.spacing)
        position = grid.to_world((0, 0, k)) + np.multiply(tilt, k)
        tags = {
            "0008|0018": f"1.2.826.0.1.{series}.{k + 1}",
            "0008|0060": "MR",
            "0018|0050": str(grid.spacing[2]),
            "0020|000d": "1.2.826.0.1",
            "0020|000e": f"1.2.826.0.1.{series}",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{x:.6f}" for x in position),
            "0020|0037": "\\".join(f"{x:.8f}" for x in columns[:2].ravel()),
        }
        if (slope, intercept) != (1, 0):
            tags |= {"0028|1052": str(intercept), "0028|1053": str(slope)}
        for tag, text in tags.items():
            image.SetMetaData(tag, text)
        # names against the order of the slices: position decides
        writer.SetFileName(str(folder / f"{series}-{99 - k}.dcm"))
        writer.Execute(image)


THICK = Grid((8, 9, 6), (0.9, 1.1, 5.0), (-30.0, 20.0, 10.0), OBLIQUE)


def mr_values(grid=THICK):
    return np.random.default_rng(4).integers(0, 2000, grid.size).astype(np.int16)


def test_a_dicom_series_of_thick_oblique_slices(tmp_path):
    write_slices(tmp_path / "series", mr_values(), THICK)
    volume = read_volume(tmp_path / "series")
    np.testing.assert_array_equal(volume.array, mr_values())
    assert volume.array.dtype == np.int16
    assert volume.grid.spacing == pytest.approx(THICK.spacing, abs=1e-5)
    assert volume.grid.distance_to(THICK) < 1e-4


def test_dicom_slope_and_intercept_are_applied(tmp_path):
    array = (2 * mr_values() - 10).astype(np.int16)
    write_slices(tmp_path / "series", array, THICK, slope=2, intercept=-10)
    np.testing.assert_array_equal(read_volume(tmp_path / "series").array, array)


@pytest.mark.parametrize("missing", [1, 4])
def test_a_series_with_a_missing_slice_is_refused(tmp_path, missing):
    write_slices(tmp_path / "series", mr_values(), THICK, leave_out=[missing])
    assert "missing" in refusal(read_volume, tmp_path / "series")


def test_a_tilted_stack_is_refused(tmp_path):
    write_slices(tmp_path / "series", mr_values(), THICK, tilt=np.reshape(OBLIQUE, (3, 3))[:, 1] * 0.5)
    assert "tilt (0.50 mm" in refusal(read_volume, tmp_path / "series")


def test_one_slice_over_time_is_no_volume(tmp_path):
    along = np.reshape(THICK.direction, (3, 3))[:, 2] * THICK.spacing[2]
    write_slices(tmp_path / "series", mr_values(), THICK, tilt=-along)
    assert "all lie at one place" in refusal(read_volume, tmp_path / "series")


@pytest.mark.parametrize("dtype", [">i2", ">f4", "f2"])
def test_any_real_scalar_type_can_be_written(tmp_path, dtype):
    array = mr_values().astype(dtype)
    write_volume(Volume(array, THICK), str(tmp_path / "out.nrrd"))
    np.testing.assert_array_equal(read_volume(tmp_path / "out.nrrd").array, array)


@pytest.mark.parametrize("damage", ["hole", "cut"])
@pytest.mark.parametrize("name", ["in.NII", "in.NII.GZ", "in.hdr", "in.img"])
def test_what_itk_hides_is_found_under_any_name(tmp_path, name, damage):
    array = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    if damage == "hole":
        array[1, 2, 3] = np.nan
    path = tmp_path / name
    plain = path.with_name(path.name.lower())
    sitk.WriteImage(sitk.GetImageFromArray(array), str(plain))
    if plain != path:
        plain.rename(path)
    if damage == "cut":
        voxels = path.with_suffix(".img") if name in ("in.hdr", "in.img") else path
        voxels.write_bytes(voxels.read_bytes()[:-600])
        assert "cut short" in refusal(read_volume, path)
    else:
        assert "1 NaN" in refusal(check_image, read_volume(path))


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    """The libraries inside ITK would end the process."""
    name = os.fsdecode(b"M\xfcller.nii")
    plain = tmp_path / "plain.nii"
    write_volume(Volume(mr_values(), THICK), plain)
    plain.rename(tmp_path / name)
    assert "not UTF-8" in refusal(read_volume, tmp_path / name)
    assert "not UTF-8" in refusal(write_volume, Volume(mr_values(), THICK), tmp_path / os.fsdecode(b"\xfc.nrrd"))


def test_a_colour_series_is_refused(tmp_path):
    write_slices(tmp_path / "series", mr_values().astype(np.uint8), THICK, colour=True)
    assert "3 values in each voxel" in refusal(read_volume, tmp_path / "series")


def test_a_folder_with_two_series_or_none_is_refused(tmp_path):
    for series in ("1", "2"):
        write_slices(tmp_path / "two", mr_values(), THICK, series)
    assert "2 DICOM series" in refusal(read_volume, tmp_path / "two")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "note.txt").write_text("no image")
    assert "no DICOM series" in refusal(read_volume, tmp_path / "none")


def test_a_folder_of_multi_frame_files_is_read_if_there_is_one(tmp_path):
    volume = Volume(mr_values().astype(np.uint16), Grid(THICK.size, THICK.spacing), {"0020|000e": "1.2.826.0.1.1"})
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.Execute(to_image(volume), str(tmp_path / "first.dcm"), False, -1)
    np.testing.assert_array_equal(read_volume(tmp_path).array, volume.array)
    writer.Execute(to_image(volume), str(tmp_path / "second.dcm"), False, -1)
    assert "2 volumes (multi-frame files)" in refusal(read_volume, tmp_path)


# --- what cannot be read


def test_a_missing_file_is_refused(tmp_path):
    assert "there is no" in refusal(read_volume, tmp_path / "none.nii.gz")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"this is no image\n" * 100], ids=["empty", "text"])
def test_a_file_that_is_no_image_is_refused(tmp_path, suffix, content):
    (tmp_path / f"in{suffix}").write_bytes(content)
    message = refusal(read_volume, tmp_path / f"in{suffix}")
    assert f"in{suffix}" in message
    assert "does not know its format" in message


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.4, 0.95])
def test_a_truncated_file_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"in{suffix}"
    write_volume(random_volume(Grid((20, 20, 20))), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "damaged or cut short" in refusal(read_volume, path)


def test_a_damaged_nifti_is_refused(tmp_path):
    path = tmp_path / "in.nii.gz"
    write_volume(random_volume(Grid((60, 60, 60))), path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF
    path.write_bytes(content)
    assert "damaged or cut short" in refusal(read_volume, path)


def test_a_scaled_nifti_is_read(tmp_path):
    volume = random_volume(GRID, "int16")
    write_volume(volume, tmp_path / "in.nii")
    content = bytearray((tmp_path / "in.nii").read_bytes())
    content[112:120] = np.array([0.5, 10], "<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "in.nii").write_bytes(content)
    np.testing.assert_allclose(read_volume(tmp_path / "in.nii").array, volume.array * 0.5 + 10)


def test_an_unzipped_file_named_as_zipped_is_read(tmp_path):
    volume = random_volume(GRID)
    write_volume(volume, tmp_path / "out.nii")
    (tmp_path / "out.nii").rename(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "out.nii.gz").array, volume.array)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (sitk.Image([8, 8], sitk.sitkInt16), "2 dimensions"),
        (sitk.Image([8, 8, 8, 3], sitk.sitkInt16), "4 dimensions"),
        (sitk.Image([8, 8, 8], sitk.sitkVectorUInt8, 3), "3 values in each voxel"),
    ],
    ids=["2D", "4D", "RGB"],
)
def test_anything_but_a_3d_scalar_volume_is_refused(tmp_path, suffix, image, reason):
    sitk.WriteImage(image, str(tmp_path / f"in{suffix}"))
    assert reason in refusal(read_volume, tmp_path / f"in{suffix}")


# --- what cannot be written

UNWRITABLE = {
    ".mhd": "second file",
    ".nhdr": "second file",
    ".hdr": "second file",
    ".img": "second file",
    ".spr": "second file",
    ".vtk": "cannot hold the position",
    ".tif": "cannot hold the position",
    ".png": "cannot",
    ".xyz": "unknown",
    "": "unknown",
}


def check(volume, path):
    check_output(path, volume.grid, volume.array.dtype, overwrite=False)


@pytest.mark.parametrize("write", [check, write_volume])
@pytest.mark.parametrize(("suffix", "reason"), UNWRITABLE.items())
def test_formats_that_cannot_hold_a_volume_are_refused(tmp_path, write, suffix, reason):
    assert reason in refusal(write, random_volume(GRID, "uint8"), tmp_path / f"out{suffix}")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_check_leaves_nothing_behind(tmp_path, suffix):
    check(random_volume(GRID), tmp_path / f"out{suffix}")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("write", [check, write_volume])
def test_an_existing_file_is_kept(tmp_path, write):
    path = tmp_path / "out.nii.gz"
    path.write_text("precious")
    assert "--overwrite" in refusal(write, random_volume(GRID), path)
    assert path.read_text() == "precious"
    assert names_in(tmp_path) == ["out.nii.gz"]


def test_an_existing_file_is_replaced_when_asked(tmp_path):
    path = tmp_path / "out.nii.gz"
    path.write_text("old")
    check_output(path, GRID, np.dtype("float32"), overwrite=True)
    assert path.read_text() == "old"
    volume = random_volume(GRID)
    write_volume(volume, path, overwrite=True)
    np.testing.assert_array_equal(read_volume(path).array, volume.array)
    assert names_in(tmp_path) == ["out.nii.gz"]


def test_a_place_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.nii").mkdir()
    assert "is a folder" in refusal(lambda: check_output(tmp_path / "folder.nii", GRID, np.dtype("int16"), True))
    assert "does not exist" in refusal(check, random_volume(GRID), tmp_path / "none" / "out.nii")


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from MRISuperResolutionLib.errors import RequestError
    from MRISuperResolutionLib.io import write_volume
    from MRISuperResolutionLib.image.grid import Grid
    from MRISuperResolutionLib.image.volume import Volume, check_image

    array = np.random.default_rng(0).standard_normal((40, 40, 40))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    for path in map(Path, sys.argv[1:]):
        try:
            write_volume(Volume(array, Grid(array.shape)), path, overwrite=True)
        except RequestError as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of the file size")
def test_a_full_disk_leaves_the_folder_as_it_was(tmp_path):
    paths = [tmp_path / f"out{suffix}" for suffix in SUFFIXES]
    paths[0].write_text("precious")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), *map(str, paths)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    messages = [line for line in done.stdout.splitlines() if "disk" in line]
    assert all(str(path) in message for path, message in zip(paths, messages, strict=True))
    assert names_in(tmp_path) == ["out.nii"]
    assert paths[0].read_text() == "precious"


# --- a reference on the grid of the result

TARGET = centred_grid((20, 22, 18), (1.5, 1.5, 1.5))


def phantom(grid, position=lambda world: world):
    return Volume(blobs(position(world_of(grid))).astype(np.float32), grid)


def other_contrast(volume):
    return Volume(300 * np.exp(-volume.array / 100), volume.grid)


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE, LEFT_HANDED])
def test_a_reference_from_another_grid_lies_where_it_belongs(direction):
    reference = phantom(centred_grid((40, 42, 44), (1.3, 1.2, 1.25), direction))
    truth = Normalisation.of(reference.array).apply(phantom(TARGET).array)
    found = on_grid(reference, TARGET)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth, atol=0.005)


def test_a_reference_is_background_where_it_does_not_reach():
    reference = phantom(centred_grid((15, 60, 60)))
    reference.array[:] += 500
    found = on_grid(reference, TARGET)
    outside = np.abs(world_of(TARGET)[..., 0]) > 7.5
    assert outside.any()
    np.testing.assert_allclose(found[outside], 0, atol=1e-5)
    assert found[~outside].max() > 0.5


@pytest.mark.parametrize("distance", [20, 1000])
def test_a_reference_of_another_place_is_refused(distance):
    near = phantom(centred_grid((30, 30, 30)))
    origin = (near.grid.origin[0] + distance, *near.grid.origin[1:])
    reference = Volume(near.array, Grid(near.grid.size, origin=origin), name="t2w.nii")
    message = refusal(on_grid, reference, TARGET)
    assert "t2w.nii covers" in message
    assert "--register" in message


def test_registration_finds_how_the_head_moved():
    grid = centred_grid((40, 40, 40))
    turn = Rotation.from_rotvec([0, 3, 4], degrees=True).as_matrix()
    shift = np.array([4.0, 0.0, 0.0])
    fixed = phantom(grid)
    moved = other_contrast(phantom(grid, lambda world: (world - shift) @ turn))

    points = world_of(grid)[8:-8:6, 8:-8:6, 8:-8:6].reshape(-1, 3)
    transform = register(to_image(moved), fixed)
    found = np.array([transform.TransformPoint(point) for point in points])
    assert np.linalg.norm(found - (points @ turn.T + shift), axis=1).max() < 0.5

    inner = (slice(8, -8),) * 3
    wanted = on_grid(other_contrast(fixed), grid)[inner]
    before = np.abs(on_grid(moved, grid)[inner] - wanted).mean()
    after = np.abs(on_grid(moved, grid, moving_to=fixed)[inner] - wanted).mean()
    assert after < 0.1 * before
