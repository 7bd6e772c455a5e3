"""What it costs to run an untrained network over a cube, in a process of its own: no other's memory counts.

The cube has no background, which would be skipped; and what the weights are changes neither time nor memory.
``python -m`` this file measures the case that is its argument.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from ..errors import RequestError
from ..image.linear_operators import spline_matrix
from ..inference.engine import run_network_into
from ..io.arrays import Channels, Interpolated
from ..networks import build
from ..runtime.device import choose_precision
from ..runtime.memory import GIB, forget_peak, peak_memory, process_memory
from .throughput import median

CPU = torch.device("cpu")

WARM_UP_EDGE = 16


@dataclass(frozen=True)
class Case:
    """A ReCNN of so many ``layers``, otherwise as the one that is looked at, makes a cube twice as fine, to ``edge``
    voxels along each axis, on so many ``threads``, with ``most_bytes`` for its feature maps (None: all there is)."""

    layers: int
    edge: int
    threads: int
    most_bytes: int | None = None


@dataclass(frozen=True)
class Cost:
    """The median of the seconds of several runs, the spline included, and the most GiB that they took beyond the
    process at rest, the result included; None where that is too little to tell, or the system does not."""

    seconds: float
    gib: float | None


def cost_alone(case: Case, architecture: dict[str, Any], repeat: int) -> Cost:
    """Of a case for the network of ``architecture``, run ``repeat`` times; RequestError where it fails."""
    told = json.dumps({"case": asdict(case), "architecture": architecture, "repeat": repeat})
    child = subprocess.run(
        [sys.executable, "-m", __name__, told],
        # libraries count their threads when they are loaded
        env={**os.environ, "OMP_NUM_THREADS": str(case.threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        trouble = child.stderr.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise RequestError(
            f"a cube of {case.edge} voxels along each axis failed ({trouble[0]}): give a smaller --size"
        )
    return Cost(**json.loads(child.stdout))


def _measured(case: Case, architecture: dict[str, Any], repeat: int) -> Cost:
    network = build(architecture | {"layers": case.layers}).eval()
    precision = choose_precision("auto", CPU)

    def make(edge: int) -> None:
        low = np.random.default_rng(0).random((edge // 2,) * 3, np.float32)
        source = Channels([Interpolated(low, [spline_matrix(edge // 2, edge)] * 3)])
        result = np.empty(source.shape[1:], np.float32)
        run_network_into(result, network, source, device=CPU, precision=precision, most_bytes=case.most_bytes)

    # what is loaded and prepared once is not counted
    make(WARM_UP_EDGE)
    at_rest = process_memory()
    forget_peak()
    seconds = median(lambda: make(case.edge), CPU, repeat)
    taken = (peak_memory() or 0) - at_rest
    return Cost(seconds, taken / GIB if taken > 0 else None)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asdict(_measured(Case(**given.pop("case")), **given))))
