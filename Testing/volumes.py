"""Small volumes and grids that the tests share."""

import numpy as np
from scipy.spatial.transform import Rotation

from MRISuperResolutionLib.image.grid import Grid
from MRISuperResolutionLib.image.volume import Volume

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE = tuple(Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix().ravel().tolist())
LEFT_HANDED = tuple((np.reshape(OBLIQUE, (3, 3)) * [1, 1, -1]).ravel().tolist())


def world_of(grid: Grid) -> np.ndarray:
    """World coordinates [i, j, k, xyz] of all voxel centres."""
    return grid.to_world(np.moveaxis(np.indices(grid.size), 0, -1))


def centred_grid(size: tuple, spacing: tuple = (1.0, 1.0, 1.0), direction: tuple = IDENTITY) -> Grid:
    """A grid whose box has its centre at the world's origin."""
    corner = Grid(size, spacing, (0.0, 0.0, 0.0), direction)
    return Grid(size, spacing, tuple(-corner.to_world((np.array(size) - 1) / 2)), direction)


def blobs(world: np.ndarray, width: float = 6.0) -> np.ndarray:
    """A smooth phantom of no symmetry around the world's origin: what it is worth at each position."""
    rng = np.random.default_rng(3)
    centres, heights = rng.uniform(-12, 12, (12, 3)), rng.uniform(50, 100, 12)
    distances = ((world[..., None, :] - centres) ** 2).sum(axis=-1)
    return (heights * np.exp(-distances / (2 * width**2))).sum(axis=-1)


def random_volume(grid: Grid, dtype: str = "float32", header: dict | None = None) -> Volume:
    """Values from all over the type's range (floats: of both signs)."""
    rng = np.random.default_rng(5)
    if np.dtype(dtype).kind == "f":
        array = (1000 * rng.standard_normal(grid.size)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, grid.size, dtype=dtype, endpoint=True)
    return Volume(array, grid, header or {})
