"""Sub-pixel convolution and the convolution after it as one, on the coarse grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init


def shares_of(expand: nn.Conv2d | nn.Conv3d, tail: nn.Conv2d | nn.Conv3d, factor: int) -> nn.Conv2d:
    """What each coarse pixel adds to the (``factor`` + 2)**2 fine ones in and next to it, row by row.

    ``expand`` makes filters * factor**2 maps, these are shuffled into ``factor`` times as fine ones, and ``tail``,
    3 x 3 with zeros beyond, makes one channel of them: all of this is linear. The sum of these shares
    (``functional.fold``) and the tail's bias are what ``tail`` gives. Of DGGRN's multiplications 85, 72 and 59 % are
    left at factors 2, 3 and 4.
    """
    _, inputs, *kernel = expand.weight.shape
    like = expand.weight
    # no random weights first, which would draw numbers from the user's generator
    merged = skip_init(nn.Conv2d, inputs, (factor + 2) ** 2, (3, 3), padding=1, device=like.device, dtype=like.dtype)
    with torch.no_grad():
        merged.weight.copy_(_spread(like.flatten(1).T, tail, factor).T.view(-1, inputs, *kernel))
        merged.bias.zero_()
        if expand.bias is not None:
            merged.bias.copy_(_spread(expand.bias[None], tail, factor)[0])
    return merged


def _spread(cells: Tensor, tail: nn.Conv2d | nn.Conv3d, factor: int) -> Tensor:
    """Any number of cells (n, filters * factor**2) alone on the fine grid: what the tail makes of them and around,
    (n, (factor + 2)**2); on the CPU, since GPUs would round."""
    fine = functional.pixel_shuffle(cells[:, :, None, None], factor)
    return functional.conv2d(fine.cpu(), tail.weight.cpu(), padding=2).flatten(1)
