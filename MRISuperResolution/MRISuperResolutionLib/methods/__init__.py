"""The methods that need no trained weights, each in its own file; numpy and scipy are all they use."""

from __future__ import annotations

from .back_projection import BackProjection
from .base import Method
from .interpolation import INTERPOLATIONS
from .lrtv import LRTV
from .nmu import NMU

METHODS: dict[str, Method] = {method.name: method for method in (*INTERPOLATIONS, BackProjection(), LRTV(), NMU())}
"""By name, in the order in which they are listed."""
