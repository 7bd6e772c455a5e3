"""Beginning with the weights of another network: of another contrast, another factor, or fewer layers."""

from __future__ import annotations

import torch
from torch import nn

from ..errors import RequestError
from ..networks.base import Network
from ..networks.recnn import ReCNN


def warm_start(network: Network, source: Network) -> None:
    """Give ``network`` the weights of ``source``; where the two have the same layers, all of them.

    A deeper ReCNN gets identities between the last hidden layer and the output, through which ReLU's
    outputs pass unchanged: it begins as exactly the shallower one. A network for another factor keeps all
    but its sub-pixel layers. Raises RequestError where the two have too little in common.
    """
    if isinstance(network, ReCNN) and isinstance(source, ReCNN):
        _deepen(network, source)
        return
    mine, theirs = network.state_dict(), source.state_dict()
    shared = {name: weights for name, weights in theirs.items() if name in mine and mine[name].shape == weights.shape}
    if type(network) is not type(source) or len(shared) < len(mine) // 2:
        raise RequestError("the weights to start from are of another kind of network: choose others")
    network.load_state_dict({**mine, **shared})


@torch.no_grad()
def _deepen(network: ReCNN, source: ReCNN) -> None:
    same = ("filters", "kernel", "references", "dimensions")
    if any(getattr(network, name) != getattr(source, name) for name in same) or network.layers < source.layers:
        raise RequestError("the weights to start from are of a wider or deeper ReCNN: choose others")
    mine, theirs = ([m for m in n.body if isinstance(m, nn.Conv2d | nn.Conv3d)] for n in (network, source))
    for layer, given in zip(mine, theirs[:-1], strict=False):
        layer.load_state_dict(given.state_dict())
    for layer in mine[len(theirs) - 1 : -1]:
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    mine[-1].load_state_dict(theirs[-1].state_dict())
