"""What stands in the header of every volume that we write: how it was made, and that it was computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._version import __version__

KEY = "MRISuperResolution"

NOTE = f"{KEY}.note"
"""The field that says it all in one short line, for formats that hold no more."""

SHA256_SHOWN = 8


def provenance(action: str, made: Mapping[str, Any]) -> dict[str, str]:
    """Header fields for a volume that ``action`` (a short phrase) made with the settings ``made``.

    Settings that are None are left out; the rest become ``MRISuperResolution.KEY``.
    """
    texts = {key: _text(value) for key, value in made.items() if value is not None}
    shown = {key: text for key, text in texts.items() if text and not key.startswith("acquisition")}
    short = [text[:SHA256_SHOWN] if key == "sha256" else text for key, text in shown.items()]
    return {
        NOTE: " ".join(["mrisr", __version__, "research-only", *short]),
        f"{KEY}.version": __version__,
        f"{KEY}.notice": f"{action}; for research use only, not for diagnosis.",
        **{f"{KEY}.{key}": text for key, text in texts.items()},
    }


def _text(value: Any) -> str:
    return "x".join(f"{x:.4g}" for x in value) if isinstance(value, list | tuple) else str(value)
