"""The first use of compiled code: it is loaded, or compiled by one process while the others wait, and said aloud.

numba keeps what it compiled in a folder and looks there first, but processes that start together find nothing and
compile the same code all at once. Here the first of them holds a lock beside that folder's files, and the others load
what it made. A lock goes with the process that holds it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from numba.core import event

from inrformat.coding.rans_numba import decode_stream

__all__ = ["CACHE_FOLDER", "load_or_compile"]

_LOG = logging.getLogger(__name__)
_COMPILATION = "numba:compile"
_SILENT_S = 1.0
CACHE_FOLDER: Path | None = Path(decode_stream.stats.cache_path) if decode_stream.stats.cache_path else None  # type: ignore[attr-defined]
"""Where compiled code of the coder is kept, and the lock; None on a machine that keeps none."""

_first_uses = threading.RLock()
if hasattr(os, "register_at_fork"):  # not on Windows
    # A child that is forked in the middle of a compilation would wait for ever for numba's own lock.
    os.register_at_fork(
        before=_first_uses.acquire, after_in_parent=_first_uses.release, after_in_child=_first_uses.release
    )


def load_or_compile(use: Callable[[], None], *, silent: bool = False) -> bool:
    """Call ``use``, which calls compiled functions for the first time and may be called twice.

    Unless it is ``silent``, a line is logged when compiling takes more than a second.

    Returns:
        Whether something had to be compiled, here or by a process that was waited for.
    """
    with _first_uses:
        try:
            with _nothing_compiled():
                use()
        except _NotKeptError:
            with nullcontext() if silent else _said(), _one_process():
                use()
            return True
        return False


class _NotKeptError(Exception):
    """A function would have to be compiled."""


class _Refusal(event.Listener):
    """Stops compilations of one thread before they begin."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def on_start(self, _event: Any) -> None:
        if threading.get_ident() == self._thread:
            raise _NotKeptError

    def on_end(self, _event: Any) -> None:
        """Nothing ends that did not begin."""


@contextmanager
def _nothing_compiled() -> Iterator[None]:
    """Let code be loaded, but not compiled: then `_NotKeptError` is raised."""
    with event.install_listener(_COMPILATION, _Refusal()):
        yield


@contextmanager
def _said() -> Iterator[None]:
    """Say what takes so long, once it has taken a second."""
    text = (
        "compiling the CPU decoder: about 15 s, once on this kind of processor; `inrformat warmup` does it in advance"
    )
    timer = threading.Timer(_SILENT_S, _LOG.warning, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _one_process() -> Iterator[None]:
    """Hold the lock beside the compiled code; without one where nothing can be written, or on Windows."""
    if sys.platform == "win32" or CACHE_FOLDER is None:
        yield
        return
    import fcntl

    try:
        CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
        lock = (CACHE_FOLDER / "inrformat-compiling.lock").open("ab")
    except OSError as error:
        _LOG.info("compiling without a lock: %s", error)
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Children forked meanwhile have the file open as well: closing it here would not let go of it.
            fcntl.flock(lock, fcntl.LOCK_UN)
