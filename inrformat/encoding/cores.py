"""How many cores this process may use."""

from __future__ import annotations

import os

__all__ = ["CORES_VARIABLE", "core_count"]

CORES_VARIABLE = "INRFORMAT_CORES"
"""Environment variable that says how many, where several processes share a machine."""


def core_count() -> int:
    """As the environment says, or as many as the system lets it run on."""
    stated = os.environ.get(CORES_VARIABLE, "")
    if stated.isdecimal() and int(stated):
        return int(stated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
