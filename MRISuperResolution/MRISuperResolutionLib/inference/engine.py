"""Running a network over a volume of any size in the memory that there is.

The result equals that of the network on the whole volume. Chains of convolutions are streamed (see ``streaming``);
other networks work on tiles (see ``tiled``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import OutOfMemory
from ..io.arrays import Pieces, Source
from ..networks.base import Network, channels_last
from ..runtime.memory import available_memory, process_memory
from .layer_graph import stream_numbers
from .slab_plan import choose_slabs
from .stream import run_slabs
from .tile_plan import choose_tile, tiles
from .tiles import Report, run_tiles

OVERHEAD = 1.5
"""Memory that a convolution takes besides its input and output, as a factor."""


@dataclass(frozen=True)
class Way:
    """A way to compute: bytes that it takes, voxels that it computes on, and how to go it, telling the share of the
    work that is done."""

    bytes: int
    voxels: int
    go: Callable[[Source, Pieces, torch.device, Report], None]


def bytes_per_voxel(network: Network, precision: torch.dtype) -> float:
    """Memory that the network needs for each input voxel of a tile."""
    maps = network.map_bytes(precision.itemsize)
    images = 4 * (network.inputs + (2 + network.outputs) * math.prod(network.factors))
    return OVERHEAD * maps + images


def run_network(
    network: Network, source: Source, *, device: torch.device, memory_limit: int | None = None, **options: Any
) -> np.ndarray:
    """Network output for ``source`` in a new array, which counts towards the ``memory_limit``.

    Returns float32 (*axes), each 2D or 3D axis times ``network.factor``, of a network of several outputs with these
    in front. ``run_network_into`` says what the ``options`` are, and what is raised.
    """
    result = np.empty(output_shape(network, source), np.float32)
    left = None if memory_limit is None else memory_limit - (result.nbytes if device.type == "cpu" else 0)
    run_network_into(result, network, source, device=device, memory_limit=left, **options)
    return result


def output_shape(network: Network, source: Source) -> tuple[int, ...]:
    """The shape of what the network makes of ``source``: the outputs, if there are several, and the axes."""
    fine = (n * factor for n, factor in zip(source.shape[1:], network.factors, strict=True))
    return (network.outputs, *fine) if network.outputs > 1 else tuple(fine)


def run_network_into(
    result: Pieces,
    network: Network,
    source: Source,
    *,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    memory_limit: int | None = None,
    most_bytes: int | None = None,
    report: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Network output for ``source``, computed on ``device``, piece by piece to ``result`` (see ``output_shape``).

    source        float32 (1 + references, *axes), normalised; three axes. A 3D network works along all of
                  them; a 2D network on the last two, the first counts slices.
    memory_limit  bytes this process may take, on the CPU; of the GPU's memory on a GPU. None: all there is.
    most_bytes    that the network may take for its feature maps, whatever the memory
    report        called with the share of the work that is done, often; may raise to cancel

    Raises OutOfMemory where even the smallest piece does not fit.
    """
    size = source.shape[1:]
    network = channels_last(network.to(device).eval())
    most = _budget(device, memory_limit) if most_bytes is None else most_bytes
    while True:
        way = _way(network, size, precision, most)
        if way is None:
            raise OutOfMemory(_advice(device))
        try:
            way.go(source, result, device, report)
            return
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # what the piece took is needed for the next try
            del error
        if device.type == "cuda":
            torch.cuda.empty_cache()
        most = way.bytes // 2


def planned(network: Network, size: Sequence[int], precision: torch.dtype, most_bytes: int) -> int | None:
    """Voxels that ``run_network`` computes on for an input of ``size`` in ``most_bytes``, those that it computes more
    than once counted as often; None where nothing fits."""
    way = _way(network, size, precision, most_bytes)
    return way.voxels if way else None


def _way(network: Network, size: Sequence[int], precision: torch.dtype, most_bytes: int) -> Way | None:
    """How to compute in ``most_bytes``; None where nothing fits."""
    if network.chain() is not None:
        numbers = stream_numbers(network, precision)
        slabs = choose_slabs(
            size, network.receptive_radius, *numbers, most_bytes, network.image_bytes, network.dimensions
        )
        if slabs is None:
            return None
        return Way(
            slabs.bytes,
            slabs.voxels,
            lambda source, result, device, report: run_slabs(
                network, source, result, slabs, device, precision, report
            ),
        )
    bytes_voxel = bytes_per_voxel(network, precision)
    radius = [network.receptive_radius if axis >= 3 - network.dimensions else 0 for axis in range(3)]
    core = choose_tile(size, radius, int(most_bytes / bytes_voxel))
    if core is None:
        return None
    plan = list(tiles(size, radius, core))
    voxels = [tile.voxels for tile in plan]
    return Way(
        int(max(voxels) * bytes_voxel),
        sum(voxels),
        lambda source, result, device, report: run_tiles(network, source, result, plan, device, precision, report),
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed: torch has no single type for it on all devices."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)


def _budget(device: torch.device, memory_limit: int | None) -> int:
    """Bytes for feature maps: what the limit leaves beside the process."""
    if device.type == "cuda":
        # what torch keeps from what was computed before is free, too
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = (torch.cuda.mem_get_info(device)[0] + kept) * 9 // 10
        return free if memory_limit is None else min(free, memory_limit)
    return available_memory() if memory_limit is None else memory_limit - process_memory()


def _advice(device: torch.device) -> str:
    trouble = f"there is too little memory on {device} for even the smallest piece"
    if device.type == "cpu":
        return f"{trouble}: raise the memory limit (--max-memory) or ask for a smaller factor"
    return f"{trouble}: close other programs on it, choose the CPU, or ask for a smaller factor"
