"""Running a network over a volume of any size in the memory that there is.

The result equals that of the network on the whole volume: tiles overlap by the network's receptive radius,
and only the volume's true border is zero-padded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .errors import OutOfMemory
from .memory import available_memory, process_memory
from .networks.base import Network, channels_last
from .tiling import Tile, choose_tile, tiles

OVERHEAD = 1.5
"""Memory that a convolution takes besides its input and output, as a factor."""


def bytes_per_voxel(network: Network, precision: torch.dtype) -> float:
    """Memory that the network needs for each input voxel of a tile."""
    maps = network.map_bytes(precision.itemsize)
    images = 4 * (1 + network.references + 3 * network.factor**network.dimensions)
    return OVERHEAD * maps + images


def run_network(
    network: Network,
    source: np.ndarray,
    *,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    memory_limit: int | None = None,
    tile_voxels: int | None = None,
    report: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Network output for ``source``, on ``device``, tile by tile.

    source        float32 (1 + references, *axes), normalised; three axes. A 3D network works along all of
                  them; a 2D network on the last two, the first counts slices.
    memory_limit  bytes this process may take, on the CPU; of the GPU's memory on a GPU. None: all there is.
    tile_voxels   most input voxels of a tile, margins included, whatever the memory
    report        called with the share of the work that is done, several times a tile; may raise to cancel

    Returns float32 (*axes), each 2D or 3D axis times ``network.factor``. Raises OutOfMemory where even the
    smallest tile does not fit.
    """
    size = source.shape[1:]
    working = tuple(axis >= 3 - network.dimensions for axis in range(3))
    radius = tuple(network.receptive_radius if works else 0 for works in working)
    factors = tuple(network.factor if works else 1 for works in working)
    result = np.empty([n * f for n, f in zip(size, factors, strict=True)], np.float32)
    network = channels_last(network.to(device).eval())
    most = tile_voxels or int(_tile_budget(device, memory_limit, result.nbytes) / bytes_per_voxel(network, precision))
    while True:
        core = choose_tile(size, radius, most)
        if core is None:
            raise OutOfMemory(_advice(device))
        try:
            _run_tiles(network, source, result, list(tiles(size, radius, core)), factors, device, precision, report)
            return result
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # what the tile took is needed for the next try
            del error
        if device.type == "cuda":
            torch.cuda.empty_cache()
        most = largest(tiles(size, radius, core)) // 2


def largest(plan: Iterable[Tile]) -> int:
    """Voxels of the largest tile."""
    return max(tile.voxels for tile in plan)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed: torch has no single type for it on all devices."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)


def _tile_budget(device: torch.device, memory_limit: int | None, result_bytes: int) -> int:
    """Bytes for one tile: what the limit leaves beside the process and a result that is still to be filled."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0] * 9 // 10
        return free if memory_limit is None else min(free, memory_limit)
    if memory_limit is None:
        memory_limit = process_memory() + available_memory()
    return memory_limit - process_memory() - result_bytes


def _advice(device: torch.device) -> str:
    trouble = f"there is too little memory on {device} for even the smallest tile"
    if device.type == "cpu":
        return f"{trouble}: raise the memory limit (--max-memory) or ask for a smaller factor"
    return f"{trouble}: close other programs on it, choose the CPU, or ask for a smaller factor"


def _run_tiles(
    network: Network,
    source: np.ndarray,
    result: np.ndarray,
    plan: list[Tile],
    factors: tuple[int, ...],
    device: torch.device,
    precision: torch.dtype,
    report: Callable[[float], None],
) -> None:
    whole = sum(tile.voxels for tile in plan)
    for done, tile in zip(itertools.accumulate((t.voxels for t in plan), initial=0), plan, strict=False):
        with _watched(network, lambda share, d=done, t=tile: report((d + share * t.voxels) / whole)):  # type: ignore[misc]
            piece = _run_tile(network, source[(slice(None), *tile.padded)], device, precision)
        result[_scaled(tile.core, factors)] = piece[_scaled(tile.inner, factors)]
    report(1.0)


def _run_tile(network: Network, piece: np.ndarray, device: torch.device, precision: torch.dtype) -> np.ndarray:
    """(channels, *axes) -> (*axes times factor); for a 2D network the first axis is the batch."""
    batch = np.ascontiguousarray(piece[None] if network.dimensions == 3 else piece.swapaxes(0, 1))
    x = channels_last(torch.from_numpy(batch).to(device))
    reduced = precision != torch.float32
    with (
        torch.inference_mode(),
        torch.autocast(device.type, dtype=precision if reduced else None, enabled=reduced),
    ):
        y: Tensor = network(x)
    y = y.float().cpu()
    return (y[0, 0] if network.dimensions == 3 else y[:, 0]).numpy()


def _scaled(axes: tuple[slice, ...], factors: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(s.start * f, s.stop * f) for s, f in zip(axes, factors, strict=True))


@contextmanager
def _watched(network: nn.Module, report: Callable[[float], None]) -> Iterator[None]:
    """Report the share of the convolutions that are done before each of them, so that a large tile can be
    followed and cancelled."""
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    done = itertools.count()

    def before(module: nn.Module, inputs: Any) -> None:
        report(min(1.0, next(done) / len(convolutions)))

    handles = [m.register_forward_pre_hook(before) for m in convolutions]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
