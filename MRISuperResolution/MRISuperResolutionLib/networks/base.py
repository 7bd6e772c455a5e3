"""What the engine, the weights and the trainer need to know of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from ..inference.background import CLOSE
from ..inference.slab_plan import IMAGE_BYTES
from .sobel import gradient_magnitude
from .spec import EACH, Cells

SEEN = -1
"""In place of a link's number: what the network's first layers see."""


@dataclass(frozen=True)
class Link:
    """A convolution of a chain (odd square or cubic kernel, zero padding), and what is done to each voxel of what it
    gives.

    rectified  with ReLU after it or not
    exact      in single precision whatever the others compute in
    source     number of the link whose output it takes, or ``SEEN``; None: the one before
    channels   of that output which it takes; None: all
    strength   what the convolution's output is multiplied by (channels); None: as it is
    others     numbers of links before it whose outputs ``combined`` takes, too
    combined   from what the convolution gives and the outputs of the ``others`` to the link's own, voxel by voxel,
               put into its ``out`` if there is one; None: as it is
    joined     channels that ``combined`` adds to those of the convolution
    """

    convolution: nn.Conv2d | nn.Conv3d
    rectified: bool
    exact: bool = False
    source: int | None = None
    channels: slice | None = None
    strength: Tensor | None = None
    others: tuple[int, ...] = ()
    combined: Callable[..., Tensor] | None = None
    joined: int = 0

    @property
    def radius(self) -> int:
        """Voxels to each side that it sees."""
        return self.convolution.kernel_size[0] // 2

    @property
    def depth(self) -> int:
        """Planes to each side that it sees: none, of slices."""
        return self.radius if isinstance(self.convolution, nn.Conv3d) else 0

    @property
    def inputs(self) -> int:
        """Channels that there have to be in what it takes."""
        return self.convolution.in_channels if self.channels is None else self.channels.stop

    @property
    def outputs(self) -> int:
        """Channels that it gives."""
        return self.convolution.out_channels + self.joined


class Network(nn.Module, ABC):
    """A convolutional network that takes (batch, inputs, *space) to (batch, outputs, *space * factor).

    Values are normalised intensities (about 0 to 1). All convolutions keep the size by zero padding.

    dimensions        2 or 3 spatial axes
    factor            output voxels per input voxel along each of them (1: works on the target grid)
    references        further input channels: other contrasts of the subject on the target grid
    restoring         whether it is given a scan on its own grid and what is known of it (see ``restoration``)
    cells             how it takes that scan
    gradient_input    whether the first layer sees the gradient of the first channel too (Du & He, Eq. 5)
    seen_radius       input voxels to each side that what the first layer sees depends on
    receptive_radius  input voxels to each side that an output voxel can depend on
    width             most feature maps alive per input voxel during inference, for the memory forecast
    close             how far from background's value, in normalised units, a voxel is background and may be skipped
    image_bytes       of each input voxel that is streamed: what is made of it and of the output besides feature maps
    """

    dimensions: int
    factor: int = 1
    references: int = 0
    restoring: bool = False
    cells: Cells = EACH
    gradient_input: bool = False
    receptive_radius: int
    width: int
    close: float = CLOSE
    image_bytes: int = IMAGE_BYTES

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return 1 + self.references

    @property
    def outputs(self) -> int:
        """Channels of the output; the first is the image, or what is added to it."""
        return 1

    @property
    def factors(self) -> list[int]:
        """Output voxels per input voxel along each of three axes, slices first."""
        return [self.factor if axis >= 3 - self.dimensions else 1 for axis in range(3)]

    @property
    def channels(self) -> list[str]:
        """What the first layer sees, in this order."""
        gradient = ["gradient"] if self.gradient_input else []
        return ["image", *gradient, *(f"reference {number}" for number in range(1, 1 + self.references))]

    def seen(self, x: Tensor) -> Tensor:
        """(batch, 1 + references, *space) -> (batch, len(channels), *space), with the gradient where it is seen."""
        if not self.gradient_input:
            return x
        image, references = x[:, :1], x[:, 1:]
        return torch.cat([image, gradient_magnitude(image), references], dim=1)

    @property
    def seen_radius(self) -> int:
        return int(self.gradient_input)

    def chain(self, corner: Tensor | None = None) -> list[Link] | None:
        """The layers of a network that is no more than convolutions, and sums and products of their outputs voxel by
        voxel, between ``seen`` and ``completed``; None for all others. The engine can stream a chain (see
        ``streaming``).

        ``corner`` is one voxel of the input (1, inputs, 1, 1, 1), for networks that are told there what holds
        everywhere; None where no more than the sizes of the layers are asked for.
        """
        return None

    def completed(self, x: Tensor, found: Tensor) -> Tensor:
        """The output (1, outputs, *space * factor), of the input (1, inputs, *space) and of what the chain gives; of
        slices, whose number is the first of the space, only the others become finer."""
        return found

    def map_bytes(self, itemsize: int) -> float:
        """Bytes of feature maps per input voxel when convolutions work on numbers of ``itemsize`` bytes."""
        return self.width * itemsize

    def operations(self) -> float:
        """Multiplications and additions of the convolutions per input voxel, of a chain as it is streamed."""
        chain = self.chain()
        if chain is None:
            return self.forward_operations()
        return 2.0 * sum(link.convolution.weight.numel() for link in chain)

    def forward_operations(self) -> float:
        """Those of ``forward``, counted on a small input."""
        from torch.utils.flop_counter import FlopCounterMode

        like = next(self.parameters())
        x = like.new_zeros(1, self.inputs, *[8] * self.dimensions)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self(x)
        return counter.get_total_flops() / 8**self.dimensions

    def expect_no_errors(self) -> None:
        """Leave out the second output, of networks that tell which errors to expect; all others stay as they are."""

    def settle(self) -> None:
        """First weights that the network insists on, whatever the scheme that drew the others; none, unless it says
        so."""

    @property
    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """Name and size parameters, from which ``networks.build`` makes this network again."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, *space) -> (batch, outputs, *space * factor)."""


@overload
def convolution(dimensions: Literal[3], inputs: int, outputs: int, kernel: int = 3) -> nn.Conv3d: ...
@overload
def convolution(dimensions: int, inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d | nn.Conv3d: ...
def convolution(dimensions: int, inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d | nn.Conv3d:
    """A convolution that keeps the size (odd kernel, zero padding)."""
    kind = nn.Conv3d if dimensions == 3 else nn.Conv2d
    return kind(inputs, outputs, kernel, padding=kernel // 2)


def changed(change: Tensor, *others: Tensor, out: Tensor | None = None) -> Tensor:
    """What a residual block gives of its last convolution: what it was given, and whatever else is to be added."""
    first, *rest = others
    return _with(rest, torch.add(first, change, out=out))


def changed_as_guided(
    change: Tensor, given: Tensor, guidance: Tensor, *others: Tensor, out: Tensor | None = None
) -> Tensor:
    """The same where the change is multiplied by the guidance."""
    return _with(others, torch.addcmul(given, change, guidance, out=out))


def _with(others: Sequence[Tensor], total: Tensor) -> Tensor:
    """All in one, in place of the ``total``."""
    for other in others:
        total += other
    return total


def in_full_precision(layer: nn.Module, x: Tensor) -> Tensor:
    """``layer(x)`` in the precision of the layer's weights, for one that gives the intensities themselves: eight
    bits of bfloat16 would show."""
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = layer(x.to(next(layer.parameters()).dtype))
    return result


def channels_last(thing: Any) -> Any:
    """A network's parameters, or a batch of slices or volumes, with the channels innermost in memory: convolutions
    are faster so."""
    dimensions = thing.dimensions if isinstance(thing, Network) else thing.dim() - 2
    return thing.to(memory_format=torch.channels_last_3d if dimensions == 3 else torch.channels_last)


def convolutions(network: nn.Module) -> list[nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d]:
    """The layers with weights, from the first on."""
    kinds = nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d
    return [module for module in network.modules() if isinstance(module, kinds)]


SCHEMES: dict[str, Callable[[Tensor], Any]] = {
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "xavier": nn.init.xavier_uniform_,
    "normal-0.01": partial(nn.init.normal_, std=0.01),
    "normal-0.001": partial(nn.init.normal_, std=0.001),
}
"""How weights are drawn (Pham et al., section 3.4): He's normal distribution (MSRA); Glorot and Bengio's uniform
one, which Du & He take too (Pham et al. leave out the outgoing connections, which matters in the first and the last
layer alone); normal ones of a fixed standard deviation, as SRCNN's."""


def initialise(network: nn.Module, scheme: str) -> None:
    """Random weights of one of ``SCHEMES``, zero biases; then what the network insists on."""
    for layer in convolutions(network):
        # a deconvolution's weights are (inputs, outputs, *kernel), and the schemes count the inputs
        weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
        SCHEMES[scheme](weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if isinstance(network, Network):
        network.settle()
