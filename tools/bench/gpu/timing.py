"""Time on the device and on the host."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["host_seconds", "seconds", "synchronize"]


def synchronize(device: torch.device) -> None:
    """Wait for what the device has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(call: Callable[[], Any], device: torch.device, *, passes: int) -> float:
    """Median time of a call, on a GPU by its own clock, with what the host needs where that is more."""
    call()
    taken = []
    for _ in range(passes):
        if device.type != "cuda":
            taken.append(_elapsed(call))
            continue
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize(device)
        taken.append(begin.elapsed_time(end) / 1000)
    return statistics.median(taken)


def host_seconds(call: Callable[[], Any], device: torch.device, *, passes: int) -> float:
    """Median time until a call returns, whatever the device has yet to do."""
    call()
    taken = []
    for _ in range(passes):
        synchronize(device)
        taken.append(_elapsed(call))
    synchronize(device)
    return statistics.median(taken)


def _elapsed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
