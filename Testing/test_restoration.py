"""NullSpaceNet: told of the acquisition, it adds what the scan does not hold, whatever its weights are."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft

from MRISuperResolutionLib.dataset.subjects import Truth
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.linear_operators import resample
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.inference.scan_restoration import Restoration, conditions, sharp_scan, usual_scan
from MRISuperResolutionLib.models.card import error_scale, find_card, load_network
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.networks.base import initialise
from MRISuperResolutionLib.networks.null_space import NullSpaceNet, gathered, shuffled
from MRISuperResolutionLib.networks.spec import EACH, OF_THICK_SLICES
from MRISuperResolutionLib.physics.acquisition import Acquisition
from MRISuperResolutionLib.physics.encoding import FWHM_PER_SIGMA, Gaussian, KSpace, SliceProfile
from MRISuperResolutionLib.pipeline.upscale import upscale
from MRISuperResolutionLib.runtime.device import Computing
from MRISuperResolutionLib.training.calibration import Expectation, calibration
from MRISuperResolutionLib.training.config.presets import preset
from MRISuperResolutionLib.training.data.scan_dataset import ScanStream
from MRISuperResolutionLib.training.data.simulation import truncated
from MRISuperResolutionLib.training.export import export
from MRISuperResolutionLib.training.finetune import finetuning
from MRISuperResolutionLib.training.modules.factory import make_stream
from MRISuperResolutionLib.training.run import train
from MRISuperResolutionLib.training.validate import Examiner

SIZE = (36, 40, 32)

FINENESS = EACH.fine[0]

TINY = preset(
    "null-space",
    architecture={"filters": 4, "blocks": 1, "guidance_layers": 1},
    patch=24,
    batch=2,
    steps=2,
    learning_rate=1e-6,
    precision="float32",
    validate_every=2,
)


def head(contrast="T1w", size=SIZE):
    array = brain_phantom(size, contrast, seed=0).astype(np.float32)
    return array / array.max()


def restless(**sizes):
    """A small network whose detail is not zero."""
    torch.manual_seed(0)
    network = build({"name": "NullSpaceNet", "filters": 4, "blocks": 1, **sizes})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def rms(array):
    return float(np.sqrt(np.mean(array**2)))


def detail_of(network, source):
    with torch.inference_mode():
        return network(torch.from_numpy(source)[None])[0, 0].numpy()


def test_it_has_the_parameters_of_its_layers():
    def convolution(inputs, outputs):
        return 27 * inputs * outputs + outputs

    blocks = 7 * (2 * convolution(48, 48) + 7 * 48 + 48)
    guidance = convolution(1, 48) + convolution(48, 48)
    expected = convolution(11, 48) + guidance + blocks + convolution(48, 27)
    assert sum(p.numel() for p in NullSpaceNet().parameters()) == expected
    # four voxels at a time, each as itself, its gradient and two contrasts; three cells of each
    guidance = convolution(4, 48) + convolution(48, 48)
    expected = convolution(7 + 4 * 4, 48) + guidance + blocks + convolution(48, 12)
    assert sum(p.numel() for p in NullSpaceNet(thick_slices=True).parameters()) == expected


@pytest.mark.parametrize(
    "sizes",
    [{}, {"guidance_layers": 0}, {"guidance_layers": 5}, {"blocks": 2}, {"thick_slices": True}],
    ids=str,
)
def test_the_receptive_field_is_the_one_it_tells(sizes):
    network = restless(**sizes)
    radius = network.receptive_radius
    x = torch.rand(1, network.inputs, 1, 1, 2 * radius + 3).expand(-1, -1, 3, 3, -1).clone()
    x.requires_grad_(True)
    # of the middle voxel's cells
    network(x)[..., FINENESS * (radius + 1) : FINENESS * (radius + 2)].sum().backward()
    seen = x.grad[0, 0].abs().amax(dim=(0, 1)) > 0
    assert seen.tolist() == [False, *[True] * (2 * radius + 1), False]


def test_cells_stand_where_their_voxel_does():
    channels = torch.arange(27 * 8.0).view(1, 27, 2, 2, 2)
    fine = shuffled(channels, EACH.factors)[0, 0]
    assert fine.shape == (6, 6, 6)
    for i, j, k in np.ndindex(6, 6, 6):
        cell = (i % 3) * 9 + (j % 3) * 3 + k % 3
        assert fine[i, j, k] == channels[0, cell, i // 3, j // 3, k // 3]


@given(space=st.tuples(*[st.integers(1, 4)] * 3), edges=st.tuples(*[st.integers(1, 3)] * 3))
def test_what_is_gathered_lies_where_it_lay(space, edges):
    image = torch.rand(2, 1, *(n * edge for n, edge in zip(space, edges, strict=True)))
    boxes = gathered(image, edges)
    assert boxes.shape == (2, np.prod(edges), *space)
    torch.testing.assert_close(shuffled(boxes, edges), image)
    i, j, k = (n - 1 for n in space)
    corner = [slice(n * edge, (n + 1) * edge) for n, edge in zip((i, j, k), edges, strict=True)]
    torch.testing.assert_close(boxes[1, :, i, j, k], image[1, 0, *corner].flatten())


@given(size=st.tuples(*[st.integers(1, 9)] * 3), axis=st.integers(0, 2))
def test_thick_slices_are_taken_four_voxels_at_a_time(size, axis):
    rng = np.random.default_rng(0)
    low = rng.random(size, dtype=np.float32)
    fine = tuple(n * (3 if a == axis else 1) for a, n in enumerate(size))
    restoration = Restoration(None, fine, size, OF_THICK_SLICES)
    source = restoration.source(low, [low], 2)
    turned = low.transpose(restoration.order)
    i, j, k = turned.shape
    assert source.shape == (4 + 7 + 2 * 12, -(-i // 2), -(-j // 2), k)
    # beyond the scan its last voxels again
    wide = np.pad(turned, ((0, i % 2), (0, j % 2), (0, 0)), mode="edge")
    for number, (a, b) in enumerate(np.ndindex(2, 2)):
        np.testing.assert_array_equal(source[number], wide[a::2, b::2])
    assert not source[11 + 12 :].any()
    # what is added beyond the scan is lost, all else lies where its voxel does
    detail = rng.random((2 * source.shape[1], 2 * source.shape[2], 3 * k), dtype=np.float32)
    added = restoration.detailed(detail, np.zeros_like(low))
    np.testing.assert_allclose(added.transpose(restoration.order), detail[:i, :j], atol=1e-6)


@pytest.mark.parametrize(("factors", "thick"), [((2, 2, 2), False), ((1, 1, 2), True), ((1, 2.5, 1), True)])
def test_new_weights_add_nothing_and_the_scan_is_explained(factors, thick):
    network = build({"name": "NullSpaceNet", "filters": 4, "blocks": 1, "thick_slices": thick})
    initialise(network, "he")
    acquisition = Acquisition.gaussian(factors)
    low = acquisition.apply(head())
    restoration = Restoration(acquisition, SIZE, low.shape, network.cells)
    detail = detail_of(network, restoration.source(low))
    assert not detail.any()
    high = restoration.volume(detail, low)
    spline = resample(low, SIZE)
    assert rms(restoration.missing(high, low)) < 0.1 * rms(restoration.missing(spline, low))


@given(
    factors=st.tuples(*[st.sampled_from((1.0, 1.3, 2.0, 3.7))] * 3).filter(lambda f: max(f) > 1),
    encoding=st.sampled_from((Gaussian(0.7), SliceProfile(), KSpace())),
    seed=st.integers(0, 5),
)
def test_whatever_the_detail_the_scan_is_explained(factors, encoding, seed):
    acquisition = Acquisition(factors, (encoding,) * 3)
    low = acquisition.apply(head(size=(16, 17, 18)))
    restoration = Restoration(acquisition, (16, 17, 18), low.shape)
    rng = np.random.default_rng(seed)
    shape = [FINENESS * low.shape[axis] for axis in restoration.order]
    detail = rng.normal(0, 0.1, shape).astype(np.float32)
    high = restoration.volume(detail, low)
    loose = resample(low, (16, 17, 18)) + resample(
        detail.transpose([restoration.order.index(axis) for axis in range(3)]), (16, 17, 18)
    )
    assert rms(restoration.missing(high, low)) < 0.15 * rms(restoration.missing(loose, low))
    same = restoration.volume(torch.from_numpy(detail), torch.from_numpy(low)).numpy()
    np.testing.assert_allclose(same, high, atol=1e-5)


def test_a_sharp_scan_is_kept_as_it_is():
    """What it holds of the truth, up to its own voxels, is what it holds of the result."""
    acquisition = sharp_scan((1, 2, 2), noise_level=0.0)
    high = head()
    low = acquisition.apply(high)
    spectrum = fft.dctn(high, norm="ortho")
    spectrum[:, low.shape[1] :], spectrum[:, :, low.shape[2] :] = 0, 0
    held = fft.idctn(spectrum, norm="ortho")
    # a band-limited line at the cells' centres, that is between its voxels
    assert rms(resample(held, low.shape) - low) < 0.05 * rms(low)
    restoration = Restoration(acquisition, SIZE, low.shape)
    assert restoration.conditions[3:6] == [0, 0, 0]
    detail = np.random.default_rng(0).normal(0, 0.1, [FINENESS * n for n in low.shape]).astype(np.float32)
    again = acquisition.apply(restoration.volume(detail, low))
    assert rms(again - low) < 0.02 * rms(restoration.detailed(detail, low) - resample(low, SIZE))


@pytest.mark.parametrize(("factors", "thick"), [((2, 1, 3), False), ((1, 1, 3), True)])
def test_axes_in_another_order_make_the_same_volume_turned(factors, thick):
    network = restless(references=1, thick_slices=thick)
    acquisition, high = Acquisition.gaussian(factors), head(size=(36, 39, 33))
    low = acquisition.apply(high)
    first = Restoration(acquisition, high.shape, low.shape, network.cells)
    result = first.volume(detail_of(network, first.source(low, [high], 1)), low)
    # those of thick slices keep theirs
    order = (0, 2, 1) if thick else (2, 0, 1)
    turned = Acquisition.gaussian(tuple(acquisition.factors[axis] for axis in order))
    low, high = low.transpose(order), high.transpose(order)
    second = Restoration(turned, high.shape, low.shape, network.cells)
    again = second.volume(detail_of(network, second.source(low, [high], 1)), low)
    np.testing.assert_allclose(again, result.transpose(order), atol=1e-3 * np.abs(result).max())


def test_it_is_told_of_the_scan():
    told = conditions(Acquisition.gaussian((1, 2, 4), sigma=0.8, noise="rician", noise_level=0.02), (1, 2, 4))
    assert told == pytest.approx([1, 0.5, 0.25, 0, 0.4, 0.2, 0.4])
    told = conditions(Acquisition((1, 2, 4), (SliceProfile(),) * 3), (1, 2, 4))
    assert told[3:6] == pytest.approx([0, 1 / FWHM_PER_SIGMA, 1 / FWHM_PER_SIGMA])


def test_told_nothing_it_adds_its_detail_and_no_more():
    acquisition = Acquisition.gaussian((1, 2, 2.5))
    low = acquisition.apply(head())
    told, untold = (Restoration(known, SIZE, low.shape) for known in (acquisition, None))
    assert untold.conditions == pytest.approx([1, 0.5, 0.4, 0, -1, -1, -1], abs=0.01)
    detail = np.random.default_rng(0).normal(0, 0.1, [FINENESS * n for n in low.shape]).astype(np.float32)
    added = resample(low, SIZE) + resample(detail.transpose(np.argsort(untold.order)), SIZE)
    np.testing.assert_allclose(untold.volume(detail, low), added, atol=1e-5)
    assert rms(told.volume(detail, low) - added) > 0.01
    # what is not explained is shown by the usual acquisition
    usual = dataclasses.replace(usual_scan(acquisition.factors), noise="none", noise_level=0)
    np.testing.assert_allclose(untold.missing(added, low), low - usual.apply(added), atol=1e-5)


@given(size=st.tuples(*[st.integers(4, 20)] * 3), seed=st.integers(0, 9))
def test_truncated_kspace_keeps_what_a_scan_can_hold(size, seed):
    rng = np.random.default_rng(seed)
    low = [int(rng.integers(2, n + 1)) for n in size]
    high = rng.normal(0, 1, size)
    seen = truncated(high, low)
    np.testing.assert_allclose(truncated(seen, low), seen, atol=1e-9)
    # standing waves of the volume mirrored at its faces: of fewer half periods than the scan has voxels stay
    for axis, (n, held) in enumerate(zip(size, low, strict=True)):
        for number, kept in ((held - 1, 1), (held, 0)):
            shape = [n if other == axis else 1 for other in range(3)]
            wave = np.cos(np.pi * number * (np.arange(n) + 0.5) / n).reshape(shape) * np.ones(size)
            if number < n:
                np.testing.assert_allclose(truncated(wave, low), kept * wave, atol=1e-9)


def test_of_some_blocks_nothing_is_told_and_some_of_those_are_sharp():
    network = build(TINY.architecture)
    plain = {"thickness_share": 0.0, "sigma_spread": 0.0, "noise": 0.0, "factors": ["2,2,2"], "smoothing": 0.0}

    def batch(untold_share, truncated_share):
        shares = {"untold_share": untold_share, "truncated_share": truncated_share}
        return ScanStream([truth()], network, dataclasses.replace(TINY, **plain, **shares)).batch(1)

    told, blurred, sharp = batch(0, 1), batch(1, 0), batch(1, 1)
    assert all(restoration.told for restoration in told.restorations)
    assert not any(restoration.told for restoration in (*blurred.restorations, *sharp.restorations))
    for low, high in zip(blurred.lows, blurred.highs, strict=True):
        np.testing.assert_allclose(low, Acquisition.gaussian((2, 2, 2)).apply(high.numpy()), atol=1e-5)
    for low, high in zip(sharp.lows, sharp.highs, strict=True):
        np.testing.assert_allclose(low, resample(truncated(high.numpy(), low.shape), low.shape), atol=0.1)
        steep, less = (
            np.diff(low.numpy(), axis=0),
            np.diff(Acquisition.gaussian((2, 2, 2)).apply(high.numpy()), axis=0),
        )
        assert np.mean(steep**2) > 1.1 * np.mean(less**2)


def test_a_missing_reference_is_zeros_and_a_given_one_is_in_its_voxels():
    acquisition = Acquisition.gaussian((1, 1, 2))
    low = acquisition.apply(head())
    restoration = Restoration(acquisition, SIZE, low.shape)
    without, with_it = restoration.source(low, [], 1), restoration.source(low, [head("T2w")], 1)
    assert without.shape == with_it.shape == (8 + 27, *low.shape)
    assert not without[8:].any()
    np.testing.assert_array_equal(without[:8], with_it[:8])
    inner = (slice(4, -4),) * 3
    coarse = resample(head("T2w"), low.shape)
    assert np.corrcoef(with_it[8:].mean(axis=0)[inner].ravel(), coarse[inner].ravel())[0, 1] > 0.98


def truth(split="train", planes=PLANES, size=SIZE, **facts):
    return Truth("head", "T1w", split, planes, "CC0", "phantom", Volume(head(size=size), Grid(size)), **facts)


def test_a_batch_depends_on_its_number_and_the_seed_alone():
    network = build(TINY.architecture)
    first, again = (ScanStream([truth()], network, TINY).batch(3) for _ in range(2))
    assert torch.equal(first.sources, again.sources)
    assert torch.equal(first.highs, again.highs)
    assert first.highs.shape == (2, 24, 24, 24)
    other = ScanStream([truth()], network, dataclasses.replace(TINY, seed=1)).batch(3)
    assert not torch.equal(first.highs, other.highs)


def test_slices_come_in_batches_of_their_own():
    network = build(TINY.architecture)
    thick = truth(planes=("sagittal",), size=(16, 30, 30))
    stream = ScanStream([truth(), thick], network, TINY)
    batches = [stream.batch(number) for number in range(12)]
    flat = [batch for batch in batches if batch.highs.shape[1] == 16]
    assert 0 < len(flat) < 12
    for batch in flat:
        # nothing is done across them
        assert batch.lows.shape[1] == 16
        assert batch.lows.shape[3] < 24
    assert all(batch.highs.shape[1:] == (24, 24, 24) for batch in batches if batch.highs.shape[1] != 16)


def test_what_it_is_told_of_the_blur_may_be_wrong():
    network = build(TINY.architecture)
    fixed = {"untold_share": 0.0, "thickness_share": 0.0, "sigma_spread": 0.0, "noise": 0.0, "factors": ["2,2,2"]}
    exact = ScanStream([truth()], network, dataclasses.replace(TINY, told_spread=0.0, **fixed)).batch(0)
    wrong = ScanStream([truth()], network, dataclasses.replace(TINY, told_spread=0.5, **fixed)).batch(0)
    assert {restoration.conditions[3] for restoration in exact.restorations} == {0.5}
    told = [restoration.conditions[3] for restoration in wrong.restorations]
    assert len(set(told)) == 2
    assert 0.25 < min(told) < max(told) < 0.75


@pytest.mark.parametrize(
    ("architecture", "wrong", "words"),
    [
        (TINY.architecture, {"untold_share": 0.0, "truncated_share": 0.5}, "share of the blocks of untold_share"),
        ({"name": "ReCNN", "layers": 2, "filters": 2}, {"untold_share": 0.5}, "leave them out for others"),
        ({"name": "ReCNN", "layers": 2, "filters": 2}, {"untold_share": 0.0, "truncated_share": 0.0}, "leave them"),
    ],
)
def test_what_a_network_is_told_is_for_those_that_are_told(architecture, wrong, words):
    protocol = dataclasses.replace(TINY, architecture=architecture, **wrong)
    with pytest.raises(RequestError, match=words):
        make_stream([truth()], build(architecture), protocol)


def test_it_is_examined_told_and_untold():
    network = restless()
    examiner = Examiner([truth("validate")], network, TINY, [(2, 2, 2), (1, 1, 3)])
    gains = examiner(network)
    assert set(gains) == {"gain", *(f"gain {f}{told}" for f in ("2x2x2", "1x1x3") for told in ("", " told nothing"))}
    assert gains["gain"] == pytest.approx(np.mean([value for name, value in gains.items() if name != "gain"]))


def test_volumes_too_small_for_a_block_are_refused():
    with pytest.raises(RequestError, match="24 voxels wide"):
        ScanStream([truth(size=(20, 30, 30))], build(TINY.architecture), TINY)


def test_it_learns_which_errors_to_expect(tmp_path, capsys):
    from MRISuperResolutionLib.pipeline.upscale import upscale_in_full

    truths = [truth(), dataclasses.replace(truth("validate"), subject="other")]
    first = export(
        train(TINY, truths, tmp_path / "run", [(2, 2, 2)], progress=False),
        "first",
        "",
        TINY,
        truths,
        [],
        [],
        tmp_path,
    )
    doubting = dataclasses.replace(
        TINY, architecture={**TINY.architecture, "doubt": True}, loss="doubt", learning_rate=1e-3, steps=20
    )
    network = train(doubting, truths, tmp_path / "doubt", [(2, 2, 2)], start=str(first.path), progress=False)
    before = load_network(first).state_dict()
    after = network.state_dict()
    # nothing else has learned
    assert all(torch.equal(before[name], after[name]) for name in before)
    card = export(
        network, "doubting", "", doubting, truths, [(2, 2, 2), (1, 1, 3)], [], tmp_path, pictures=tmp_path / "run"
    )
    assert (tmp_path / "run" / "trust.png").stat().st_size > 10_000
    assert card.trust["share"] == 0.9
    # told how the scan was made, and told nothing
    assert [figure["told"] for figure in card.trust["figures"]] == [True, False] * 2
    assert 0.8 < card.trust["figures"][0]["coverage"] < 1
    # one scale for each kind of scan, whichever its axes are, of all contrasts and of each
    kinds = [(factors, told) for factors in ([2, 2, 2], [1, 1, 3]) for told in (True, False)]
    assert [(kind["factors"], kind["told"], kind.get("contrast")) for kind in card.trust["kinds"]] == [
        *((*kind, None) for kind in kinds),
        *((*kind, "T1w") for kind in kinds),
    ]
    scales = [kind["scale"] for kind in card.trust["kinds"]]
    assert error_scale(card.trust, (1, 1, 3), True) == error_scale(card.trust, (1, 3, 1), True) == scales[2]
    assert error_scale(card.trust, (2, 2, 2.2), False) == scales[1]
    assert error_scale(card.trust, (2, 2, 2.2), False, "T1w") == scales[5]
    assert error_scale(card.trust, (2, 2, 2.2), False, "PDw") == scales[1]
    low = Volume(1000 * head(size=(18, 20, 16)), Grid((18, 20, 16), spacing=(2, 2, 2)))
    cpu = {"acquisition": None, "computing": Computing(device="cpu", precision="float32")}
    outcome = upscale_in_full(low, str(card.path), **cpu)
    assert outcome.expected_error.grid == outcome.result.grid
    assert (outcome.expected_error.array > 0).all()
    assert 1 < outcome.expected_error.array.mean() < 500
    named = upscale_in_full(low, str(card.path), **cpu, contrast="T1w")
    ratio = named.expected_error.array / outcome.expected_error.array
    np.testing.assert_allclose(ratio, scales[5] / scales[1], rtol=1e-3)
    assert named.expected_error.header["MRISuperResolution.contrast"] == "T1w"
    plain = upscale_in_full(low, str(card.path), **cpu, expect_errors=False)
    assert plain.expected_error is None
    np.testing.assert_allclose(plain.result.array, outcome.result.array, atol=1e-2)
    assert outcome.unexplained.grid == low.grid
    # nothing was said of the scan
    assumed = dataclasses.replace(usual_scan((2, 2, 2)), noise="none", noise_level=0)
    missing = low.array - assumed.apply(outcome.result.array)
    np.testing.assert_allclose(outcome.unexplained.array, missing, atol=0.1)
    capsys.readouterr()


def expected_of(subject, contrast, error, learned=False, factors=(2, 2, 2)):
    """Of a network that expects an error of 1 everywhere and makes errors up to ``error``."""
    made = np.linspace(0, error, 1001)
    named = {"subject": subject, "contrast": contrast, "factors": list(factors), "told": False}
    return Expectation(named, learned, made, made, np.ones(1001) + 1e-9 * made, made, 0.0)


def test_what_a_contrast_is_expected_to_err_is_found_on_its_own_subjects_and_those_learned_from():
    unseen = [expected_of(name, "T1w", error) for name, error in zip("abcd", (1, 1.1, 1.2, 1.3), strict=True)]
    flair, learned = expected_of("e", "FLAIR", 2), [expected_of(name, "FLAIR", 2.2, learned=True) for name in "fg"]
    # there are enough of them
    other = expected_of("h", "T1w", 9, learned=True)
    trust = calibration([*unseen, flair, other, *learned])
    scales = {kind.get("contrast"): kind["scale"] for kind in trust["kinds"]}
    assert 0.9 < scales["T1w"] < 0.9 * 1.3
    assert scales["T1w"] < scales[None] < scales["FLAIR"]
    assert 0.9 * 2 < scales["FLAIR"] < 0.9 * 2.2
    coverage = {figure["subject"]: figure["coverage"] for figure in trust["figures"]}
    assert list(coverage) == list("abcde")
    # by those that were learned from alone
    assert coverage["e"] == pytest.approx(0.9 * 2.2 / 2, abs=2e-3)
    # by the three others alone
    assert coverage["a"] == 1
    assert coverage["d"] == pytest.approx(trust_of(unseen[:3]) / 1.3, abs=2e-3)


def trust_of(expectations):
    return calibration(expectations)["kinds"][0]["scale"]


def test_weights_of_thick_slices_are_finetuned_within_what_they_take(tmp_path, capsys):
    protocol = dataclasses.replace(
        TINY, architecture={**TINY.architecture, "thick_slices": True}, factors=[((1, 1), (1, 1), (1.5, 6))]
    )
    truths = [truth(), truth("validate")]
    network = train(protocol, truths, tmp_path / "run", [(1, 1, 2)], progress=False)
    card = export(network, "thick", "a test", protocol, truths, [(1, 1, 2)], [], tmp_path)
    assert card.factors == {"lowest": 1, "highest": 1, "highest_along_one": 6}
    assert card.usual_factors == (1, 1, 2)
    assert finetuning(str(card.path), factors=["1,1,2-6"]).factors == (((1, 1), (1, 1), (2, 6)),)
    for wrong in ("2,2,2", "1,1,7", "1,1-2,3"):
        with pytest.raises(RequestError, match="made for factors 1, along one axis up to 6"):
            finetuning(str(card.path), factors=[wrong])
    capsys.readouterr()


def test_trained_exported_and_used(tmp_path, capsys):
    truths = [truth(), truth("validate")]
    network = train(TINY, truths, tmp_path / "run", [(2, 2, 2)], progress=False)
    card = export(network, "tiny", "a test", TINY, truths, [(2, 2, 2)], [], tmp_path)
    assert card.restoring
    assert card.factors == {"lowest": 1, "highest": 4, "highest_along_one": 6}
    assert [(figure["subject"], figure["told"]) for figure in card.figures] == [("head", True), ("head", False)]
    acquisition = Acquisition.gaussian((1, 1, 2), sigma=0.8)
    high = Volume(1000 * head(), Grid(SIZE, spacing=(1, 1, 1.5)))
    low = Volume(acquisition.apply(high.array), acquisition.grid(high.grid))
    model, cpu = str(find_card(str(card.path)).path), Computing(device="cpu", precision="float32")
    result = upscale(low, model, spacing=high.grid.spacing, acquisition=acquisition, computing=cpu)
    assert result.grid == high.grid
    assert float(result.header["MRISuperResolution.unexplained"]) < 0.01
    spline = upscale(low, spacing=high.grid.spacing)
    assert np.sqrt(np.mean((result.array - high.array) ** 2)) < np.sqrt(np.mean((spline.array - high.array) ** 2))
    again = acquisition.apply(result.array)
    assert np.sqrt(np.mean((again - low.array) ** 2)) < 5
    capsys.readouterr()
