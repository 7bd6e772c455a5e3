"""What follows from the links of a chain of convolutions alone: who takes what, how far each sees, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..networks.base import SEEN, Link, Network

SCRATCH, COMBINED_SCRATCH = 3, 5
"""Times what a layer takes or gives that exists while it computes: what it takes with its surroundings, what it
gives, and what the library works with; where it is combined with others, sums and products, too."""


def source_of(chain: Sequence[Link], number: int) -> int:
    """Number of the link whose output the link ``number`` takes, or ``SEEN``."""
    source = chain[number].source
    return number - 1 if source is None else source


def channels_of(chain: Sequence[Link]) -> dict[int, int]:
    """Channels of what the chain sees and of what each link gives, by their numbers."""
    seen = max(link.inputs for n, link in enumerate(chain) if source_of(chain, n) == SEEN)
    return {SEEN: seen, **{n: link.outputs for n, link in enumerate(chain)}}


def reaches_of(chain: Sequence[Link], along: Callable[[Link], int] = lambda link: link.radius) -> dict[int, int]:
    """How far each link sees, those before it included, by their numbers; planes and not voxels ``along`` depths."""
    reaches = {SEEN: 0}
    for number, link in enumerate(chain):
        ahead = [reaches[source_of(chain, number)] + along(link), *(reaches[other] for other in link.others)]
        reaches[number] = max(ahead)
    return reaches


def needed_of(chain: Sequence[Link]) -> dict[int, tuple[int, int]]:
    """Of each output that other links use, by its number: how far the one that sees farthest sees, those before it
    included, and how far from a voxel of theirs they use it at most."""
    reaches = reaches_of(chain)
    needed: dict[int, tuple[int, int]] = {}
    for number, link in enumerate(chain):
        for other in (source_of(chain, number), *link.others):
            reach, radius = needed.get(other, (0, 0))
            needed[other] = max(reach, reaches[number]), max(radius, link.radius)
    return needed


def kept_of(chain: Sequence[Link]) -> dict[int, int]:
    """Planes of what the chain sees and of each link's output that are kept from one slab to the next: those that a
    link which has come less far still needs."""
    reaches = reaches_of(chain, lambda link: link.depth)
    kept = dict.fromkeys(reaches, 0)
    for number, link in enumerate(chain):
        source = source_of(chain, number)
        kept[source] = max(kept[source], reaches[number] - reaches[source] + link.depth)
        for other in link.others:
            kept[other] = max(kept[other], reaches[number] - reaches[other])
    return kept


def rooms_of(chain: Sequence[Link]) -> dict[int, int]:
    """Whose memory each output takes, by their numbers: its own, or, of layers that keep nothing from one slab to the
    next, that of an output which no link needs any more. Caches hold what is used again at once."""
    channels, exact = channels_of(chain), exact_of(chain)
    rooms = {number: number for number in channels}
    if any(kept_of(chain).values()):
        return rooms
    last = {len(chain) - 1: len(chain)}
    for number, link in enumerate(chain):
        last.update(dict.fromkeys((source_of(chain, number), *link.others), number))
    for number in range(len(chain)):
        before = range(SEEN, number)
        taken = {rooms[other] for other in before if last[other] >= number}
        like = channels[number], number in exact
        free = (rooms[n] for n in before if rooms[n] not in taken and (channels[n], n in exact) == like)
        rooms[number] = next(free, number)
    return rooms


def exact_of(chain: Sequence[Link]) -> set[int]:
    """Numbers of the outputs that are in single precision, those of exact links."""
    return {number for number, link in enumerate(chain) if link.exact}


def stream_numbers(network: Network, precision: torch.dtype) -> tuple[float, float, float, int]:
    """What streaming a network that is a chain takes, as ``slabs.choose_slabs`` wants it: held, moving, scratch,
    itemsize."""
    chain = network.chain()
    assert chain is not None
    kept, exact, rooms = kept_of(chain), exact_of(chain), rooms_of(chain)
    wide = 4 // precision.itemsize
    maps = {number: n * (wide if number in exact else 1) for number, n in channels_of(chain).items()}
    held, moving = (
        sum(kept[number] * n for number, n in maps.items()),
        sum(maps[number] for number in set(rooms.values())),
    )
    if network.dimensions == 2:
        # a slice of background
        held += sum(maps.values())
    scratch = max(scratch_of(link) * (wide if link.exact else 1) for link in chain)
    return held, moving, scratch, precision.itemsize


def scratch_of(link: Link) -> int:
    """Numbers that exist for each voxel while a link is computed."""
    times = COMBINED_SCRATCH if link.combined else SCRATCH
    return times * max(link.convolution.in_channels, link.outputs)


def work_of(chain: Sequence[Link]) -> list[tuple[int, float]]:
    """Of each layer: how far it sees, those before it included, and its operations at a voxel, in some unit."""
    reaches = reaches_of(chain)
    return [(reaches[number], link.convolution.weight.numel()) for number, link in enumerate(chain)]
