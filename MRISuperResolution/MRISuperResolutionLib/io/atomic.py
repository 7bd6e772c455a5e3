"""A file that appears whole or not at all: written beside its place, then renamed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import RequestError
from ..runtime.cancellation import half_written


def write_whole(path: Path, content: bytes | str) -> None:
    """Write ``content`` to ``path``; text as UTF-8. Folders that lack are made.

    Whatever ends the writing, be it the machine, ``path`` holds all of the new content or what it held before.
    Raises RequestError where the system refuses, such as for a full disk.
    """
    part = path.with_name(f".{path.name}.part")
    half_written.add(part)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            # a rename must not reach the disk before what it names
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        before = ", which is as it was" if path.exists() else ""
        raise RequestError(
            f"cannot write {path}{before} ({error.strerror}): make room or choose another folder"
        ) from error
    finally:
        # on a read-only file system even the removal of nothing is an error; the first one is to be told
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        half_written.discard(part)
