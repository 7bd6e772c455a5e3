"""The road from volume to volume: geometry, units, planes, references, and the original left as it was."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from MRISuperResolutionLib import Cancelled, Computing, Grid, RequestError, Volume, upscale
from MRISuperResolutionLib.image.intensity import Normalisation
from MRISuperResolutionLib.image.linear_operators import resample
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.io.provenance import NOTE
from MRISuperResolutionLib.models.card import Card, find_card, load_network, save_network
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.pipeline import registration as reference
from MRISuperResolutionLib.pipeline.request import acquired_plane
from MRISuperResolutionLib.runtime.progress import Silent

CPU = Computing(device="cpu", precision="float32")

# right-handed and left-handed; the second turns the index axes so that k runs front to back
STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0)


def model(folder, name, architecture, **facts):
    network = build(architecture)
    card = {
        "summary": "untrained",
        "contrasts": ["T1w"],
        "factors": {"lowest": 1.0, "highest": 3.0},
        "dimensions": network.dimensions,
        "references": network.references,
        "planes": [],
        "spacing_mm": [1, 1],
        "acquisition": {},
        "training": {},
        "figures": [],
        "licence": "CC0",
        **facts,
    }
    return str(save_network(network, Card(name=name, architecture=network.architecture, **card), folder).path)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {
        "3D": model(folder, "deep", {"name": "ReCNN", "layers": 3, "filters": 4}),
        "2D": model(folder, "flat", {"name": "DGGRN", "filters": 4, "blocks": 1}, factors={"in_plane": 2}),
        "guided": model(folder, "guided", {"name": "ReCNN", "layers": 2, "filters": 4, "references": 1}),
    }


def brain(size=(20, 22, 18), spacing=(1.0, 1.0, 1.0), direction=STRAIGHT, dtype=np.float32, contrast="T1w"):
    return Volume(brain_phantom(size, contrast).astype(dtype), Grid(size, spacing, (3.0, -4.0, 5.0), direction))


@pytest.mark.parametrize("kind", ["spline", "3D", "2D"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64])
def test_the_result_fills_the_box_of_the_input_in_its_type(models, kind, dtype):
    volume = brain(direction=CORONAL, spacing=(1.0, 1.0, 3.0))
    volume = Volume((volume.array / 4).astype(dtype), volume.grid)
    before = volume.array.copy()
    result = upscale(volume, models.get(kind, kind), computing=CPU)
    assert result.grid.distance_to(volume.grid) < 1e-6
    assert result.array.dtype == dtype
    assert result.array.shape == ((40, 44, 18) if kind == "2D" else (40, 44, 36))
    assert np.isfinite(result.array).all()
    np.testing.assert_array_equal(volume.array, before)


@settings(max_examples=15)
@given(gain=st.floats(0.01, 100), offset=st.floats(-1000, 1000), kind=st.sampled_from(["spline", "3D", "2D"]))
def test_units_do_not_matter(models, gain, offset, kind):
    volume = brain()
    other = Volume(volume.array * np.float32(gain) + np.float32(offset), volume.grid)
    name = models.get(kind, kind)
    expected = upscale(volume, name, computing=CPU).array * gain + offset
    found = upscale(other, name, computing=CPU).array
    assert np.abs(found - expected).max() <= 1e-3 * np.ptp(expected) + 1e-5 * abs(offset)


def test_spline_is_the_resampled_volume():
    volume = brain()
    result = upscale(volume, "spline", scale=(1.5, 1, 2))
    expected = resample(volume.array.astype(np.float64), (30, 22, 36))
    assert np.abs(result.array - expected).max() < 1e-4 * np.ptp(expected)


def test_a_plane_chooses_the_axis_that_stays(models):
    volume = brain(direction=CORONAL)
    sizes = {
        plane: upscale(volume, models["2D"], plane=plane, computing=CPU).grid.size
        for plane in ("sagittal", "axial", "coronal")
    }
    assert sizes == {"sagittal": (20, 44, 36), "axial": (40, 22, 36), "coronal": (40, 44, 18)}


def test_slices_are_worked_on_one_by_one(models):
    volume = brain()
    whole = upscale(volume, models["2D"], plane="axial", computing=CPU).array
    turned = Volume(volume.array[:, :, ::-1].copy(), volume.grid)
    reversed_ = upscale(turned, models["2D"], plane="axial", computing=CPU).array[:, :, ::-1]
    np.testing.assert_allclose(whole, reversed_, rtol=0, atol=1e-5 * np.ptp(whole))


def test_without_a_plane_the_thick_slices_are_taken():
    assert acquired_plane(Grid((9, 9, 9))) == "axial"
    assert acquired_plane(Grid((9, 9, 9), (1, 1, 4))) == "axial"
    assert acquired_plane(Grid((9, 9, 9), (4, 1, 1))) == "sagittal"
    assert acquired_plane(Grid((9, 9, 9), (1, 1, 4), direction=CORONAL)) == "coronal"


def test_a_reference_is_used_wherever_it_lies(models):
    volume = brain((16, 16, 16), (2.0, 2.0, 2.0))
    fine = brain((32, 32, 32), contrast="T2w")
    straight = Volume(fine.array, volume.grid.with_size((32, 32, 32)))
    plain = upscale(volume, models["guided"], references=[straight], computing=CPU)
    flipped = Grid((32, 32, 32), (1.0, 1.0, 1.0), (33.5, -4.5, 4.5), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    mirrored = Volume(fine.array[::-1].copy(), flipped)
    assert flipped.distance_to(straight.grid) > 1
    other = upscale(volume, models["guided"], references=[mirrored], computing=CPU)
    assert np.abs(plain.array - other.array).max() < 1e-3 * np.ptp(plain.array)
    empty = Volume(np.random.default_rng(0).random((32, 32, 32)), straight.grid)
    without = upscale(volume, models["guided"], references=[empty], computing=CPU)
    assert np.abs(plain.array - without.array).max() > 1e-2 * np.ptp(plain.array)


@pytest.mark.parametrize("count", [1, 2])
def test_the_network_sees_the_volume_first_and_then_its_references(tmp_path, count):
    path = model(tmp_path, "seeing", {"name": "ReCNN", "layers": 2, "filters": 3, "references": count})
    volume = brain((16, 16, 16), (2.0, 2.0, 2.0))
    grid = volume.grid.with_size((32, 32, 32))
    others = [Volume(brain_phantom(grid.size, contrast), grid) for contrast in ("T2w", "FLAIR")[:count]]
    norm = Normalisation.of(volume.array)
    seen = [resample(norm.apply(volume.array), grid.size)]
    seen += [Normalisation.of(other.array).apply(other.array) for other in others]
    with torch.no_grad():
        wanted = load_network(find_card(path))(torch.from_numpy(np.stack(seen))[None])[0, 0].numpy()
    found = upscale(volume, path, references=others, acquisition=None, computing=CPU)
    assert np.abs(found.array - norm.undo(wanted, volume.array.dtype)).max() < 1e-4 * np.ptp(volume.array)


def test_a_reference_that_does_not_overlap_is_refused(models):
    volume = brain((16, 16, 16))
    away = Volume(volume.array, Grid((16, 16, 16), origin=(300.0, 0.0, 0.0)), name="far.nii")
    with pytest.raises(RequestError, match=r"far\.nii.*covers"):
        upscale(volume, models["guided"], references=[away], computing=CPU)


def test_a_reference_that_lies_far_away_is_brought_back(models):
    volume, other = brain((32, 32, 32), (5.0, 5.0, 5.0)), brain((32, 32, 32), (5.0, 5.0, 5.0), contrast="T2w")
    away = Volume(other.array, Grid(other.grid.size, other.grid.spacing, (500.0, 0.0, 0.0)))
    wanted = upscale(volume, models["guided"], scale=[1], references=[other], computing=CPU)
    found = upscale(volume, models["guided"], scale=[1], references=[away], register=True, computing=CPU)
    assert np.abs(found.array - wanted.array).mean() < 1e-2 * np.ptp(wanted.array)


def test_aligning_is_told_and_can_be_cancelled(models, monkeypatch):
    class Impatient(Silent):
        def report(self, fraction, step):
            assert fraction <= 0.05
            if fraction > 0:
                assert step == "aligning the reference"
                raise Cancelled

    monkeypatch.setattr(reference, "LOOK_S", 0.001)
    volume, other = brain((32, 32, 32)), brain((32, 32, 32), contrast="T2w")
    with pytest.raises(Cancelled):
        upscale(volume, models["guided"], references=[other], register=True, computing=CPU, progress=Impatient())


@pytest.fixture
def old_gpu(monkeypatch):
    """A GPU that torch finds and has no code for; whatever else is asked of it is an error."""
    import torch

    def ones(*size, device):
        assert device.type == "cuda"
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nTry this and that.")

    seen = {"is_available": lambda: True, "device_count": lambda: 1, "get_device_name": lambda device: "Tesla C870"}
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(**seen))
    monkeypatch.setattr(torch, "ones", ones)


@pytest.mark.usefixtures("old_gpu")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_gpu_that_torch_has_no_code_for_is_refused(models, device):
    with pytest.raises(
        RequestError, match=r"no code for this GPU \(Tesla C870\): choose the CPU or install a PyTorch"
    ):
        upscale(brain(), models["3D"], computing=Computing(device=device))


@pytest.mark.usefixtures("old_gpu")
def test_a_gpu_that_torch_has_no_code_for_is_not_left_silently(models, capsys):
    result = upscale(brain(), models["3D"])
    assert result.header["MRISuperResolution.device"] == "cpu"
    assert "no code for this GPU (Tesla C870): computing on the CPU" in capsys.readouterr().err


def test_the_header_says_how_it_was_made(models):
    header = upscale(brain(), models["2D"], plane="axial", computing=CPU).header
    assert header["MRISuperResolution.model"] == "flat"
    assert header["MRISuperResolution.plane"] == "axial"
    assert header["MRISuperResolution.factors"] == "2x2x1"
    assert header["MRISuperResolution.device"] == "cpu"
    assert header["MRISuperResolution.precision"] == "float32"
    assert len(header["MRISuperResolution.sha256"]) == 64
    assert "research use" in header["MRISuperResolution.notice"]
    assert len(header[NOTE]) <= 100


@pytest.mark.parametrize(("kind", "factors"), [("3D", (2, 2, 2)), ("3D", (1, 1, 2.5)), ("2D", (2, 2, 1))])
def test_a_known_scan_is_explained(models, kind, factors):
    """Whatever the network makes, its scan is the input; as closely as the noise allows."""
    acquisition = Acquisition.gaussian(factors, sigma=0.8)
    truth = brain((20, 20, 20))
    low = Volume(acquisition.apply(truth.array), acquisition.grid(truth.grid))
    asked = {"plane": "axial"} if kind == "2D" else {"scale": factors}
    results = [
        upscale(low, models[kind], **asked, acquisition=known, computing=CPU)
        for known in (None, replace(acquisition, noise="rician", noise_level=0.01), acquisition)
    ]
    left = [np.abs(acquisition.apply(result.array) - low.array).mean() for result in results]
    wrong = [np.abs(result.array - truth.array).mean() for result in results]
    assert left[0] > left[1] > 20 * left[2]
    assert wrong[0] > wrong[1] > wrong[2]
    header = results[2].header
    assert float(header["MRISuperResolution.unexplained"]) < 0.05 * float(
        header["MRISuperResolution.unexplained_before"]
    )
    assert "sigma 0.8 fine voxels" in header["MRISuperResolution.acquisition"]


def test_a_scan_of_another_size_is_refused(models):
    with pytest.raises(RequestError, match="give the factors"):
        upscale(brain(), models["3D"], scale=[2], acquisition=Acquisition.gaussian((2, 2, 1)), computing=CPU)


def test_a_spacing_asks_for_the_same_as_a_scale(models):
    volume = brain(spacing=(1.0, 1.0, 3.0))
    by_spacing = upscale(volume, models["3D"], spacing=(1, 1, 1), computing=CPU)
    by_scale = upscale(volume, models["3D"], scale=(1, 1, 3), computing=CPU)
    assert by_spacing.grid == by_scale.grid
    np.testing.assert_array_equal(by_spacing.array, by_scale.array)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        ("3D", {"scale": [3.5]}, "from 1 to 3"),
        ("3D", {"plane": "axial"}, "plane"),
        ("2D", {"scale": [3]}, "2 times finer"),
        ("2D", {"scale": [2, 2, 2], "plane": "axial"}, "2 times finer"),
        ("2D", {"spacing": [1, 0.5, 0.5], "plane": "axial"}, "2 times finer"),
        ("guided", {}, "needs 1"),
        ("spline", {"scale": [1, 2]}, "three"),
        ("spline", {"scale": [2], "spacing": [1, 1, 1]}, "one of them"),
        ("spline", {"spacing": [2, 1, 1]}, "coarser"),
    ],
)
def test_what_a_model_was_not_made_for_is_refused(models, kind, wrong, message):
    with pytest.raises(RequestError, match=message):
        upscale(brain(), models.get(kind, kind), computing=CPU, **wrong)
