"""The networks against what is known of them: parameter counts, receptive fields, guidance, baseline."""

import pytest
import torch

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.networks.dggrn import DGGRN, ResNet, gradient_map
from MRISuperResolutionLib.networks.recnn import ReCNN
from MRISuperResolutionLib.networks.sobel import gradient_magnitude

SMALL = [
    {"name": "NullSpaceNet", "filters": 4, "blocks": 1, "guidance_layers": 1},
    {"name": "NullSpaceNet", "filters": 4, "blocks": 1, "guidance_layers": 1, "thick_slices": True},
    {"name": "ReCNN", "layers": 3, "filters": 4},
    {"name": "ReCNN", "layers": 4, "filters": 3, "dimensions": 2},
    {"name": "ReCNN", "layers": 2, "filters": 3, "kernel": 5, "references": 2},
    {"name": "ResNet", "factor": 2, "filters": 4, "blocks": 2},
    {"name": "DGGRN", "factor": 3, "filters": 4, "blocks": 1},
    {"name": "DGGRN", "factor": 4, "filters": 3, "blocks": 2, "gradient_layers": 2},
    {"name": "DGGRN", "factor": 2, "filters": 8, "blocks": 4},
    {"name": "ReCNN", "layers": 3, "filters": 4, "references": 1, "gradient_input": True},
    {"name": "ResNet", "factor": 2, "filters": 4, "blocks": 2, "gradient_input": True},
]


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_recnn_has_the_papers_number_of_parameters():
    assert parameters(ReCNN(layers=10)) == 888_769
    assert parameters(ReCNN(layers=20)) == 1_995_329


def test_dggrn_has_the_parameters_of_its_layers():
    def convolution(inputs, outputs):
        return 9 * inputs * outputs + outputs

    resnet = convolution(1, 64) + 16 * convolution(64, 64) + convolution(64, 256) + convolution(64, 1)
    gradient = sum(convolution(1 + 64 * n, 64) for n in range(4))
    assert parameters(ResNet(factor=2)) == resnet
    assert parameters(DGGRN(factor=2)) == resnet + gradient


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_a_network_is_built_again_from_its_architecture(architecture):
    network = build(architecture)
    again = build(network.architecture)
    assert type(again) is type(network)
    again.load_state_dict(network.state_dict())
    assert architecture.items() <= network.architecture.items()


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_output_has_the_factor_of_the_input(architecture):
    network = build(architecture)
    space = (7, 9, 8)[: network.dimensions]
    y = network(torch.rand(2, network.inputs, *space))
    factors = network.factors[3 - network.dimensions :]
    assert y.shape == (2, 1, *(n * factor for n, factor in zip(space, factors, strict=True)))


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_an_impulse_reaches_the_receptive_radius_and_no_further(architecture):
    torch.manual_seed(0)
    network = build(architecture).double().eval()
    for parameter in network.parameters():
        if not parameter.any():
            # a layer that begins at zero hides what the others see
            torch.nn.init.normal_(parameter, std=0.1)
    reach = network.receptive_radius
    side = 2 * reach + 5
    centre = (side // 2,) * network.dimensions
    flat = torch.full((1, network.inputs, *(side,) * network.dimensions), 0.5, dtype=torch.float64)
    lit = flat.clone()
    lit[(0, slice(None), *centre)] += 10.0
    with torch.no_grad():
        change = (network(lit) - network(flat))[0, 0].abs()
    touched = change.nonzero() // torch.tensor(network.factors[3 - network.dimensions :]) - side // 2
    assert touched.abs().max() <= reach
    # the estimate is also tight: a larger one would only cost time
    assert touched.abs().max() >= reach - 1


def test_guidance_lies_between_0_and_1_and_the_gradient_map_between_a_half_and_1():
    network = DGGRN(filters=8, blocks=1)
    y = torch.rand(3, 1, 20, 30) * 5 - 2
    guidance = network.guidance(y)
    assert guidance.shape == (3, 8, 20, 30)
    assert guidance.min() >= 0
    assert guidance.max() <= 1
    assert guidance.std() > 0
    gradient = gradient_map(y)
    assert gradient.min() >= 0.5
    assert gradient.max() <= 1


def test_the_gradient_of_a_ramp_is_its_slope_times_the_sobel_weight():
    ramp = torch.arange(8.0).repeat(8, 1)[None, None] * 0.1
    inside = gradient_map(ramp)[0, 0, 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.sigmoid(torch.full_like(inside, 8 * 0.1)))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_gradient_of_a_ramp_is_its_slope(dimensions):
    """Along any axis, and along all of them at once the root of as many squares."""
    line = torch.arange(8.0) * 0.1
    ramps = [line.reshape([-1 if a == axis else 1 for a in range(dimensions)]) for axis in range(dimensions)]
    for images, slope in [(ramp, 0.1) for ramp in ramps] + [(sum(ramps), 0.1 * dimensions**0.5)]:
        whole = images.expand(*[8] * dimensions)[None, None]
        inside = gradient_magnitude(whole, padding=0)
        assert inside.shape[2:] == (6,) * dimensions
        torch.testing.assert_close(inside, torch.full_like(inside, slope))
        assert gradient_magnitude(whole).shape == whole.shape


def test_the_gradient_is_the_second_input():
    network = ReCNN(layers=2, filters=3, references=1, gradient_input=True)
    x = torch.rand(1, 2, 6, 7, 8)
    assert network.channels == ["image", "gradient", "reference 1"]
    seen = network.seen(x)
    assert torch.equal(seen[:, [0, 2]], x)
    assert torch.equal(seen[:, 1:2], gradient_magnitude(x[:, :1]))


def test_dggrn_with_guidance_of_ones_is_resnet():
    torch.manual_seed(1)
    guided = DGGRN(factor=2, filters=6, blocks=3)
    plain = ResNet(factor=2, filters=6, blocks=3)
    plain.load_state_dict({k: v for k, v in guided.state_dict().items() if not k.startswith("gradient_model")})
    y = torch.rand(2, 1, 12, 13)
    ones = torch.ones(2, 6, 12, 13)
    torch.testing.assert_close(guided.reconstruct(y, ones), plain(y), rtol=0, atol=0)
    assert not torch.allclose(guided(y), plain(y))


def test_recnn_with_no_last_layer_gives_the_interpolated_volume_back():
    network = ReCNN(layers=3, filters=4, references=1)
    torch.nn.init.zeros_(network.body[-1].weight)
    x = torch.rand(1, 2, 6, 7, 8)
    torch.testing.assert_close(network(x), x[:, :1])


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "Nothing"},
        {"name": ["ReCNN"]},
        {},
        {"name": "ReCNN", "depth": 3},
        {"name": "ReCNN", "layers": 1},
        {"name": "ReCNN", "layers": "deep"},
        {"name": "ReCNN", "kernel": 4},
        {"name": "ReCNN", "dimensions": 4},
        {"name": "ReCNN", "filters": 0},
        {"name": "DGGRN", "factor": 1.5},
        {"name": "DGGRN", "gradient_input": True},
    ],
    ids=str,
)
def test_an_unknown_architecture_is_refused(architecture):
    with pytest.raises(RequestError, match="network"):
        build(architecture)
