"""Memory of finished batches, used again for the next ones: fresh memory takes the system 70 us an image to provide."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["lend"]

_KEPT = 2
"""Free buffers that are kept; all are of the size asked for last."""
_free: list[NDArray[np.float32]] = []


def lend(count: int) -> NDArray[np.float32]:
    """A buffer ``(count,)`` of any content; it is free again as soon as nothing refers to the array returned."""
    buffer = None
    while buffer is None and _free:
        buffer = _taken(count)
    if buffer is None:
        # numpy asks for huge pages, torch does not: a few page faults instead of ten thousand.
        buffer = np.empty(count, np.float32)
    lent = buffer[:]
    weakref.finalize(lent, _give_back, buffer).atexit = False
    return lent


def _taken(count: int) -> Any:
    try:
        buffer = _free.pop()
    except IndexError:  # another thread was faster
        return None
    return buffer if len(buffer) == count else None


def _give_back(buffer: NDArray[np.float32]) -> None:
    if len(_free) < _KEPT:
        _free.append(buffer)
