"""Mirrored views of a scan, whose results are averaged."""

import math

import numpy as np
import pytest
import torch
from conftest import save
from hypothesis import given
from hypothesis import strategies as st

from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.intensity import Normalisation
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.inference.scan_restoration import Restoration
from MRISuperResolutionLib.inference.tta import AS_IT_IS, views
from MRISuperResolutionLib.models.card import find_card, load_network
from MRISuperResolutionLib.networks.null_space import NullSpaceNet
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.pipeline.cost_estimate import forecast
from MRISuperResolutionLib.pipeline.request import plan
from MRISuperResolutionLib.pipeline.upscale import upscale, upscale_in_full
from MRISuperResolutionLib.runtime.device import Computing
from MRISuperResolutionLib.runtime.memory import GIB

SIZE = (16, 19, 18)

FACTORS = st.floats(1, 6)


@given(factors=st.tuples(FACTORS, FACTORS, FACTORS))
def test_each_view_mirrors_back_and_together_they_favour_no_side(factors):
    array = np.arange(24).reshape(2, 3, 4)
    found = views(factors)
    assert found[0] == (AS_IT_IS,) * 3
    seen = [array[view] for view in found]
    for view, mirrored in zip(found, seen, strict=True):
        np.testing.assert_array_equal(mirrored[view], array)
        # a scan that is mirrored so has the same views
        assert {again[view].tobytes() for again in seen} == {again.tobytes() for again in seen}
    assert len({mirrored.tobytes() for mirrored in seen}) == len(seen)


@given(factors=st.tuples(FACTORS, FACTORS, FACTORS), other=st.permutations(range(3)))
def test_no_voxel_of_the_result_takes_longer_than_one_between_thick_slices(factors, other):
    count = len(views(factors))
    assert count in (1, 2, 4)
    assert count == 1 or count / math.prod(factors) <= 1 / 6
    assert len(views([factors[axis] for axis in other])) == count


def restless_weights(folder, name, trust, **sizes):
    """Of a small network whose detail is not zero."""
    torch.manual_seed(0)
    network = NullSpaceNet(filters=4, blocks=1, guidance_layers=1, **sizes)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    save(folder, name, network, {"lowest": 1.0, "highest": 6.0}, trust=trust)
    return str(folder / f"{name}.safetensors")


@pytest.fixture(scope="module")
def restless(tmp_path_factory):
    return restless_weights(tmp_path_factory.mktemp("weights"), "restless", {})


@pytest.fixture(scope="module")
def restless_of_thick_slices(tmp_path_factory):
    return restless_weights(tmp_path_factory.mktemp("weights"), "thick", {}, thick_slices=True)


@pytest.fixture(scope="module")
def restless_doubting(tmp_path_factory):
    """The same of one that takes a reference, and tells which errors to expect."""
    kinds = [{"factors": [2, 2, 2], "told": told, "scale": scale} for told, scale in ((True, 0.5), (False, 1.5))]
    trust = {"share": 0.9, "kinds": kinds, "figures": []}
    return restless_weights(tmp_path_factory.mktemp("weights"), "doubting", trust, references=1, doubt=True)


def scan(factors):
    head = brain_phantom(tuple(int(n * f) for n, f in zip(SIZE, factors, strict=True)), "T1w")
    return Volume(Acquisition.gaussian(factors).apply(head), Grid(SIZE, factors))


@pytest.mark.parametrize("factors", [(2, 2, 2), (2, 2, 3), (3, 3, 3), (1, 1, 3)])
def test_the_result_is_that_of_the_mean_of_the_views(restless, factors):
    low = scan(factors)
    result = upscale(low, restless, scale=factors, acquisition=None, computing=Computing(precision="float32"))
    # the plain way: the network on the whole of each
    restoration = Restoration(None, result.grid.size, SIZE)
    normalisation = Normalisation.of(low.array)
    array = normalisation.apply(low.array)
    network = load_network(find_card(restless)).eval()
    details = []
    for view in views(factors):
        with torch.inference_mode():
            source = torch.from_numpy(restoration.source(array, view=view))
            details.append(network(source[None])[0, 0].numpy()[view])
    assert len(details) == 1 or np.abs(details[0] - details[1]).max() > 1e-3
    expected = normalisation.undo(restoration.volume(np.mean(details, axis=0), array), low.array.dtype)
    np.testing.assert_allclose(result.array, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("factors", [(1, 1, 3), (1, 2.5, 1), (4, 1, 1)])
@pytest.mark.parametrize("told", [True, False])
def test_thick_slices_of_an_odd_size_are_what_the_network_makes_of_all_of_them(
    restless_of_thick_slices, factors, told
):
    high = brain_phantom((21, 35, 27), "T1w")
    acquisition = Acquisition.gaussian(factors)
    low = Volume(acquisition.apply(high), acquisition.grid(Grid(high.shape)))
    known = acquisition if told else None
    exact = Computing(precision="float32")
    result = upscale(low, restless_of_thick_slices, spacing=(1, 1, 1), acquisition=known, computing=exact)
    network = load_network(find_card(restless_of_thick_slices)).eval()
    restoration = Restoration(known, result.grid.size, low.array.shape, network.cells)
    normalisation = Normalisation.of(low.array)
    array = normalisation.apply(low.array)
    with torch.inference_mode():
        detail = network(torch.from_numpy(restoration.source(array))[None])[0, 0].numpy()
    assert np.abs(detail).max() > 1e-3
    expected = normalisation.undo(restoration.volume(detail, array), low.array.dtype)
    np.testing.assert_allclose(result.array, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("factors", [(2, 2, 3), (3, 2, 3)])
def test_the_expected_error_is_that_of_the_views_too_and_they_see_the_reference(restless_doubting, factors):
    low = scan(factors)
    exact = Computing(precision="float32")
    head = low.grid.refined(factors)
    reference = Volume(brain_phantom(head.size, "T2w"), head)
    asked = {"scale": factors, "references": [reference], "acquisition": None, "computing": exact}
    outcome = upscale_in_full(low, restless_doubting, **asked)
    card = find_card(restless_doubting)
    restoration = Restoration(None, head.size, SIZE)
    array, seen = (Normalisation.of(volume.array).apply(volume.array) for volume in (low, reference))
    network = load_network(card).eval()
    found = []
    for view in views(factors):
        with torch.inference_mode():
            source = torch.from_numpy(restoration.source(array, [seen], 1, view))
            found.append(network(source[None])[0].numpy()[:, *view])
    detail, doubt = np.mean(found, axis=0)
    normalisation = Normalisation.of(low.array)
    expected = normalisation.undo(restoration.volume(detail, array), low.array.dtype)
    np.testing.assert_allclose(outcome.result.array, expected, atol=1e-4 * np.ptp(expected))
    error = normalisation.undo_difference(1.5 * restoration.expected_error(doubt))
    np.testing.assert_allclose(outcome.expected_error.array, error, rtol=1e-3)
    assert outcome.result.array.std() > 0
    mirrored = restoration.source(array, [seen], 1, views(factors)[1])
    assert np.abs(mirrored[8:] - restoration.source(array, [seen], 1)[8:]).max() > 0.1


@pytest.mark.parametrize("factors", [(3, 2, 2), (3, 3, 3)])
def test_a_mirrored_scan_gives_the_mirrored_result(restless, factors):
    low = scan(factors)
    exact = Computing(precision="float32")
    result = upscale(low, restless, scale=factors, acquisition=None, computing=exact).array
    for view in views(factors)[1:]:
        mirrored = Volume(np.ascontiguousarray(low.array[view]), low.grid)
        again = upscale(mirrored, restless, scale=factors, acquisition=None, computing=exact).array[view]
        np.testing.assert_allclose(again, result, atol=1e-4 * np.ptp(result))


def test_the_forecast_counts_the_views(restless):
    card = find_card(restless)

    def operations(factors):
        return forecast(Grid((64, 64, 64)), card, plan(Grid((64, 64, 64)), card, scale=factors), 8 * GIB).operations

    thick = operations((1, 1, 3))
    assert operations((2, 2, 2)) == thick
    assert operations((2, 2, 3)) == 2 * thick
    assert operations((3, 3, 3)) == 4 * thick
