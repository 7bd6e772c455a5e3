"""The command line: one parser, one place where errors become exit codes.

0 done; 1 a bug; 2 the request or the input is wrong; 3 not enough memory; 130 and 143 cancelled.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .._version import __version__
from ..errors import Cancelled, OutOfMemory, RequestError
from ..runtime import cancellation
from .commands import COMMANDS


class Parser(argparse.ArgumentParser):
    """argparse, with our one-line form of an error."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; see {self.prog} --help", RequestError.exit_code))


def make_parser() -> Parser:
    parser = Parser(prog="mrisr", description="Super-resolution of brain MRI volumes. For research use only.")
    parser.add_argument("--version", action="version", version=f"mrisr {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``mrisr`` with ``arguments`` (default: the process's own); returns the exit code."""
    if arguments is None and sys.stderr is None:
        # what is printed to a standard error that is closed would go to the standard output
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    options = make_parser().parse_args(arguments)
    try:
        if arguments is None:
            # the process is ours, and so are its signals and its standard input
            cancellation.listen(getattr(options, "progress", None) == "json")
        options.run(options)
        # now, while a reader that has gone can still be noticed; there may be no standard output at all
        print(end="", flush=True)
    except (RequestError, OutOfMemory) as error:
        return _fail(str(error), error.exit_code)
    except Cancelled as error:
        code = _fail(str(error), error.exit_code)
        if arguments is None:
            # at once: libraries may still be computing, and at Python's own end a further signal changes the code
            os._exit(code)
        return code
    except MemoryError:
        message = "there is not enough memory: close other programs or ask for a smaller factor"
        return _fail(message, OutOfMemory.exit_code)
    except BrokenPipeError:
        # whoever read our output has gone; nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ImportError as error:
        return _fail(_about_package(error), RequestError.exit_code)
    except OSError as error:
        return _fail(f"the system refuses: {error}; check the path and the disk", RequestError.exit_code)
    return 0


def _about_package(error: ImportError) -> str:
    package, _, part = (error.name or "that is needed").partition(".")
    # a package that only lacks a part of its own is there
    if isinstance(error, ModuleNotFoundError) and not part:
        return f"the Python package {package} is not installed: install it first"
    return f"the Python package {package} cannot be loaded ({error}): install it again"


def _fail(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code
