"""What makes the layers of a stream quick changes nothing of what they give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from MRISuperResolutionLib.inference.layer_graph import rooms_of, source_of
from MRISuperResolutionLib.networks import build
from MRISuperResolutionLib.networks.base import SEEN, convolution
from MRISuperResolutionLib.networks.convolve import direct, in_one_channel
from MRISuperResolutionLib.networks.fused_upsampling import shares_of


@settings(max_examples=20)
@given(
    channels=st.integers(1, 5),
    outputs=st.integers(1, 4),
    size=st.tuples(*[st.integers(3, 9)] * 3),
    kernel=st.tuples(*[st.sampled_from((1, 3))] * 3),
)
def test_convolutions_by_any_way_are_the_same(channels, outputs, size, kernel):
    torch.manual_seed(0)
    maps = torch.randn(1, channels, *size).contiguous(memory_format=torch.channels_last_3d)
    weight, bias = torch.randn(outputs, channels, *kernel), torch.randn(outputs)
    padding = tuple(n // 2 for n in kernel)
    plain = functional.conv3d(maps, weight, bias, padding=padding)
    assert (direct(maps, weight, bias, padding) - plain).abs().max() < 1e-4
    assert (in_one_channel(maps, weight[:1], bias[:1], padding) - plain[:, :1]).abs().max() < 1e-4


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
def test_pieces_that_torch_would_compute_by_itself_go_to_onednn():
    maps, weight = torch.zeros(1, 8, 3, 16, 16), torch.zeros(8, 8, 3, 3, 3)
    with torch.profiler.profile() as profile:
        direct(maps, weight, None, (1, 1, 1))
    names = {event.key for event in profile.key_averages()}
    assert "aten::mkldnn_convolution" in names
    assert "aten::slow_conv3d" not in names


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_shares_of_coarse_pixels_add_up_to_the_image(factor):
    torch.manual_seed(factor)
    expand, tail = convolution(2, 5, 3 * factor**2), convolution(2, 3, 1)
    maps = torch.randn(2, 5, 4, 6)
    with torch.no_grad():
        shares = shares_of(expand, tail, factor)(maps).flatten(2)
        image = functional.fold(shares, (4 * factor, 6 * factor), factor + 2, padding=1, stride=factor) + tail.bias
        assert (image.squeeze(1) - tail(functional.pixel_shuffle(expand(maps), factor)).squeeze(1)).abs().max() < 1e-5


def test_layers_of_slices_share_memory_and_those_of_volumes_keep_their_own():
    chain = build({"name": "DGGRN", "factor": 2}).chain()
    rooms = rooms_of(chain)
    assert len(set(rooms.values())) < len(rooms) / 2
    held = {rooms[SEEN]: SEEN}
    for number, link in enumerate(chain):
        taken = {source_of(chain, number), *link.others}
        # nothing that it takes was overwritten, nor is by itself
        assert all(held[rooms[other]] == other for other in taken)
        assert rooms[number] not in {rooms[other] for other in taken}
        held[rooms[number]] = number
    volumes = rooms_of(build({"name": "ReCNN", "layers": 4}).chain())
    assert all(room == number for number, room in volumes.items())
