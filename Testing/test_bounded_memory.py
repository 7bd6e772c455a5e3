"""A result is made in a memory much smaller than itself, and is the one that more memory gives; else a refusal says
what would take less."""

import sys
import tracemalloc

import numpy as np
import pytest
from test_upscaling import CPU, brain, model

from MRISuperResolutionLib import Computing, OutOfMemory, RequestError, upscale
from MRISuperResolutionLib.benchmark.memory_limited_run import bounded_runs
from MRISuperResolutionLib.io import read_volume, room_in_file
from MRISuperResolutionLib.models.registry import find_model
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.pipeline.request import plan
from MRISuperResolutionLib.pipeline.upscale import upscale_into
from MRISuperResolutionLib.runtime.memory import GIB


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {
        "3D": model(folder, "deep", {"name": "ReCNN", "layers": 3, "filters": 2}),
        "edges": model(folder, "edges", {"name": "ReCNN", "layers": 2, "filters": 2, "gradient_input": True}),
        "2D": model(folder, "flat", {"name": "DGGRN", "filters": 2, "blocks": 1}, factors={"in_plane": 2}),
        "guided": model(folder, "guided", {"name": "ReCNN", "layers": 2, "filters": 2, "references": 1}),
        "slices": model(folder, "slices", {"name": "ReCNN", "layers": 2, "filters": 2, "dimensions": 2}),
        "wide": model(folder, "wide", {"name": "ReCNN", "layers": 2, "filters": 64}),
    }


def to_file(path, volume, name, **options):
    """The result by way of a file, and the header that it was told of."""
    target = plan(volume.grid, find_model(name), options.get("scale"), plane=options.get("plane")).target
    with room_in_file(path, target, volume.array.dtype) as room:
        told = upscale_into(room, volume, name, **options)
    return read_volume(path).array, told.header


@pytest.fixture
def weightless(monkeypatch):
    """A process that takes no memory of its own, so that a small limit is one of what is computed."""
    for module in ("inference.engine", "pipeline.memory_requirements"):
        monkeypatch.setattr(f"MRISuperResolutionLib.{module}.process_memory", lambda: 0)
    monkeypatch.setattr("MRISuperResolutionLib.io.arrays.AT_ONCE", 2**16)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".nii.gz"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("spline", {"scale": (1.5, 1, 2)}),
        ("linear", {"scale": (1, 1, 1)}),
        ("3D", {}),
        ("2D", {"plane": "sagittal"}),
        ("2D", {"plane": "axial"}),
        ("slices", {"plane": "coronal"}),
    ],
)
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_file_holds_what_memory_would(tmp_path, models, suffix, kind, options, dtype):
    volume = brain(dtype=dtype)
    name = models.get(kind, kind)
    wanted = upscale(volume, name, computing=CPU, **options)
    found, header = to_file(tmp_path / f"out{suffix}", volume, name, computing=CPU, **options)
    np.testing.assert_array_equal(found, wanted.array)
    assert found.dtype == dtype
    assert header == wanted.header


@pytest.mark.usefixtures("weightless")
@pytest.mark.parametrize(
    ("kind", "noise", "bound"),
    [
        ("spline", 0, 1e-5),
        ("3D", 20, 1e-5),
        ("edges", 20, 1e-5),
        # where background is skipped depends on the pieces (see background.py)
        ("3D", 0, 5e-3),
    ],
)
def test_a_result_ten_times_the_memory_is_that_of_all_memory(tmp_path, models, kind, noise, bound):
    volume = brain((32, 36, 40))
    volume.array[:] += noise * np.random.default_rng(0).standard_normal(volume.array.shape)
    name = models.get(kind, kind)
    # blind: data consistency needs the whole result, the estimate a piece of the scan
    wanted = upscale(volume, name, scale=[3], acquisition=None, computing=CPU).array
    limit = wanted.nbytes // 10
    bounded = Computing("cpu", "float32", limit / GIB)
    with room_in_file(tmp_path / "out.nrrd", volume.grid.refined([3, 3, 3]), volume.array.dtype) as room:
        tracemalloc.start()
        upscale_into(room, volume, name, scale=[3], acquisition=None, computing=bounded)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    found = read_volume(tmp_path / "out.nrrd").array
    assert np.abs(found - wanted).max() <= bound * np.ptp(wanted)
    # torch's memory is not traced
    assert peak < wanted.nbytes / 4


@pytest.mark.usefixtures("weightless")
@pytest.mark.parametrize(
    ("kind", "suffix", "options", "instead"),
    [
        ("spline", ".nia", {}, "write it as .nii, .nrrd or .mha"),
        ("nmu", ".nrrd", {}, "choose an interpolation or a network"),
        ("3D", ".nrrd", {"acquisition": Acquisition.gaussian((2, 2, 2))}, "leave out the blur"),
        ("guided", ".nrrd", {"references": [brain((40, 44, 36))]}, "leave out the reference"),
    ],
)
def test_what_is_needed_whole_is_refused_with_what_would_do_without(tmp_path, models, kind, suffix, options, instead):
    volume = brain()
    path = tmp_path / f"out{suffix}"
    target = volume.grid.refined((2, 2, 2))
    tight = Computing(max_memory=100_000 / GIB, device="cpu")
    with (
        pytest.raises(OutOfMemory, match=rf"{instead}.* or raise the memory limit"),
        room_in_file(path, target, volume.array.dtype) as room,
    ):
        upscale_into(room, volume, models.get(kind, kind), computing=tight, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of another process")
@pytest.mark.parametrize(("kind", "size"), [("spline", (160, 160, 160)), ("wide", (224, 224, 32))])
def test_the_peak_seen_from_outside_is_the_one_forecast(models, kind, size):
    (run,) = bounded_runs([models.get(kind, kind)], size, [4.0])
    assert run.peak_gib == pytest.approx(run.forecast_gib, rel=0.15)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of another process")
def test_slices_are_bounded_too_and_what_nothing_takes_is_refused_before_all_runs(models):
    (run,) = bounded_runs([models["2D"]], (40, 40, 32), [4.0])
    assert run.voxels == 40 * 40 * 32
    with pytest.raises(RequestError, match="leave out --factors"):
        next(bounded_runs([models["3D"], models["2D"]], (40, 40, 32), [4.0], (1, 1, 2)))
    (run,) = bounded_runs([models["3D"]], (40, 40, 32), [4.0], (1, 1, 2))
    assert run.voxels == 40 * 40 * 32
