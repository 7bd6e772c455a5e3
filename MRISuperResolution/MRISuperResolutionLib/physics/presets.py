"""Acquisitions by name, by file and by the words of the papers, and an acquisition in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..image.grid import Grid, Triple
from .acquisition import Acquisition, Encodings
from .artefacts import Artefacts
from .encoding import Encoding, Gaussian, KSpace, SliceProfile

THREE_D, MULTISLICE, GAUSSIAN = "3d", "2d-multislice", "gaussian"

PRESETS = (THREE_D, MULTISLICE, GAUSSIAN)
"""3D: k-space ends at the voxels; 2D multislice: a profile as wide as the slices across them, k-space that ends in
their plane; the papers' Gaussian of one fine voxel."""

ENCODINGS: dict[str, type[Encoding]] = {kind.__name__: kind for kind in (KSpace, SliceProfile, Gaussian)}


def acquisition_named(name: str, factors: Triple, grid: Grid) -> Acquisition:
    """The acquisition of one of ``PRESETS``, or of a JSON file (see ``write_acquisition``), for a scan on ``grid`` of
    which a volume ``factors`` times as fine is sought; without noise unless the file states it.

    Raises RequestError for another name and for a file that describes no acquisition.
    """
    if name == THREE_D:
        return Acquisition.three_d(factors)
    if name == MULTISLICE:
        return Acquisition.multislice(factors, slice_axis(grid))
    if name == GAUSSIAN:
        return Acquisition.gaussian(factors)
    return read_acquisition(Path(name)).with_factors(factors)


def slice_axis(grid: Grid) -> int:
    """The axis across the slices of a 2D scan on ``grid``: that of the largest spacing, the last in doubt."""
    return max(range(3), key=lambda axis: (round(grid.spacing[axis], 3), axis))


def write_acquisition(acquisition: Acquisition, path: Path) -> None:
    """Write what ``read_acquisition`` reads; factors are left out, since a scan has none of its own."""
    path.write_text(acquisition_text(acquisition), encoding="utf-8")


def acquisition_text(acquisition: Acquisition) -> str:
    """The JSON of a file that ``read_acquisition`` reads."""
    facts = acquisition.describe()
    del facts["factors"]
    return json.dumps(facts, indent=2) + "\n"


def read_acquisition(path: Path) -> Acquisition:
    """The acquisition that a JSON file describes; its factors are 1.

    {"axes": [{"kind": "KSpace", "extent": 0.9}, {"kind": "KSpace"}, {"kind": "SliceProfile", "fwhm": 1.1}],
    "noise_level": 0.01}: encodings along i, j, k; what is left out is usual. Raises RequestError where it is wrong.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"{path} is neither an acquisition ({', '.join(PRESETS)}) nor a file that can be read: give one of them"
        ) from error
    except ValueError as error:
        raise RequestError(
            f"{path} is no JSON file: see the documentation for what describes a scan ({error})"
        ) from error
    try:
        return _from_facts(facts)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RequestError(f"{path} describes no acquisition: check its entries ({error})") from error


def _from_facts(facts: Mapping[str, Any]) -> Acquisition:
    known = {field.name for field in fields(Acquisition)} - {"factors"}
    if unknown := set(facts) - known:
        raise RequestError(f"an acquisition has no {', '.join(sorted(unknown))}: leave it out")
    i, j, k = (_encoding(axis) for axis in facts.get("axes", [{"kind": "KSpace"}] * 3))
    further = {key: value for key, value in facts.items() if key not in ("axes", "artefacts")}
    if further.get("noise_level"):
        further.setdefault("noise", "rician")
    artefacts = Artefacts(**facts.get("artefacts", {}))
    return Acquisition((1.0, 1.0, 1.0), (i, j, k), artefacts=artefacts, **further)


def _encoding(facts: Mapping[str, Any]) -> Encoding:
    settings = dict(facts)
    kind = settings.pop("kind")
    if kind not in ENCODINGS:
        raise RequestError(f"unknown encoding {kind!r}: choose one of {', '.join(ENCODINGS)}")
    return ENCODINGS[kind](**settings)


def acquisition_of_blur(
    blur: str,
    factors: Triple,
    sigma: float = 1.0,
    radius: int | None = None,
    kept: Triple = (1.0, 1.0, 1.0),
    **further: Any,
) -> Acquisition:
    """What earlier options called a blur: "fixed" (Gaussian of ``sigma`` fine voxels), "thickness" (profiles as wide
    as the scan's voxels), "none" (samples alone); ``kept``: share of the fine k-space line."""
    if blur == "thickness" and kept == (1.0, 1.0, 1.0) and further.get("sampling", "cells") == "cells":
        return Acquisition(factors, (SliceProfile(),) * 3, **further)
    if blur == "thickness":
        raise RequestError(
            "a blur as wide as the voxels goes with neither a share of k-space nor corners: leave it out"
        )
    if blur not in ("fixed", "none"):
        raise RequestError(f"unknown blur {blur!r}: choose one of fixed, thickness, none")
    if blur == "fixed" and not sigma > 0:
        raise RequestError(f"the blur sigma is {sigma:g}: give fine voxels, more than 0, or no blur")
    return Acquisition.gaussian(factors, 0.0 if blur == "none" else sigma, radius, kept, **further)


def without_zero_fill(acquisition: Acquisition) -> Acquisition:
    """The same scan once it was cropped to what was acquired: every k-space line reaches to its end."""
    return replace(acquisition, axes=_each(acquisition, lambda axis: replace(axis, extent=1.0)))


def _each(acquisition: Acquisition, change: Any) -> Encodings:
    i, j, k = (change(axis) if isinstance(axis, KSpace) else axis for axis in acquisition.axes)
    return i, j, k


def provenance_fields(acquisition: Acquisition) -> dict[str, Any]:
    """How a scan was acquired, for the header of what was made of it."""
    return {"acquisition": in_words(acquisition), "noise_level": f"{acquisition.noise_level:.3g}"}


def in_words(acquisition: Acquisition) -> str:
    """The axes of an acquisition in words, those alike together: "i, j: k-space ends; k: slice profile, ..."."""
    spoken: dict[str, list[str]] = {}
    for name, axis, factor in zip("ijk", acquisition.axes, acquisition.factors, strict=True):
        if axis.acts(factor):
            spoken.setdefault(encoding_in_words(axis), []).append(name)
    if not spoken:
        return "nothing to undo"
    text = "; ".join(words if len(names) == 3 else f"{', '.join(names)}: {words}" for words, names in spoken.items())
    return text + (", elliptic" if acquisition.ellipse else "")


def encoding_in_words(axis: Encoding) -> str:
    """One axis' encoding, as "k-space ends at the voxel" or "slice profile, 1.1 voxels wide"."""
    if isinstance(axis, Gaussian):
        parts = [f"Gaussian blur, sigma {axis.sigma:.3g} fine voxels" if axis.sigma else "samples without a blur"]
        parts += [f"radius {axis.radius}"] * (axis.radius is not None) + [f"k-space {axis.kept:g}"] * (axis.kept < 1)
        return ", ".join(parts)
    if isinstance(axis, SliceProfile):
        shape = "" if axis.shape == "gaussian" else f"{axis.shape} "
        return f"{shape}slice profile, {axis.width:.3g} voxels wide"
    end = "k-space ends at the voxel" if axis.extent == 1 else f"k-space ends at {axis.extent:.2g} of the voxel's"
    parts = [f"{axis.window.capitalize()} window"] * (axis.window != "none")
    parts += [f"decay {axis.decay:.2g}"] * (axis.decay > 0) + [f"partial Fourier {axis.partial:.2g}"] * (
        axis.partial < 1
    )
    return ", ".join([end, *parts])
