"""Super-resolution of brain MRI volumes.

    from MRISuperResolutionLib import read_volume, upscale, write_volume

    volume = read_volume("t1w.nii.gz")
    write_volume(upscale(volume, "recnn10-t1w", scale=[2]), Path("t1w-x2.nii.gz"))

The names below are loaded when they are first used, and torch only when a network runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_DOORS = {
    "Acquisition": "physics.acquisition",
    "Cancelled": "errors",
    "Computing": "device",
    "Grid": "grid",
    "OutOfMemory": "errors",
    "RequestError": "errors",
    "Volume": "volume",
    "catalogue": "weights",
    "evaluate": "metrics",
    "read_volume": "files",
    "upscale": "upscaling",
    "write_volume": "files",
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
    from .device import Computing
    from .errors import Cancelled, OutOfMemory, RequestError
    from .files import read_volume, write_volume
    from .grid import Grid
    from .metrics import evaluate
    from .physics.acquisition import Acquisition
    from .upscaling import upscale
    from .volume import Volume
    from .weights import catalogue


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_DOORS[name]}", __name__), name)
