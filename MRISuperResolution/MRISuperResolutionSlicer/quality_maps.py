"""Where not to trust a result: the volumes that tell it, and which of them a model can give."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.io.provenance import KEY

if TYPE_CHECKING:
    from MRISuperResolutionLib.methods.base import Method
    from MRISuperResolutionLib.models.card import Card


class Doubt(enum.Enum):
    """A volume that comes with a result, in the input's units; the value is what the command line calls it.

    EXPECTED_ERROR  on the result's grid: what nine of ten voxels' errors, noise left out, should stay below
    UNEXPLAINED     on the input's grid: what a scan of the result lacks of the input
    """

    EXPECTED_ERROR = "expected-error"
    UNEXPLAINED = "unexplained"

    @property
    def option(self) -> str:
        return f"--{self.value}"

    @property
    def words(self) -> str:
        """What the user reads."""
        return self.value.replace("-", " ")

    @property
    def role(self) -> str:
        """By which the result's node refers to it."""
        return f"{KEY}.{self.value}"


def doubts_of(model: Card | Method, blur: str | None) -> list[Doubt]:
    """What ``model`` can give where it is told of ``blur`` (None: nothing); RequestError where that is nothing."""
    found = []
    if model.trust:
        found.append(Doubt.EXPECTED_ERROR)
    if model.restoring or blur is not None:
        found.append(Doubt.UNEXPLAINED)
    if found:
        return found
    if not model.undoes:
        raise RequestError(f"The model {model.name} interpolates and knows nothing of its errors: choose a network.")
    raise RequestError(
        f"The model {model.name} does not know its errors, and what it leaves unexplained of the scan depends on the "
        "scanner's blur: choose that under Advanced, or another model."
    )
