"""Beginning with the weights of another network: of another contrast, another factor, fewer inputs or layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import RequestError
from ..networks.base import Network, convolutions
from ..networks.recnn import ReCNN


def warm_start(network: Network, source: Network) -> None:
    """Give ``network`` the weights of ``source``; where the two have the same layers, all of them.

    A deeper ReCNN gets identities between the last hidden layer and the output, through which ReLU's outputs pass
    unchanged; a gradient that ``source`` does not see begins with zero weights. Both begin as exactly what ``source``
    is. References that it does not have keep the random weights of ``network``, so that it is ``source`` where they
    lack: what one contrast says of another has no sign of its own, and from zero it is hardly learned. A network for
    another factor keeps all but its sub-pixel layers.
    Raises RequestError where the two have too little in common.
    """
    if isinstance(network, ReCNN) and isinstance(source, ReCNN):
        _deepen(network, source)
        return
    if network.cells.thick != source.cells.thick:
        raise RequestError(
            "the weights to start from take the voxels of a scan otherwise (thick_slices): choose others"
        )
    mine = network.state_dict()
    theirs = source.state_dict() | {_name_of_first(source): _widened(network, source)}
    for name, gain in source.state_dict().items():
        if name in mine and name.endswith("gain.weight") and mine[name].shape[1] > gain.shape[1]:
            # conditions that only the new network is given change nothing yet
            theirs[name] = torch.cat([gain, gain.new_zeros(len(gain), mine[name].shape[1] - gain.shape[1])], dim=1)
    shared = {name: weights for name, weights in theirs.items() if name in mine and mine[name].shape == weights.shape}
    if type(network) is not type(source) or len(shared) < len(mine) // 2:
        raise RequestError("the weights to start from are of another kind of network: choose others")
    network.load_state_dict({**mine, **shared})


@torch.no_grad()
def _deepen(network: ReCNN, source: ReCNN) -> None:
    same = ("filters", "kernel", "dimensions")
    if any(getattr(network, name) != getattr(source, name) for name in same) or network.layers < source.layers:
        raise RequestError("the weights to start from are of a wider or deeper ReCNN: choose others")
    first = _widened(network, source)
    mine, theirs = convolutions(network), convolutions(source)
    mine[0].load_state_dict(theirs[0].state_dict() | {"weight": first})
    for layer, given in zip(mine[1:], theirs[1:-1], strict=False):
        layer.load_state_dict(given.state_dict())
    for layer in mine[len(theirs) - 1 : -1]:
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    mine[-1].load_state_dict(theirs[-1].state_dict())


def _widened(network: Network, source: Network) -> Tensor:
    """The weights of the first layer of ``source``; for references that only ``network`` sees, its own, and zeros for
    a gradient.

    Raises RequestError where ``source`` sees more.
    """
    further = [channel for channel in source.channels if channel not in network.channels]
    if further:
        raise RequestError(f"the weights to start from take more ({', '.join(further)}): choose others")
    own, weights = (convolutions(one)[0].weight.detach() for one in (network, source))
    if weights.shape[1] != len(source.channels):
        # the first layer does not see them all, and the others cannot be widened
        if source.channels != network.channels:
            raise RequestError("the weights to start from take fewer references: choose others")
        return weights
    if own.shape[0] != weights.shape[0] or own.shape[2:] != weights.shape[2:]:
        raise RequestError("the weights to start from are of another size: choose others")
    wide = own.clone()
    wide[:, [channel == "gradient" or channel.startswith("condition ") for channel in network.channels]] = 0
    wide[:, [network.channels.index(channel) for channel in source.channels]] = weights
    return wide


def _name_of_first(network: Network) -> str:
    first = convolutions(network)[0].weight
    return next(name for name, parameter in network.named_parameters() if parameter is first)
