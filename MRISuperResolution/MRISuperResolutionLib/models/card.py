"""The shipped weights: each ``NAME.safetensors`` with its card ``NAME.json`` beside it.

The card says what the network is, what it was made for, what it learned from and how good it is. What is
needed to build and use the network also stands inside the safetensors file. Cards are read without torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..image.grid import Triple
from ..networks import RESTORING
from ..networks.spec import Cells, cells_of

if TYPE_CHECKING:
    from ..networks.base import Network

from ..image.grid import unlike

SPLINE = "spline"
"""The model that is no network: cubic spline interpolation, the yardstick."""

USUAL_FACTOR = 2.0
"""Where none is asked for."""

STREAMED = ("held", "moving", "scratch")
"""What a card tells of a chain for ``slabs.choose_slabs``, in its order."""


@dataclass(frozen=True)
class Card:
    """All that is known of one weight file.

    contrasts     what it was trained on (T1w, T2w, FLAIR)
    factors       {"lowest", "highest"}: any real factor along each axis (2D: of the plane), for networks on the
                  target grid; with "highest_along_one" along one of them, as for thick slices; {"in_plane"}:
                  exactly this one, for 2D networks with sub-pixel layers
    dimensions    2: slice by slice; 3: the whole volume
    references    further contrasts that it takes (see ``references_optional``)
    planes        the planes it was trained on (2D), else empty
    spacing_mm    smallest and largest voxel edge of the results it was trained to give
    acquisition   the acquisition model that made its training pairs
    training      data with their licences, settings, the command
    figures       per validation subject: factors, PSNR in dB and SSIM of spline and of the network
    measured      what it reaches under each acquisition, by default: contrast, subject, factors, acquisition (of
                  ``physics.presets``), noise, PSNR in tissue in dB of spline, sinc and of the network
    trust         of networks that tell which error to expect: the "share" of voxels whose error, the truth's own
                  noise left out, stays below, the "scale" that brings what the network says to that for each of the
                  "kinds" of scans (factors, told or not, of a "contrast" or of all), and on which subjects it was
                  found
    cost          for each voxel of the network's input: "operations", "bytes" of memory in float32; the "radius"
                  in voxels that it sees, and that which its first layer is shown ("seen"), if any; of chains, which
                  are streamed, numbers "held", "moving" and "scratch", bytes of images ("image") if these are more
                  than usual (see ``slabs.choose_slabs``), and of these what is spared where the errors to expect
                  are not asked for ("errors")
    """

    name: str
    summary: str
    architecture: dict[str, Any]
    contrasts: list[str]
    factors: dict[str, float]
    dimensions: int
    references: int
    planes: list[str]
    spacing_mm: list[float]
    acquisition: dict[str, Any]
    training: dict[str, Any]
    figures: list[dict[str, Any]]
    licence: str
    measured: list[dict[str, Any]] = field(default_factory=list)
    trust: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    file: str = ""
    sha256: str = ""
    bytes: int = 0
    folder: Path = field(default=Path(), compare=False)

    def describe(self) -> dict[str, Any]:
        """The card as plain values for JSON."""
        facts = asdict(self)
        del facts["folder"]
        return facts

    @property
    def highest_along_one(self) -> float:
        """The highest factor along any axis, of networks that take any factor."""
        return self.factors.get("highest_along_one", self.factors["highest"])

    def takes(self, factors: Sequence[float], slack: Sequence[float] = (1.0, 1.0, 1.0)) -> bool:
        """Whether a network that takes any factor was made for these, each of which may be so many times too high."""
        allowed = [factor / most for factor, most in zip(factors, slack, strict=True)]
        *others, largest = sorted(allowed)
        return (
            min(factors) >= self.factors["lowest"]
            and largest <= self.highest_along_one
            and all(factor <= self.factors["highest"] for factor in others)
        )

    @property
    def range_text(self) -> str:
        """The factors that a network takes which takes any, in words."""
        lowest, highest = self.factors["lowest"], self.factors["highest"]
        text = f"{lowest:g}" if lowest == highest else f"from {lowest:g} to {highest:g}"
        more = self.highest_along_one > highest
        return f"{text}, along one axis up to {self.highest_along_one:g}" if more else text

    @property
    def usual_factors(self) -> Triple:
        """Along i, j, k, where none are asked for: twice as fine, or as the network makes it; slices are axial."""
        own = self.factors.get("in_plane") or min(USUAL_FACTOR, self.factors["highest"])
        if self.dimensions == 2:
            return own, own, 1.0
        return own, own, min(USUAL_FACTOR, self.highest_along_one)

    @property
    def references_optional(self) -> bool:
        """Whether it learned to go without its references, too."""
        return bool(self.training.get("settings", {}).get("drop_reference"))

    @property
    def restoring(self) -> bool:
        """Whether its network is given a scan on its own grid and what is known of it (see ``restoration``)."""
        return self.architecture.get("name") in RESTORING

    @property
    def cells(self) -> Cells:
        """How a network on the scan's grid takes the scan."""
        return cells_of(self.architecture)

    @property
    def undoes(self) -> bool:
        """Whether it makes use of the acquisition: what any network makes can be brought to explain the scan."""
        return True

    @property
    def path(self) -> Path:
        return self.folder / self.file


def weights_folder() -> Path:
    """Where the weights lie: MRISR_WEIGHTS if set, else beside the installed library, else in the source tree."""
    chosen = os.environ.get("MRISR_WEIGHTS")
    return Path(chosen) if chosen else own_folder()


def own_folder() -> Path:
    """Where the weights lie that came with the library, whatever others are chosen."""
    library = Path(__file__).resolve().parents[1]
    installed = library / "weights"
    return installed if installed.is_dir() else library.parents[1] / "weights"


def catalogue() -> list[Card]:
    """The cards of all weights that are offered, by name."""
    return [read_card(path) for path in sorted(weights_folder().glob("*.json"))]


def baselines() -> list[Card]:
    """The cards of the weights that others are compared with and that nobody is offered, by name; the Slicer
    extension has none."""
    return [read_card(path) for path in sorted(weights_folder().glob("baselines/*.json"))]


def read_card(path: Path) -> Card:
    """The card in a JSON file; RequestError if it cannot be read."""
    try:
        return Card(**json.loads(path.read_text(encoding="utf-8")), folder=path.parent)
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(f"cannot read the model card {path}: install the weights again ({error})") from error


def find_card(model: str) -> Card:
    """Card of a shipped model or baseline by name, or of a ``.safetensors`` file by path.

    Raises RequestError for anything else.
    """
    if model.endswith(".safetensors"):
        path = Path(model)
        if not path.is_file():
            raise RequestError(f"there are no weights {path}: check the path, or give the name of a shipped model")
        return replace(read_card(path.with_suffix(".json")), file=path.name)
    cards = {card.name: card for card in [*catalogue(), *baselines()]}
    if model not in cards:
        raise RequestError(f"there are no weights {model!r}: choose one of {', '.join(cards)}")
    return cards[model]


def load_network(card: Card) -> Network:
    """The network of ``card`` with its weights, checked against the card's sha256 before they are read.

    Raises RequestError if the file is missing, altered, or does not fit its architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from ..networks import build

    if not card.path.is_file():
        raise RequestError(f"the weights {card.path} are missing: install them again")
    content = card.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise RequestError(
            f"the weights {card.path} are damaged or altered (their sha256 is not the card's): install them again"
        )
    network = build(card.architecture)
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in load(content).items()})
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise RequestError(f"the weights {card.path} do not fit their card: install them again ({error})") from error
    return network.eval()


def cost_of(network: Network) -> dict[str, float]:
    """What ``network`` costs for each voxel of its input, as it stands on a card."""
    import torch

    from ..inference.engine import bytes_per_voxel
    from ..inference.layer_graph import stream_numbers
    from ..inference.slab_plan import IMAGE_BYTES

    chain = network.chain()
    streamed = dict(zip(STREAMED, stream_numbers(network, torch.float32), strict=False)) if chain else {}
    return {
        "operations": network.operations(),
        "bytes": bytes_per_voxel(network, torch.float32),
        "radius": network.receptive_radius,
        **streamed,
        **({"seen": network.seen_radius} if network.seen_radius else {}),
        **({"image": network.image_bytes} if chain and network.image_bytes != IMAGE_BYTES else {}),
        **({"errors": _images_of_errors(network)} if chain and network.outputs > 1 else {}),
    }


def _images_of_errors(network: Network) -> int:
    sparing = deepcopy(network)
    sparing.expect_no_errors()
    return network.image_bytes - sparing.image_bytes


def save_network(network: Network, card: Card, folder: Path) -> Card:
    """Write ``NAME.safetensors`` and ``NAME.json`` to ``folder``; returns the card with file, size and sha256.

    The safetensors header holds what stands in the card but the figures and what follows from the network.
    """
    from safetensors.torch import save

    inside = {
        key: value
        for key, value in card.describe().items()
        if key not in ("file", "sha256", "bytes", "figures", "cost")
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = save(tensors, metadata={"card": json.dumps(inside, sort_keys=True)})
    file = f"{card.name}.safetensors"
    card = replace(
        card,
        cost=cost_of(network),
        file=file,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        folder=folder,
    )
    folder.mkdir(parents=True, exist_ok=True)
    card.path.write_bytes(content)
    (folder / f"{card.name}.json").write_text(json.dumps(card.describe(), indent=2) + "\n", encoding="utf-8")
    return card


def error_scale(trust: dict[str, Any], factors: Sequence[float], told: bool, contrast: str | None = None) -> float:
    """What the expected errors of a scan by ``factors``, ``told`` of how it was made or not, are multiplied by: as on
    the card's ``trust`` for the kind that is most alike, of the ``contrast`` if that is known here and there, else of
    all; 1 where it knows none."""
    kinds = [kind for kind in trust["kinds"] if kind["told"] == told]
    kinds = [kind for kind in kinds if kind.get("contrast") == contrast] or [k for k in kinds if "contrast" not in k]
    return min(kinds, key=lambda kind: unlike(kind["factors"], factors))["scale"] if kinds else 1.0
