"""Volumes from and to files, through SimpleITK."""

from .read import read_header, read_volume
from .sitk import from_image, to_image
from .write import check_output, room_in_file, write_volume

__all__ = ["check_output", "from_image", "read_header", "read_volume", "room_in_file", "to_image", "write_volume"]
