"""The networks that the papers compare with: parameters and receptive fields worked out by hand, tiles, presets."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from MRISuperResolutionLib.dataset.subjects import Truth, normalised
from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import PLANES, Grid
from MRISuperResolutionLib.image.phantom import brain_phantom
from MRISuperResolutionLib.image.volume import Volume
from MRISuperResolutionLib.inference.engine import bytes_per_voxel, run_network
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.networks.base import convolutions, initialise
from MRISuperResolutionLib.networks.discriminators import CIRCLECritic, CPCECritic
from MRISuperResolutionLib.networks.gan_circle import falling
from MRISuperResolutionLib.pipeline.upscale import upscale
from MRISuperResolutionLib.training.config.presets import preset
from MRISuperResolutionLib.training.export import export
from MRISuperResolutionLib.training.run import train
from MRISuperResolutionLib.training.warm_start import warm_start

SMALL = [
    {"name": "SRCNN3D", "filters": 3, "hidden_filters": 2},
    {"name": "SCSR", "factor": 2, "filters": 3, "layers": 2, "refining_layers": 3},
    {"name": "SCSR", "factor": 3, "filters": 3, "layers": 2, "refining_layers": 1},
    {"name": "SCSR", "factor": 4, "filters": 2, "layers": 2, "refining_layers": 2},
    {"name": "MCSR", "filters": 3, "layers": 2},
    {"name": "MCSR", "filters": 3, "layers": 3, "references": 2},
    {"name": "DeCNN", "factor": 2, "filters": 3, "layers": 2, "refining_layers": 3},
    {"name": "DeCNN", "factor": 3, "filters": 3, "layers": 2, "refining_layers": 2},
    {"name": "CPCE", "filters": 3},
    {"name": "CIRCLE", "layers": 3, "filters": 5, "last_filters": 2},
]


def convolution(inputs, outputs, kernel=3, dimensions=2):
    """Weights and biases of one layer."""
    return kernel**dimensions * inputs * outputs + outputs


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_srcnn3d_has_layers_of_9_1_and_5_voxels():
    count = convolution(1, 64, 9, 3) + convolution(64, 32, 1, 3) + convolution(32, 1, 5, 3)
    assert parameters(build({"name": "SRCNN3D"})) == count == 52_801
    assert build({"name": "SRCNN3D"}).receptive_radius == 4 + 0 + 2


@pytest.mark.parametrize(("factor", "count"), [(2, 407_233), (3, 591_553), (4, 849_601)])
def test_scsr_has_a_deconvolution_of_three_cells(factor, count):
    features = convolution(1, 64) + 5 * convolution(64, 64)
    refining = 2 * convolution(64, 64) + convolution(64, 1)
    network = build({"name": "SCSR", "factor": factor})
    assert parameters(network) == features + convolution(64, 64, 3 * factor) + refining == count
    # three fine voxels lie in two cells of two, in one of three or four
    assert network.receptive_radius == 6 + 1 + {2: 2, 3: 1, 4: 1}[factor]


def test_mcsr_is_two_subnets_of_which_one_sees_the_reference():
    def subnet(inputs):
        return convolution(inputs, 64) + 4 * convolution(64, 64) + convolution(64, 1)

    network = build({"name": "MCSR"})
    assert parameters(network) == subnet(1) + subnet(2) == 298_434
    assert network.receptive_radius == 6 + 6
    x = torch.rand(1, 2, 30, 30)
    other = torch.cat([x[:, :1], torch.rand(1, 1, 30, 30)], dim=1)
    assert not torch.allclose(network(x), network(other))
    nn.init.zeros_(network.multi[-1].weight)
    assert torch.equal(network(x), network(other))


def test_de_cnn_adds_to_the_slice_interpolated_on_the_same_cells():
    network = build({"name": "DeCNN", "factor": 2})
    assert parameters(network) == parameters(build({"name": "SCSR", "factor": 2}))
    nn.init.zeros_(network.tail.weight)
    slope = torch.arange(20.0).repeat(20, 1)[None, None]
    fine = network(slope)[0, 0]
    # LR sample m lies at 2 m + 1/2
    expected = (torch.arange(40.0) - 0.5) / 2
    torch.testing.assert_close(fine[4:-4, 4:-4], expected[4:-4].repeat(32, 1), atol=1e-5, rtol=0)


def test_cpce_has_four_convolutions_four_deconvolutions_and_three_conveying_paths():
    encoder = convolution(1, 32) + 3 * convolution(32, 32)
    decoder = 3 * convolution(32, 32) + 3 * convolution(64, 32, 1) + convolution(32, 1)
    network = build({"name": "CPCE"})
    assert parameters(network) == encoder + decoder == 62_337
    assert network.receptive_radius == 4 + 4


def test_circle_has_twelve_blocks_and_two_branches():
    filters = [64, 54, 48, 43, 39, 35, 31, 28, 25, 22, 18, 16]
    assert falling(64, 16, 12) == filters
    blocks = sum(convolution(a, b) for a, b in itertools.pairwise([1, *filters]))
    branches = convolution(423, 24, 1) + convolution(423, 8, 1) + convolution(8, 8)
    network = build({"name": "CIRCLE"})
    assert sum(filters) == 423
    assert parameters(network) == blocks + branches + convolution(32, 32) + convolution(32, 1) == 160_057
    assert network.receptive_radius == 12 + 3


def test_circle_drops_out_only_while_it_learns():
    network = build({"name": "CIRCLE", "layers": 2, "filters": 4, "last_filters": 4})
    x = torch.rand(1, 1, 20, 20)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    nn.init.zeros_(network.tail.weight)
    assert torch.equal(network(x), x)


def test_the_critics_have_the_papers_layers():
    """Three halvings leave 8 x 8 of 64 x 64, four leave 4 x 4."""
    convolutional = sum(convolution(a, b) for a, b in itertools.pairwise([1, 64, 64, 128, 128, 256, 256]))
    assert parameters(CPCECritic(64)) == convolutional + 8 * 8 * 256 * 1024 + 1024 + 1024 + 1
    # a scale and a shift for each channel that is normalised
    stages = sum(convolution(a, b, 4) + 2 * b for a, b in itertools.pairwise([1, 64, 128, 256, 512]))
    assert parameters(CIRCLECritic(64)) == stages + 4 * 4 * 512 * 1024 + 1024 + 1024 + 1


@pytest.mark.parametrize("side", [32, 37, 64])
@pytest.mark.parametrize("kind", [CPCECritic, CIRCLECritic])
def test_a_critic_gives_one_number_for_each_patch(kind, side):
    judged = kind(side, filters=2)(torch.rand(3, 1, side, side))
    assert judged.shape == (3, 1)


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_a_network_is_built_again_from_its_architecture(architecture):
    network = build(architecture)
    build(network.architecture).load_state_dict(network.state_dict())
    assert architecture.items() <= network.architecture.items()


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_an_impulse_reaches_exactly_the_receptive_radius(architecture):
    network = build(architecture).double().eval()
    for p in network.parameters():
        # no way through the network is closed, and no two cancel
        nn.init.uniform_(p, 0.1, 0.2)
    reach, factor = network.receptive_radius, network.factor
    side = 2 * reach + 5
    flat = torch.full((1, 1 + network.references, *(side,) * network.dimensions), 0.5, dtype=torch.float64)
    lit = flat.clone()
    lit[(0, 0, *(side // 2,) * network.dimensions)] += 1.0
    with torch.no_grad():
        change = (network(lit) - network(flat))[0, 0].abs()
    assert change.shape == (side * factor,) * network.dimensions
    touched = (change > 1e-9 * change.max()).nonzero() // factor - side // 2
    assert touched.amin(dim=0).tolist() == [-reach] * network.dimensions
    assert touched.amax(dim=0).tolist() == [reach] * network.dimensions


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_tiles_give_what_the_whole_gives(architecture):
    torch.manual_seed(0)
    network = build(architecture).eval()
    initialise(network, "he")
    size = (20, 22, 24) if network.dimensions == 3 else (2, 33, 31)
    source = np.random.default_rng(0).random((1 + network.references, *size), dtype=np.float32)
    cpu = torch.device("cpu")
    whole = run_network(network, source, device=cpu)
    across = 2 * network.receptive_radius + 3
    most_bytes = int(across**network.dimensions * bytes_per_voxel(network, torch.float32)) + 1
    tiled = run_network(network, source, device=cpu, most_bytes=most_bytes)
    assert whole.shape == tuple(n * f for n, f in zip(size, _factors(network), strict=True))
    assert np.abs(tiled - whole).max() <= 1e-5 * np.ptp(whole)


def _factors(network):
    return (network.factor if network.dimensions == 3 else 1, network.factor, network.factor)


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_a_network_trains_in_bfloat16_and_gives_full_precision(architecture):
    network = build(architecture)
    side = 9
    x = torch.rand(1, 1 + network.references, *(side,) * network.dimensions)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = network(x)
    assert y.dtype == torch.float32
    y.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("architecture", [*SMALL[1:2], *SMALL[4:]], ids=str)
def test_a_network_begins_as_another_of_its_kind(architecture):
    network, source = build(architecture), build(architecture)
    warm_start(network, source)
    x = torch.rand(1, 1 + network.references, *(9,) * network.dimensions)
    torch.testing.assert_close(network.eval()(x), source.eval()(x))


def test_mcsr_begins_with_as_many_references():
    with pytest.raises(RequestError, match="fewer references"):
        warm_start(build({"name": "MCSR", "filters": 3, "references": 2}), build({"name": "MCSR", "filters": 3}))


@pytest.mark.parametrize(
    ("name", "factors", "size"),
    [
        ("srcnn3d", (2, 2, 2), (20, 20, 20)),
        ("scsr", (2, 2, 1), (20, 20, 10)),
        ("scsr-multi", (2, 2, 1), (20, 20, 10)),
    ],
)
def test_the_presets_train_export_and_upscale(tmp_path, name, factors, size):
    grid = Grid((46, 46, 46))
    heads = []
    for seed, split in enumerate(("train", "validate")):
        one, two = (brain_phantom(grid.size, contrast, seed=seed).astype(np.float32) for contrast in ("T1w", "T2w"))
        others = {"T2w": normalised(Volume(two, grid)).array}
        heads.append(Truth(str(seed), "T1w", split, PLANES, "CC0", "here", normalised(Volume(one, grid)), others))
    few = {"batch": 2, "patches_per_block": 2, "steps": 2, "patch": 12, "validate_every": 2}
    protocol = preset(name, architecture={"filters": 3}, **few)
    network = train(protocol, heads, tmp_path / "run", [factors], progress=False)
    card = export(network, "small", "a test", protocol, heads, [factors], [], tmp_path)
    assert np.isfinite(card.figures[0]["psnr_db"])
    volume = Volume(np.random.default_rng(0).random((10, 10, 10), dtype=np.float32), Grid((10, 10, 10)))
    plane = "axial" if card.dimensions == 2 else None
    result = upscale(volume, str(card.path), plane=plane, references=[volume] * card.references)
    assert result.grid.size == size


@pytest.mark.parametrize("inputs", [1, 64])
def test_a_deconvolution_is_initialised_by_its_inputs(inputs):
    layer = nn.ConvTranspose2d(inputs, 64, 3)
    assert convolutions(nn.Sequential(layer)) == [layer]
    initialise(nn.Sequential(layer), "he")
    assert layer.weight.std().item() == pytest.approx(np.sqrt(2 / (9 * inputs)), rel=0.1)
    assert (layer.bias == 0).all()
