"""The networks, each in its own file; ``build`` makes one from the architecture stored with its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RequestError

if TYPE_CHECKING:
    from .base import Network


def build(architecture: dict[str, Any]) -> Network:
    """A network with random weights from ``{"name": ..., size parameters}``.

    Raises RequestError for a name or a parameter that is not known here.
    """
    from .dggrn import DGGRN, ResNet
    from .recnn import ReCNN

    kinds = {kind.__name__: kind for kind in (ReCNN, DGGRN, ResNet)}
    parameters = dict(architecture)
    name = parameters.pop("name", None)
    if name not in kinds:
        raise RequestError(f"unknown network {name!r}: this version knows {', '.join(kinds)}")
    try:
        return kinds[name](**parameters)
    except TypeError as error:
        raise RequestError(f"the {name} network cannot be built: {error}") from error
