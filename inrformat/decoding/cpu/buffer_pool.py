"""Memory of finished batches, used again for the next: fresh memory takes the system 70 us per image to provide."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["acquire"]

_KEPT, _LARGEST_BYTES = 2, 1 << 28
"""Free buffers that are kept, none larger."""
_free: list[NDArray[np.float32]] = []


def acquire(count: int) -> NDArray[np.float32]:
    """A buffer ``(count,)`` of any content; it is free again when nothing refers to it, no tensor and no view."""
    buffer: Any = None
    while buffer is None and _free:
        buffer = _pop(count)
    if buffer is None:
        # numpy asks for huge pages, torch does not: a few page faults instead of ten thousand.
        buffer = np.empty(count, np.float32)
    # Not a slice: views of a slice would hold the buffer, and not the array whose end is waited for.
    acquired = np.asarray(memoryview(buffer))
    weakref.finalize(acquired, _release, buffer).atexit = False
    return acquired


def _pop(count: int) -> Any:
    """A free buffer if it has that size, which is then no longer free; else None, and it is dropped."""
    try:
        buffer = _free.pop()
    except IndexError:  # another thread was faster
        return None
    return buffer if len(buffer) == count else None


def _release(buffer: NDArray[np.float32]) -> None:
    if len(_free) < _KEPT and buffer.nbytes <= _LARGEST_BYTES:
        _free.append(buffer)
