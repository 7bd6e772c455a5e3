"""Tiles give what the whole volume gives, for any tile; memory, precision, progress, cancel."""

import itertools
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from MRISuperResolutionLib.errors import Cancelled, OutOfMemory, RequestError
from MRISuperResolutionLib.image.linear_operators import resample
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.inference import stream_layers as layers
from MRISuperResolutionLib.inference.engine import bytes_per_voxel, output_shape, run_network
from MRISuperResolutionLib.inference.slab_plan import IMAGE_BYTES, SLABS, Slabs, axis_along, choose_slabs
from MRISuperResolutionLib.inference.stream import run_slabs, share_to_compute
from MRISuperResolutionLib.inference.tile_plan import ENOUGH, choose_tile, tiles
from MRISuperResolutionLib.models.card import find_card, load_network
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.networks.base import Network
from MRISuperResolutionLib.networks.convolve import direct
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.runtime.device import choose_device, choose_precision, processor_has_bfloat16
from MRISuperResolutionLib.runtime.memory import GIB, process_memory

CPU = torch.device("cpu")

ARCHITECTURES = [
    {"name": "ReCNN", "layers": 3, "filters": 4},
    {"name": "ReCNN", "layers": 2, "filters": 4, "references": 1},
    {"name": "ResNet", "factor": 2, "filters": 4, "blocks": 1},
    {"name": "DGGRN", "factor": 3, "filters": 3, "blocks": 1},
    {"name": "SCSR", "factor": 2, "filters": 3, "layers": 2},
    {"name": "DeCNN", "factor": 2},
]

CHAINS = [
    {"name": "ReCNN", "layers": 4, "filters": 3},
    {"name": "ReCNN", "layers": 3, "filters": 3, "references": 1, "kernel": 5, "gradient_input": True},
    {"name": "ReCNN", "layers": 3, "filters": 3, "residual": False},
    {"name": "SRCNN3D", "filters": 3, "hidden_filters": 2},
    {"name": "NullSpaceNet", "filters": 3, "blocks": 2, "guidance_layers": 0},
    {"name": "NullSpaceNet", "filters": 3, "blocks": 1, "guidance_layers": 3, "doubt": True},
    {"name": "NullSpaceNet", "filters": 2, "blocks": 1, "references": 1},
    {"name": "NullSpaceNet", "filters": 2, "blocks": 1, "references": 1, "thick_slices": True},
    {"name": "NullSpaceNet", "filters": 3, "blocks": 1, "doubt": True, "thick_slices": True},
    {"name": "ReCNN", "layers": 3, "filters": 3, "dimensions": 2, "references": 1},
    {"name": "ResNet", "factor": 2, "filters": 4, "blocks": 2, "gradient_input": True},
    {"name": "DGGRN", "factor": 2, "filters": 3, "blocks": 2, "gradient_layers": 4},
    {"name": "DGGRN", "factor": 3, "filters": 3, "blocks": 1, "gradient_layers": 1},
]


def restless(architecture, seed):
    """A network of which no layer begins with zeros."""
    torch.manual_seed(seed)
    network = build(architecture).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return network


sizes = st.tuples(*[st.integers(3, 24)] * 3)


def untiled(network, source):
    x = torch.from_numpy(source)
    with torch.no_grad():
        if network.dimensions == 3:
            found = network(x[None])[0].numpy()
            return found if network.outputs > 1 else found[0]
        return network(x.transpose(0, 1))[:, 0].numpy()


def source_for(network, size, seed=0):
    shape = (network.inputs, *size)
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@given(size=sizes, radius=st.tuples(*[st.integers(0, 6)] * 3), core=sizes)
def test_tiles_cover_each_voxel_once_and_see_all_that_they_need(size, radius, core):
    covered = np.zeros(size, int)
    for tile in tiles(size, radius, core):
        covered[tile.core] += 1
        for c, p, i, n, r in zip(tile.core, tile.padded, tile.inner, size, radius, strict=True):
            assert (p.start, p.stop) == (max(0, c.start - r), min(n, c.stop + r))
            assert (i.start + p.start, i.stop + p.start) == (c.start, c.stop)
    assert (covered == 1).all()


@given(size=sizes, radius=st.tuples(*[st.integers(0, 6)] * 3), most=st.integers(1, 20_000))
def test_the_chosen_tile_fits_and_nothing_smaller_in_work_does(size, radius, most):
    core = choose_tile(size, radius, most)
    smallest = np.prod([min(n, 1 + 2 * r) for n, r in zip(size, radius, strict=True)])
    if core is None:
        assert smallest > most
        return
    assert max(tile.voxels for tile in tiles(size, radius, core)) <= most
    if most >= np.prod(size):
        assert core == size


@given(count=st.integers(1, 400), face=st.tuples(*[st.integers(1, 300)] * 2), radius=st.integers(0, 30))
def test_slices_are_taken_a_few_at_a_time_and_none_is_cut(count, face, radius):
    """More at a time are no quicker, but take more memory than the caches have."""
    core = choose_tile((count, *face), (0, radius, radius), 10**9)
    if radius:
        assert core[1:] == face
    voxels = np.prod(core)
    assert voxels <= ENOUGH or voxels == np.prod(face)
    # twice as many would be too many, or uneven
    assert 2 * voxels > ENOUGH or core == (count, *face)


@settings(max_examples=25)
@given(architecture=st.sampled_from(ARCHITECTURES), size=sizes, most=st.integers(0, 3000), seed=st.integers(0, 99))
def test_tiled_equals_untiled(architecture, size, most, seed):
    torch.manual_seed(seed)
    network = build(architecture).eval()
    source = source_for(network, size, seed)
    whole = untiled(network, source)
    radius = [network.receptive_radius] * 3
    smallest = int(np.prod([min(n, 1 + 2 * r) for n, r in zip(size, radius, strict=True)]))
    most_bytes = int((smallest + most) * bytes_per_voxel(network, torch.float32)) + 1
    tiled = run_network(network, source, device=CPU, most_bytes=most_bytes)
    assert tiled.dtype == np.float32
    assert tiled.shape == whole.shape
    assert np.abs(tiled - whole).max() <= 1e-5 * np.ptp(whole)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
@pytest.mark.parametrize(("precision", "digits"), [(torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_reduced_precision_stays_close(architecture, precision, digits):
    torch.manual_seed(0)
    network = build(architecture).eval()
    source = source_for(network, (6, 20, 19))
    exact = run_network(network, source, device=CPU)
    reduced = run_network(network, source, device=CPU, precision=precision)
    assert 0 < np.abs(reduced - exact).max() < digits * max(1, np.ptp(exact))


def test_what_overflows_is_seen_in_the_result():
    """Half precision ends at 65504: what follows is not a number, and stays so."""
    torch.manual_seed(0)
    network = build({"name": "ReCNN", "layers": 5, "filters": 8}).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 100
    source = source_for(network, (8, 20, 19))
    assert np.isfinite(run_network(network, source, device=CPU)).all()
    assert not np.isfinite(run_network(network, source, device=CPU, precision=torch.float16)).any()


def test_a_chain_may_end_in_another_precision():
    """SRCNN3D's last layer computes in single precision, whatever the others do."""
    torch.manual_seed(0)
    network = build({"name": "SRCNN3D", "filters": 4, "hidden_filters": 3}).eval()
    source = source_for(network, (18, 20, 19))
    exact = run_network(network, source, device=CPU)
    reduced = run_network(network, source, device=CPU, precision=torch.bfloat16)
    assert 0 < np.abs(reduced - exact).max() < 2e-2 * np.ptp(exact)


@pytest.mark.parametrize("name", ["recnn10-t1w", "dggrn-t1w-x2"])
def test_bfloat16_costs_next_to_nothing(name):
    """At most 0.02 dB, of the shipped weights on a head."""
    high = brain_phantom((64, 80, 64), "T1w")[16:48, 20:60, 16:48]
    high /= high.max()
    network = load_network(find_card(name))
    factors = (2, 2, 2) if network.dimensions == 3 else (1, 2, 2)
    low = Acquisition.gaussian(factors).apply(high)
    source = (low if network.factor > 1 else resample(low, high.shape))[None]
    errors = [
        np.mean((run_network(network, source, device=CPU, precision=precision) - high) ** 2)
        for precision in (torch.float32, torch.bfloat16)
    ]
    assert abs(10 * np.log10(errors[1] / errors[0])) < 0.02


def test_progress_rises_to_one_within_a_single_tile():
    network = build({"name": "ReCNN", "layers": 5, "filters": 2})
    seen = []
    run_network(network, source_for(network, (8, 8, 8)), device=CPU, report=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) >= 5


@pytest.mark.parametrize("architecture", CHAINS, ids=str)
def test_progress_of_a_stream_rises_to_one(architecture):
    network = restless(architecture, 0)
    seen = []
    run_network(network, source_for(network, (40, 10, 9)), device=CPU, report=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert seen[-2] > 0.5


def test_cancel_stops_before_the_next_layer_and_leaves_no_hooks():
    network = build({"name": "ReCNN", "layers": 5, "filters": 2})
    calls = itertools.count()

    def cancel(fraction):
        if next(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_network(network, source_for(network, (8, 8, 8)), device=CPU, report=cancel)
    assert next(calls) == 3
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_cancel_stops_a_stream_before_the_next_layer():
    network = build({"name": "ReCNN", "layers": 5, "filters": 2})
    calls = itertools.count()

    def cancel(fraction):
        if next(calls) == 7:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_network(network, source_for(network, (40, 8, 8)), device=CPU, report=cancel)
    assert next(calls) == 8


@settings(max_examples=40)
@given(
    architecture=st.sampled_from(CHAINS),
    size=sizes,
    planes=st.sampled_from(SLABS),
    cut=st.booleans(),
    seed=st.integers(0, 9),
)
def test_streamed_equals_untiled(architecture, size, planes, cut, seed):
    """Whatever the slab, along whichever axis, in one column or several."""
    network = restless(architecture, seed)
    source = source_for(network, size, seed)
    whole = untiled(network, source)
    axis = int(np.argmax(size)) if network.dimensions == 3 else 0
    core = [max(1, n // 2) if cut else n for a, n in enumerate(size) if a != axis]
    result = np.empty(whole.shape, np.float32)
    run_slabs(network, source, result, Slabs(axis, planes, tuple(core), 0, 0), CPU, torch.float32, lambda share: None)
    # random layers make much of the rounding before logarithms of errors: plain as it is, they are as far from double
    # precision
    close = 1e-4 if network.outputs > 1 else 2e-5
    assert np.abs(result - whole).max() <= close * np.abs(whole).max()


def island(size, at, extent, value=0.0, seed=0):
    """Noise in a box, and background of one value around it."""
    volume = np.full((1, *size), value, np.float32)
    where = tuple(slice(a, a + n) for a, n in zip(at, extent, strict=True))
    volume[(0, *where)] += np.random.default_rng(seed).random(extent).astype(np.float32)
    return volume


@contextmanager
def poisoned():
    """Memory that nothing was written to holds NaN."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def streamed(network, source, planes=4):
    size = source.shape[1:]
    axis = int(np.argmax(size)) if network.dimensions == 3 else 0
    core = [n for a, n in enumerate(size) if a != axis]
    result = np.empty(output_shape(network, source), np.float32)
    slabs = Slabs(axis, planes, tuple(core), 0, 0)
    with poisoned():
        run_slabs(network, source, result, slabs, CPU, torch.float32, lambda share: None)
    return result


@settings(max_examples=30)
@given(
    architecture=st.sampled_from([c for c in CHAINS if not c.get("references")]),
    at=st.tuples(*[st.integers(0, 16)] * 3),
    value=st.sampled_from((0.0, 0.3)),
    planes=st.sampled_from(SLABS),
    seed=st.integers(0, 9),
)
def test_background_is_skipped_and_nothing_changes_but_near_the_faces_of_volumes(
    architecture, at, value, planes, seed
):
    network = restless(architecture, seed)
    source = np.repeat(island((30, 26, 28), at, (7, 6, 8), value, seed), network.inputs, axis=0)
    whole = untiled(network, source)
    result = streamed(network, source, planes)
    radius = network.receptive_radius
    # what the zeros around a volume reach; those around a slice are seen
    margin = radius if network.dimensions == 3 else 0
    inner = tuple(
        slice(factor * margin, n - factor * margin)
        for factor, n in zip(network.factors, whole.shape[-3:], strict=True)
    )
    rounding = 1e-6 * np.abs(whole).max()
    assert np.abs(result - whole)[(..., *inner)].max() <= 2e-5 * np.ptp(whole) + rounding
    if all(margin <= a <= n - extent - margin for a, n, extent in zip(at, (30, 26, 28), (7, 6, 8), strict=True)):
        assert share_to_compute(network, source) < 0.9


def test_what_is_skipped_is_not_computed(monkeypatch):
    network = build({"name": "ReCNN", "layers": 4, "filters": 3}).eval()
    source = island((60, 60, 64), (20, 20, 26), (16, 16, 8))
    counted = []

    def counting(given, weight, *arguments):
        made = direct(given, weight, *arguments)
        # a column to each side has no neighbours and is thrown away
        right = made if made.shape[-1] == source.shape[-1] else made[..., 1:-1]
        counted.append(right[0, 0].numel() * weight.shape[0] * weight.shape[1])
        return made

    def work(source, planes):
        counted.clear()
        streamed(network, source, planes)
        return sum(counted)

    monkeypatch.setattr(layers, "direct", counting)
    together = max(SLABS)
    whole = work(np.random.default_rng(0).random(source.shape).astype(np.float32), together)
    share = share_to_compute(network, source)
    assert share < 0.2
    assert work(source, together) / whole == pytest.approx(share, rel=0.1)
    # the fewer planes at a time, the closer around the tissue
    assert work(source, 1) / whole < share / 2


def test_skipping_stays_within_its_bound_on_a_head():
    """Interpolation rings into the background, and the faces are near: see background.py."""
    high = brain_phantom((72, 88, 72), "T1w", noise=0.0)[4:-4]
    high /= high.max()
    source = resample(Acquisition.gaussian((2, 2, 2)).apply(high), high.shape)[None]
    network = load_network(find_card("recnn10-t1w"))
    difference = np.abs(streamed(network, source) - untiled(network, source))
    # more than rounding: there is background that is skipped
    assert 1e-5 < difference.max() < 0.005
    assert difference[high > 0.05].max() < 0.002
    assert np.sqrt(np.mean(difference**2)) < 3e-4


def test_no_background_no_skipping():
    network = build({"name": "ReCNN", "layers": 2, "filters": 3}).eval()
    assert share_to_compute(network, np.random.default_rng(0).random((1, 20, 20, 20)).astype(np.float32)) == 1
    # nearly all of it is tissue
    assert share_to_compute(network, island((20, 20, 20), (1, 1, 1), (18, 18, 18))) == 1
    nothing = np.zeros((1, 20, 20, 20), np.float32)
    assert share_to_compute(network, nothing) == 0
    np.testing.assert_allclose(np.ptp(streamed(network, nothing)), 0)


@pytest.mark.parametrize("name", ["dggrn-t1w-x2", "recnn2d"])
def test_slices_are_as_computed_in_full_zeros_at_their_edges_included(name):
    """Networks of slices may have learned what these do; the head lies near them."""
    network = load_network(find_card(name))
    head = brain_phantom((72, 88, 72), "T1w", noise=0.0)[58:66]
    source = np.where(head > 0.02 * head.max(), head / head.max(), 0)[None].astype(np.float32)
    assert share_to_compute(network, source) < 0.9
    assert np.abs(streamed(network, source) - untiled(network, source)).max() < 1e-5


def test_networks_that_give_the_intensities_take_no_noise_for_background():
    network = load_network(find_card("dggrn-t1w-x2"))
    source = island((2, 60, 60), (0, 40, 40), (2, 10, 10)) + 1e-4 * np.random.default_rng(0).random((1, 2, 60, 60))
    assert share_to_compute(network, source.astype(np.float32)) == 1


@pytest.mark.parametrize("height", [16, 17, 25, 41])
def test_the_last_rows_are_no_more_work_than_there_are(height):
    network = build({"name": "ReCNN", "layers": 4, "filters": 3})
    source = island((height, 40, 60), (0, 0, 0), (height, 40, 28))
    assert share_to_compute(network, source) == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(("size", "axis"), [((9, 9, 9), 2), ((15, 15, 8), 2), ((20, 30, 9), 1), ((30, 30, 9), 0)])
def test_a_stream_follows_the_planes_of_a_file_unless_they_are_much_too_large(size, axis):
    assert axis_along(size) == axis


@given(
    size=sizes,
    radius=st.integers(0, 6),
    held=st.integers(1, 50),
    moving=st.integers(1, 20),
    scratch=st.integers(0, 20),
    most=st.integers(1, 20_000),
)
def test_chosen_slabs_fit_and_all_memory_computes_nothing_twice(size, radius, held, moving, scratch, most):
    slabs = choose_slabs(size, radius, held, moving, scratch, 4, most)
    face = [n for axis, n in enumerate(size) if axis != axis_along(size)]
    smallest = (4 * (held + moving + scratch) + IMAGE_BYTES) * np.prod([min(n, 1 + 2 * radius) for n in face])
    if slabs is None:
        assert most < smallest
        return
    assert slabs.bytes <= most
    planes = max(SLABS)
    if most >= (4 * (held + planes * (moving + scratch)) + planes * IMAGE_BYTES) * np.prod(face):
        assert slabs.voxels == np.prod(size)


class SmallMemory(Network):
    """Stands in for a GPU: runs out of memory on pieces of more than ``most`` voxels, as torch reports it."""

    dimensions = 3
    receptive_radius = 1
    width = 2

    def __init__(self, most):
        super().__init__()
        self.most, self.asked = most, []
        self.body = torch.nn.Conv3d(1, 1, 3, padding=1)

    @property
    def architecture(self):
        raise AssertionError("no test asks for it")

    def forward(self, x):
        self.asked.append(x.numel())
        if x.numel() > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.body(x)


def test_out_of_memory_makes_tiles_smaller_and_the_result_stays_the_same():
    network = SmallMemory(most=10**9)
    source = source_for(network, (24, 24, 24))
    whole = run_network(network, source, device=CPU)
    network.most, network.asked = 3000, []
    small = run_network(network, source, device=CPU, most_bytes=10**9)
    assert max(network.asked) == 24**3
    assert np.abs(small - whole).max() < 1e-6


def test_out_of_memory_in_the_smallest_tile_says_what_would_help():
    network = SmallMemory(most=0)
    with pytest.raises(OutOfMemory, match="--max-memory"):
        run_network(network, source_for(network, (12, 12, 12)), device=CPU)


def test_other_errors_of_the_network_are_not_taken_for_memory():
    network = build({"name": "ReCNN", "layers": 2, "filters": 2})
    with pytest.raises(RuntimeError, match="expected input"):
        run_network(network, np.zeros((3, 5, 5, 5), np.float32), device=CPU)


def test_a_limit_below_what_the_process_has_is_refused():
    network = build({"name": "ReCNN", "layers": 2, "filters": 2})
    with pytest.raises(OutOfMemory, match="--max-memory"):
        run_network(network, source_for(network, (12, 12, 12)), device=CPU, memory_limit=GIB // 100)


def test_the_limit_decides_the_tile():
    network = build({"name": "MCSR", "filters": 16, "layers": 3})
    per_voxel = bytes_per_voxel(network, torch.float32)
    assert per_voxel > 2 * 16 * 4
    seen = []
    network.single.register_forward_pre_hook(lambda m, x: seen.append(x[0].numel()))
    limit = process_memory() + int(30_000 * per_voxel) + 100 * 2**20
    run_network(network, source_for(network, (160, 40, 40)), device=CPU, memory_limit=limit)
    assert len(seen) > 1
    assert max(seen) * per_voxel < limit


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(RequestError, match="device"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_refused_but_auto_finds_what_there_is():
    with pytest.raises(RequestError, match="cuda"):
        choose_device("cuda")
    assert choose_device("auto").type in ("cpu", "mps")


def test_precision_is_chosen_by_name():
    native = torch.bfloat16 if processor_has_bfloat16() else torch.float32
    assert choose_precision("auto", CPU) == native
    assert choose_precision("bfloat16", CPU) == torch.bfloat16
    with pytest.raises(RequestError, match="precision"):
        choose_precision("int8", CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_cuda_gives_what_the_cpu_gives(architecture):
    network = build(architecture).eval()
    source = source_for(network, (12, 30, 31))
    on_cpu = run_network(network, source, device=CPU)
    on_gpu = run_network(network, source, device=torch.device("cuda"))
    assert np.abs(on_cpu - on_gpu).max() <= 1e-3 * np.ptp(on_cpu)
