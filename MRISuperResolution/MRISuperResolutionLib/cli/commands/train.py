"""train a network and export its weights with their card

The run's folder holds the log, the checkpoints and settings.yaml, which reproduces the run. Started again with
the same folder, training goes on where it stopped; a finished run is exported at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from ...errors import RequestError
from ...training.config.fields import NONE, kinds_of
from ...training.config.presets import FINETUNE
from ...training.config.run_config import Job
from ...training.config.train_config import Protocol

METAVARS = {int: "N", float: "X", Path: "PATH"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=Path, metavar="YAML", help="file of settings; options override it")
    parser.add_argument(
        "--write-settings", type=Path, metavar="YAML", help="write all settings to a file, and do nothing else"
    )
    parser.add_argument("--no-bar", action="store_true", help="no progress bar")
    add_options(parser.add_argument_group("the run"), Job)
    add_options(parser.add_argument_group("settings in place of the protocol's"), Protocol)


def add_options(group: Any, settings: type, names: Collection[str] | None = None) -> None:
    """An option for each field of ``settings`` (or those of ``names``); what is not given stays None."""
    hints = get_type_hints(settings)
    for entry in (entry for entry in fields(settings) if names is None or entry.name in names):
        kinds = kinds_of(hints[entry.name])
        how: dict[str, Any] = {"help": entry.metadata.get("explanation", "").replace("%", "%%"), "default": None}
        named = [NONE if kind is type(None) else kind for kind in kinds]
        if kinds == [bool]:
            how["action"] = argparse.BooleanOptionalAction
        elif entry.name == "architecture":
            how |= {"nargs": "+", "metavar": "KEY=N"}
        elif entry.metadata.get("read"):
            how |= {"nargs": "+", "metavar": "F" if "factors" in entry.name else "NAME"}
        elif all(isinstance(kind, str) for kind in named):
            how["choices"] = named
        else:
            how["metavar"] = METAVARS.get(kinds[0], "TEXT")
        group.add_argument(f"--{entry.name.replace('_', '-')}", **how)


def run(options: argparse.Namespace) -> None:
    from ...dataset.load import gather
    from ...io.atomic import write_whole
    from ...models.card import find_card
    from ...training.config.train_config import highest
    from ...training.config.yaml_file import make_job, make_protocol, overridden, read_settings, settings_text
    from ...training.curves import draw_curves
    from ...training.export import export
    from ...training.finetune import before_and_after, write_table
    from ...training.run import noted_commands, noted_start, train

    written = read_settings(options.settings) if options.settings else {}
    settings = overridden(written, given_settings(options, Job, Protocol))
    protocol, job = make_protocol(settings), make_job(settings)
    text = settings_text(job, protocol)
    if options.write_settings:
        write_whole(options.write_settings, text)
        return
    truths = gather(job.data, job.manifest, job.contrasts, job.validate, job.register, job.cache)
    factors = list(dict.fromkeys(highest(choice) for choice in job.validate_factors or protocol.factors))
    network = train(
        protocol, truths, job.folder, factors, _command(job, protocol), job.start, not options.no_bar, settings=text
    )
    if network is None:
        # another process exports
        return
    draw_curves(job.folder, job.folder / "curves.png")
    card = export(
        network.half() if job.storage == "float16" else network,
        job.name,
        job.summary,
        protocol,
        truths,
        factors,
        noted_commands(job.folder),
        job.export,
        noted_start(job.folder),
        job.folder,
    )
    print(f"{card.path}: {card.bytes / 1e6:.1f} MB, {card.licence}")
    for figure in card.figures:
        gain = figure["psnr_db"] - figure["spline_psnr_db"]
        case = f"{figure['subject']} {figure['contrast']} {figure['factors']}, {figure['references']} reference(s)"
        case += ", told nothing" if card.restoring and not figure["told"] else ""
        print(f"  {case}: {gain:+.2f} dB over spline")
    if job.protocol == FINETUNE and job.start:
        rows = before_and_after(find_card(job.start), card, truths, protocol, factors)
        print(write_table(rows, job.folder), end="")


def given_settings(options: argparse.Namespace, *kinds: type) -> dict[str, Any]:
    """What is given among the options of the settings of these ``kinds``."""
    names = [entry.name for settings in kinds for entry in fields(settings)]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if "architecture" in given:
        given["architecture"] = dict(_size(text) for text in given["architecture"])
    return given


def _size(text: str) -> tuple[str, int | bool | str]:
    """ "layers=20" -> ("layers", 20)."""
    key, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"cannot read {text!r}: write sizes as layers=20 filters=64")
    if value in ("true", "false"):
        return key, value == "true"
    return key, int(value) if value.isdecimal() else value


def _command(job: Job, protocol: Protocol) -> str:
    """The command line, for the card: where somebody keeps their data is left out."""
    import shlex
    import sys

    private = {job.data: "DATA", str(job.cache): "CACHE", str(protocol.vgg): "VGG"}
    return shlex.join(["mrisr", *(private.get(word, word) for word in sys.argv[1:])])
