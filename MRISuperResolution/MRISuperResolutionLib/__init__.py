"""Super-resolution of brain MRI volumes.

    from MRISuperResolutionLib import read_volume, upscale, write_volume

    volume = read_volume("t1w.nii.gz")
    write_volume(upscale(volume, "recnn10-t1w", scale=[2]), Path("t1w-x2.nii.gz"))

The names below are loaded when they are first used, and torch only when a network runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

_DOORS = {
    "Acquisition": "physics.acquisition",
    "Cancelled": "errors",
    "Computing": "runtime.device",
    "Grid": "image.grid",
    "OutOfMemory": "errors",
    "RequestError": "errors",
    "Volume": "image.volume",
    "catalogue": "models.card",
    "evaluate": "evaluation.metrics",
    "read_volume": "io",
    "upscale": "pipeline.upscale",
    "write_volume": "io",
}

__all__ = [
    "Acquisition",
    "Cancelled",
    "Computing",
    "Grid",
    "OutOfMemory",
    "RequestError",
    "Volume",
    "__version__",
    "catalogue",
    "evaluate",
    "read_volume",
    "upscale",
    "write_volume",
]

if TYPE_CHECKING:
    from .errors import Cancelled, OutOfMemory, RequestError
    from .evaluation.metrics import evaluate
    from .image.grid import Grid
    from .image.volume import Volume
    from .io import read_volume, write_volume
    from .models.card import catalogue
    from .physics.acquisition import Acquisition
    from .pipeline.upscale import upscale
    from .runtime.device import Computing


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_DOORS[name]}", __name__), name)
