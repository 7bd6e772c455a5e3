"""Volumes from and to files, through SimpleITK; and volumes that are computed and written piece by piece.

The names below are loaded when they are first used: what needs no file needs no SimpleITK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_DOORS = {
    "check_output": "write",
    "from_image": "sitk",
    "read_header": "read",
    "read_volume": "read",
    "room_in_file": "write",
    "to_image": "sitk",
    "write_volume": "write",
}

__all__ = ["check_output", "from_image", "read_header", "read_volume", "room_in_file", "to_image", "write_volume"]

if TYPE_CHECKING:
    from .read import read_header, read_volume
    from .sitk import from_image, to_image
    from .write import check_output, room_in_file, write_volume


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_DOORS[name]}", __name__), name)
