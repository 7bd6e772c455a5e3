"""How alike two images look to VGG-19: the perceptual loss of GAN-CPCE (Lyu et al., section II.2).

Its weights, learned on photographs, are given by the user as a safetensors file, once made where torchvision is:

    python -c "import torchvision, safetensors.torch as s; s.save_file(torchvision.models.vgg19(weights='DEFAULT')
    .features.state_dict(prefix='features.'), 'vgg19.safetensors')"
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import RequestError

STAGES = (2, 2, 4, 4, 4)
"""Convolutions before each halving (configuration E of Simonyan & Zisserman)."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in the photographs, as torchvision gives them: intensities from 0 to 1."""


class Perceptual:
    """The mean squared difference of the features that VGG-19 finds in two batches of images.

    ``path`` holds "features.N.weight" and "features.N.bias" of torchvision's VGG-19; other tensors in it are not
    looked at. The features are those of the 16th convolution; that its ReLU is included is an assumption. Images
    are (batch, 1, height, width), normalised, 16 voxels or more each way, and shown in three equal channels. It is
    no part of what is trained or kept.
    """

    def __init__(self, path: Path) -> None:
        self.network = _features(path).requires_grad_(False).eval()
        self.mean, self.deviation = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (MEAN, DEVIATION))

    def __call__(self, result: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._seen(target)
        return functional.mse_loss(self._seen(result).float(), wanted.float())

    def _seen(self, images: Tensor) -> Tensor:
        mean, deviation = self.mean.to(images), self.deviation.to(images)
        features: Tensor = self.network.to(images.device)((images - mean) / deviation)
        return features

    def __deepcopy__(self, memo: object) -> Perceptual:
        # a copy of a lesson, such as for the average of its weights, sees with the same eyes
        return self


def layout() -> list[int]:
    """The place of each convolution among torchvision's layers: ReLU follows each, a halving each stage."""
    places, place = [], 0
    for convolutions in STAGES:
        places += [place + 2 * number for number in range(convolutions)]
        place += 2 * convolutions + 1
    return places


def _features(path: Path) -> nn.Sequential:
    """The layers up to the last ReLU, as wide as the file says; RequestError where it holds something else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        layers: dict[int, nn.Module] = {}
        inputs = len(MEAN)
        for place in layout():
            weight, bias = (tensors[f"features.{place}.{kind}"].float() for kind in ("weight", "bias"))
            if weight.shape[1:] != (inputs, 3, 3) or bias.shape != weight.shape[:1]:
                raise ValueError(f"features.{place} has the shape {tuple(weight.shape)}")
            layers[place] = nn.Conv2d(inputs, len(weight), 3, padding=1)
            layers[place].load_state_dict({"weight": weight, "bias": bias})
            layers[place + 1] = nn.ReLU()
            inputs = len(weight)
    except OSError as error:
        raise RequestError(f"cannot read the VGG-19 weights {path} ({error}): check the path") from error
    except (KeyError, ValueError, SafetensorError) as error:
        raise RequestError(
            f"{path} does not hold torchvision's VGG-19 ({error}): make it as training/perceptual.py says"
        ) from error
    return nn.Sequential(*(layers.get(place, nn.MaxPool2d(2)) for place in range(max(layers) + 1)))
