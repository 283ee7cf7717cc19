"""Memory that was freed, back to the system."""

from __future__ import annotations

import ctypes

__all__ = ["return_freed_memory"]


def return_freed_memory() -> None:
    """Let the C library give back what it keeps for later: hundreds of MB after learning, which encoding never needs.

    Nothing happens where it has no function for that (glibc has).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
