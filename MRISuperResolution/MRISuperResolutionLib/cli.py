"""The command line: one parser, one place where errors become exit codes.

0 done; 1 a bug; 2 the request or the input is wrong; 3 not enough memory; 130 and 143 cancelled.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .commands import COMMANDS
from .errors import Cancelled, OutOfMemory, RequestError

CANCELLING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, a request to end, and the terminal's end."""


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
    options = make_parser().parse_args(arguments)
    if arguments is None:
        # the process is ours, and so are its signals and its standard input
        _listen_for_cancel(getattr(options, "progress", None) == "json")
    try:
        options.run(options)
        # now, while a reader that has gone can still be noticed; there may be no standard output at all
        print(end="", flush=True)
    except (RequestError, OutOfMemory) as error:
        return _fail(str(error), error.exit_code)
    except Cancelled as error:
        # Python gives signals their own meaning back as it ends: a further one would change the exit code
        for number in CANCELLING:
            signal.signal(number, signal.SIG_IGN)
        return _fail(str(error), error.exit_code)
    except MemoryError:
        message = "there is not enough memory: close other programs or ask for a smaller factor"
        return _fail(message, OutOfMemory.exit_code)
    except BrokenPipeError:
        # whoever read our output has gone; nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ModuleNotFoundError as error:
        return _fail(f"the Python package {error.name} is not installed: install it first", RequestError.exit_code)
    except OSError as error:
        return _fail(f"the system refuses: {error}; check the path and the disk", RequestError.exit_code)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _listen_for_cancel(follow_stdin: bool) -> None:
    """Ctrl-C and SIGTERM end the work with its clean-up, and so does the end of a pipe on standard input."""
    once = threading.Lock()

    def cancel(number: int, frame: object) -> None:
        # a second signal must not break into the clean-up after the first
        if once.acquire(blocking=False):
            raise Cancelled("cancelled: no file was left half-written", 128 + number)

    for number in CANCELLING:
        # nohup asks for SIGHUP to be ignored; a shell asks it for Ctrl-C of its background jobs, but `kill -INT`
        # is meant
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, cancel)
    if follow_stdin and sys.stdin is not None and _is_pipe(sys.stdin.fileno()):
        threading.Thread(target=_cancel_at_end_of_stdin, daemon=True).start()


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _cancel_at_end_of_stdin() -> None:
    import _thread

    while os.read(0, 4096):
        pass
    _thread.interrupt_main(signal.SIGTERM)
