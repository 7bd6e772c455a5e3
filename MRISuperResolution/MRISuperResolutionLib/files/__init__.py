"""Volumes from and to files, through SimpleITK."""

from .images import from_image, to_image
from .reading import read_header, read_volume
from .writing import check_output, write_volume

__all__ = ["check_output", "from_image", "read_header", "read_volume", "to_image", "write_volume"]
