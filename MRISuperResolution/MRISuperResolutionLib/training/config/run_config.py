"""What a run is trained on, from and for: all of it that is not its protocol; needs neither numpy nor torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import RequestError
from .fields import read_fields, setting
from .presets import FINETUNE, PRESETS
from .train_config import FactorRange, factors_text, read_factors


def read_texts(given: Any) -> tuple[str, ...]:
    """One text or several; a number is one too."""
    texts = given if isinstance(given, list | tuple) else (given,)
    if not all(isinstance(text, str | int | float) for text in texts):
        raise RequestError(f"cannot read {given!r}: give a list of names")
    return tuple(str(text) for text in texts)


@dataclass(frozen=True)
class Job:
    """A run's data, names and folders. Paths are relative to the folder that the command is given in."""

    protocol: str = setting(
        explanation=f"the settings to begin with: {', '.join(PRESETS)}; or {FINETUNE}: those of the weights in START"
    )
    name: str = setting(explanation="of the weights")
    summary: str = setting(explanation="one line on what the weights are good for")
    data: str = setting(
        explanation="folder, glob, manifest (CSV, TSV) or BIDS tree; or the folder of MANIFEST's paths"
    )
    folder: Path = setting(explanation="of the run: log and checkpoints")
    export: Path = setting(explanation="folder that the weights and their card go to")
    manifest: Path | None = setting(None, explanation="CSV or TSV that lists the volumes (see training/manifest.py)")
    contrasts: tuple[str, ...] = setting((), explanation="to train on, where the data holds more", read=read_texts)
    validate: tuple[str, ...] = setting(
        (), explanation="subjects to validate on, or a share of them, as 0.2", read=read_texts
    )
    register: bool = setting(False, explanation="align the contrasts of a subject first")
    cache: Path | None = setting(None, explanation="folder that keeps what was read and aligned, for the next run")
    start: str | None = setting(
        None,
        explanation="begin with shipped weights or a .safetensors file; a deeper network or one with more inputs "
        "is fine",
    )
    storage: Literal["float32", "float16"] = setting(
        "float32", explanation="of the weights in their file; float16 takes half the room and rounds them"
    )
    validate_factors: tuple[FactorRange, ...] = setting(
        (),
        explanation="of networks on the target grid, for log and card (default: the largest of FACTORS)",
        read=read_factors,
        write=lambda choices: [factors_text(choice) for choice in choices],
    )

    def __post_init__(self) -> None:
        read_fields(self)
