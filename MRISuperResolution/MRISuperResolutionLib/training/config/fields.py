"""Settings that are named, explained and checked in one place: the fields of a dataclass.

The command line and the settings file know no more of them than what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ...errors import RequestError

NONE = "none"
"""What stands for no value at all on the command line."""

TRUTH_VALUES = {"true": True, "false": False}

DESCRIPTIONS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def setting(
    default: Any = MISSING,
    *,
    explanation: str,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    read: Callable[[Any], Any] | None = None,
    write: Callable[[Any], Any] | None = None,
) -> Any:
    """A dataclass field with the words that explain it and the bounds of its value.

    ``read`` makes the value from text or plain data where the field's type does not say how, ``write`` plain
    data from the value.
    """
    facts = {"explanation": explanation, "least": least, "above": above, "most": most, "read": read, "write": write}
    return field(default=default, metadata=facts)


def read_fields(settings: Any) -> None:
    """Bring every field of the dataclass ``settings`` to its type: its ``__post_init__`` calls this.

    Values may be text, as from the command line, or plain data, as from YAML. Raises RequestError, with the
    name of the field, for one of another kind or out of its bounds.
    """
    hints = get_type_hints(type(settings))
    for entry in fields(settings):
        given = getattr(settings, entry.name)
        read = entry.metadata.get("read")
        value = read(given) if read else _read(entry.name, kinds_of(hints[entry.name]), given)
        _check_bounds(entry.name, value, entry.metadata)
        # the dataclass may be frozen
        object.__setattr__(settings, entry.name, value)


def plain_value(settings: Any, entry: Field[Any]) -> Any:
    """The value of one field of ``settings`` as plain data that ``read_fields`` reads."""
    value = getattr(settings, entry.name)
    write = entry.metadata.get("write")
    if write:
        return write(value)
    if isinstance(value, tuple):
        return list(value)
    return NONE if value is None else str(value) if isinstance(value, Path) else value


def kinds_of(hint: Any) -> list[Any]:
    """What a type annotation allows, one by one: the values of a Literal, the members of a union."""
    members = get_args(hint)
    if get_origin(hint) is Literal:
        return list(members)
    if get_origin(hint) in (Union, UnionType):
        return [kind for member in members for kind in kinds_of(member)]
    return [hint]


def _read(name: str, kinds: list[Any], given: Any) -> Any:
    if NoneType in kinds and given in (None, NONE):
        return None
    for kind in kinds:
        try:
            return _as_kind(kind, given)
        except (TypeError, ValueError, OverflowError):
            continue
    wanted = " or ".join(DESCRIPTIONS.get(kind, NONE if kind is NoneType else str(kind)) for kind in kinds)
    raise RequestError(f"the setting {name} is {given!r}: give {wanted}")


def _as_kind(kind: Any, given: Any) -> Any:
    """``given`` as ``kind``, a type or the one value that is allowed; ValueError where it is something else."""
    value: Any
    if kind is bool:
        value = TRUTH_VALUES.get(str(given).lower())
    elif kind in (int, float) and not isinstance(given, bool):
        # YAML takes 1e-4 for a text
        value = kind(given)
        if not math.isfinite(value) or (not isinstance(given, str) and value != given):
            value = None
    elif kind is Path and isinstance(given, str):
        value = Path(given)
    else:
        value = given if given == kind or (isinstance(kind, type) and isinstance(given, kind)) else None
    if value is None:
        raise ValueError(given)
    return value


def _check_bounds(name: str, value: Any, facts: Mapping[str, Any]) -> None:
    least, above, most = (facts.get(bound) for bound in ("least", "above", "most"))
    if value is None:
        return
    held = [least is None or value >= least, above is None or value > above, most is None or value <= most]
    if not all(held):
        words = (("at least", least), ("more than", above), ("at most", most))
        wanted = " and ".join(f"{word} {bound:g}" for word, bound in words if bound is not None)
        raise RequestError(f"the setting {name} is {value:g}: give {wanted}")
