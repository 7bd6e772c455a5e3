"""A run in one YAML file: every setting of its job and its protocol, by name.

What such a file says can be overridden; one that was written for a run says all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ...errors import RequestError
from .fields import NONE, plain_value
from .presets import FINETUNE, preset
from .run_config import Job
from .train_config import Protocol, resized

JOB = {entry.name: entry for entry in fields(Job)}
PROTOCOL = {entry.name: entry for entry in fields(Protocol)}


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, as plain data; RequestError for what is no such file or no setting."""
    import yaml

    if not path.is_file():
        raise RequestError(f"there is no settings file {path}: check the path")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read the settings file {path}: write it as YAML ({error})") from error
    if not isinstance(found, dict):
        raise RequestError(f"the settings file {path} holds no settings: write lines such as protocol: recnn")
    unknown = [str(key) for key in found if key not in JOB and key not in PROTOCOL]
    if unknown:
        raise RequestError(f"the settings file {path} has unknown setting(s) {', '.join(unknown)}: leave them out")
    return {key: NONE if value is None else value for key, value in found.items()}


def overridden(settings: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` with those of ``by`` in their place; the architecture's sizes one by one."""
    both = {**settings, **by}
    if "architecture" in settings and "architecture" in by:
        both["architecture"] = resized(settings["architecture"], by["architecture"])
    return both


def make_job(settings: Mapping[str, Any]) -> Job:
    """The job in ``settings``; RequestError for what it lacks."""
    lacking = [name for name, entry in JOB.items() if entry.default is MISSING and name not in settings]
    if lacking:
        options = ", ".join(f"--{name}" for name in lacking)
        raise RequestError(f"the run is not complete: give {options}, or write them to the settings file")
    return Job(**{name: value for name, value in settings.items() if name in JOB})


def make_protocol(settings: Mapping[str, Any]) -> Protocol:
    """The protocol in ``settings``: the preset that they name, and their own in its place."""
    if "protocol" not in settings:
        raise RequestError("no protocol is named: give --protocol, or write it to the settings file")
    own = {name: value for name, value in settings.items() if name in PROTOCOL}
    if settings["protocol"] == FINETUNE:
        from ..finetune import finetuning

        return finetuning(settings.get("start"), **own)
    return preset(settings["protocol"], **own)


def settings_text(job: Job, protocol: Protocol) -> str:
    """YAML of all settings, which ``read_settings`` reads."""
    import yaml

    settings = {entry.name: plain_value(part, entry) for part in (job, protocol) for entry in fields(part)}
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=10_000)
