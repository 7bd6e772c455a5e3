"""The networks, each in its own file; ``build`` makes one from the architecture stored with its weights."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ..errors import RequestError

if TYPE_CHECKING:
    from .base import Network


RESTORING = ("NullSpaceNet",)
"""Networks that are given a scan on its own grid and what is known of it (see ``restoration``)."""

SIZES: dict[str, Collection[int]] = {
    "layers": range(2, 1025),
    "kernel": range(1, 32, 2),
    "references": range(9),
    "dimensions": (2, 3),
    "guidance_layers": range(33),
    **dict.fromkeys(("gradient_input", "residual", "doubt", "thick_slices", "response"), (False, True)),
    "factor": range(1, 17),
    **dict.fromkeys(
        ("filters", "hidden_filters", "last_filters", "blocks", "gradient_layers", "refining_layers"), range(1, 1025)
    ),
}
"""What each parameter of a network may be."""


def build(architecture: dict[str, Any]) -> Network:
    """A network with random weights from ``{"name": ..., size parameters}``.

    Raises RequestError for a name or a parameter that is not known here, and for sizes that make no network.
    """
    from .dggrn import DGGRN, ResNet
    from .gan_circle import CIRCLE
    from .gan_cpce import CPCE
    from .null_space import NullSpaceNet
    from .recnn import ReCNN
    from .scsr import MCSR, SCSR, DeCNN
    from .srcnn3d import SRCNN3D

    kinds = {
        kind.__name__: kind for kind in (ReCNN, DGGRN, ResNet, SRCNN3D, SCSR, MCSR, DeCNN, CPCE, CIRCLE, NullSpaceNet)
    }
    parameters = dict(architecture)
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in kinds:
        raise RequestError(f"unknown network {name!r}: this version knows {', '.join(kinds)}")
    for parameter, size in parameters.items():
        if parameter in SIZES and size not in SIZES[parameter]:
            raise RequestError(f"a {name} network cannot have {parameter}={size}: choose another size")
    try:
        return kinds[name](**parameters)
    except TypeError as error:
        raise RequestError(f"the {name} network cannot be built: {error}") from error
