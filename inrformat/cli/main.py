"""``inrformat``: convert, info, stats, preview, validate, merge, split, subset, export, warmup.

Exit codes: 0 ok, 1 unexpected, 2 usage, 3 invalid file, 4 input or output, 5 unsupported version, 130 interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import inrformat
from inrformat.cli import convert, export, info, merge, preview, split, stats, subset, validate, warmup
from inrformat.errors import InrdError

__all__ = ["main"]

DEBUG_VARIABLE = "INRFORMAT_DEBUG"
"""Environment variable: show where an unexpected error came from."""
EXIT_OK, EXIT_UNEXPECTED, EXIT_USAGE, EXIT_INVALID, EXIT_IO, EXIT_VERSION, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="inrformat",
        description="Image data sets as one file of small neural networks.",
        epilog=__doc__.splitlines()[2],
    )
    parser.add_argument("--version", action="version", version=f"inrformat {inrformat.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (convert, info, stats, preview, validate, merge, split, subset, export, warmup):
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code: int = arguments.run(arguments)
    except InrdError as error:
        return _fail(error, str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone, as in `inrformat info FILE | head -1`
        sys.stderr.close()
        return EXIT_IO
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(error, f"{where}{error.strerror or error}", EXIT_IO)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        return _fail(error, f"unexpected error ({reason}); {DEBUG_VARIABLE}=1 shows where", EXIT_UNEXPECTED)
    except KeyboardInterrupt as error:
        kept = hasattr(error, "__notes__")
        return _fail(error, "interrupted" if kept else "interrupted; no output was left behind", EXIT_INTERRUPTED)
    return code


def run_and_leave() -> NoReturn:
    """The console script: `main`, then out of the process at once.

    After an interrupt threads may still be in compiled code, which the interpreter must not be taken down around; and
    taking it down with torch loaded needs 125 MB more than all the work before.
    """
    code = main()
    atexit._run_exitfuncs()  # temporary folders go
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader has gone, or it was closed
            stream.flush()
    os._exit(code)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # Unwinds like Ctrl-C, so that half-written files are removed.
    raise KeyboardInterrupt


def _fail(error: BaseException, text: str, code: int) -> int:
    print("; ".join([f"inrformat: {text}", *getattr(error, "__notes__", ())]), file=sys.stderr)
    return code


if __name__ == "__main__":
    run_and_leave()
