"""Whether a protocol's settings and its network go together; what would be without effect is refused."""

from __future__ import annotations

from ...errors import RequestError
from ...image.grid import checked_factors
from ...networks.base import Network
from ...physics.encoding import Gaussian
from .train_config import ADVERSARIAL, Protocol, factors_text, highest

SMALLEST_JUDGED = 32
"""HR voxels along a side of a patch that is judged by a critic: four halvings leave two."""


def check_fit(protocol: Protocol, network: Network) -> None:
    """Raise RequestError, with what to change, where the two do not go together."""
    for end in (-1, 1):
        # checks the sigma that may be drawn
        Gaussian(protocol.sigma + end * protocol.sigma_spread, protocol.radius)
    if protocol.loss in ADVERSARIAL:
        _check_adversarial(protocol, network)
    if protocol.loss == "doubt" and network.outputs == 1:
        raise RequestError("the loss doubt is for networks that expect errors: choose NullSpaceNet with doubt=true")
    if network.factor == 1 or network.restoring:
        _check_factors(protocol, network)
    else:
        _check_sub_pixel(protocol)
    if protocol.drop_reference and not network.references:
        raise RequestError("a network without references has none to drop: give it some or leave out drop_reference")
    if protocol.elastic_share and network.dimensions == 3:
        raise RequestError("only slices are bent: leave out elastic_share or choose dimensions=2")


def _check_factors(protocol: Protocol, network: Network) -> None:
    if not protocol.factors:
        raise RequestError("a network on the target grid learns the factors that it is shown: give some, as 2,2,2")
    for choice in protocol.factors:
        if max(checked_factors(highest(choice))) == 1 and protocol.kspace == 1:
            raise RequestError("the factors 1,1,1 leave nothing to learn: give others, as 2,2,2")
        if network.cells.thick and sorted(highest(choice))[1] > 1:
            raise RequestError(
                f"a network for thick slices makes volumes finer along one axis alone, so {factors_text(choice)} is "
                "not for it: write factors such as 1,1,2-6"
            )
        if network.dimensions == 2 and choice[2] != (1, 1):
            raise RequestError(
                f"a 2D network leaves the axis across the slices as it is, so {factors_text(choice)} is not for it: "
                "write factors such as 2,2,1"
            )


def _check_adversarial(protocol: Protocol, network: Network) -> None:
    loss = protocol.loss
    if network.dimensions == 3:
        raise RequestError(
            f"the critic of the loss {loss} judges slices: choose a 2D network, such as CPCE or CIRCLE"
        )
    side = protocol.patch * network.factor
    if side < SMALLEST_JUDGED:
        raise RequestError(
            f"patches of {side} HR voxels are too small for the critic of the loss {loss}: choose {SMALLEST_JUDGED} "
            "or more"
        )
    if protocol.devices * protocol.nodes > 1:
        raise RequestError(f"one process trains with the loss {loss}: leave out devices and nodes")
    if protocol.gradient_clip is not None or protocol.precision == "float16":
        raise RequestError(
            f"with the loss {loss} no gradients are clipped or scaled: leave out gradient_clip, and choose float32 "
            "or bfloat16"
        )
    if loss == "cpce" and protocol.vgg is None:
        raise RequestError(
            "the loss cpce compares what VGG-19 sees: give a safetensors file of its weights as vgg (--vgg; "
            "training/perceptual.py says how to make it)"
        )
    if loss == "circle" and (network.factor > 1 or network.references):
        raise RequestError(
            "the loss circle goes there and back: choose a network on the target grid without references, as CIRCLE"
        )


def _check_sub_pixel(protocol: Protocol) -> None:
    if protocol.factors:
        raise RequestError("a network with sub-pixel layers has its own factor: leave out the factors")
    if protocol.loss == "relative":
        raise RequestError("the relative loss needs a network on the target grid, such as ReCNN: choose mse")
