"""Scratch of the decoder: one piece of memory a device, which all files share and each batch borrows.

A batch on another stream than the one before waits, on the device, until that is done with the memory: streams take
turns, which costs nothing where each fills the device. The memory is as large as the largest batch so far needed.

A batch that is captured into a CUDA graph gets memory of its own, out of the graph's memory pool. torch keeps that as
long as the graph, so that replays never write where others do, whatever becomes of the shared memory meanwhile.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena, measuring_arena

__all__ = ["ScratchPool", "ScratchUser", "capturing", "pool_of"]


class ScratchUser(Protocol):
    """What borrows scratch. It is told apart from others by identity, and not kept alive."""

    def allocate(self, batch: int, arena: Arena) -> Any:
        """Tensors for ``batch`` records, cut from ``arena``; those for fewer records may use them as well."""


class ScratchPool:
    """The scratch of one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._memory = torch.empty(0, dtype=torch.uint8, device=device)
        self._cut: weakref.WeakKeyDictionary[ScratchUser, tuple[int, Any]] = weakref.WeakKeyDictionary()
        self._turns = _Turns() if device.type == "cuda" else None
        self._lock = threading.RLock()

    @property
    def size_bytes(self) -> int:
        """Of the shared memory."""
        return len(self._memory)

    @contextmanager
    def lent(self, user: ScratchUser, batch: int) -> Iterator[Any]:
        """What ``user`` allocates for ``batch`` records or more: for kernels that are queued inside, by one thread."""
        with self._lock:
            if capturing(self._device):
                yield self._own(user, batch)
            elif self._turns is None:
                yield self._shared(user, batch)
            else:
                stream = torch.cuda.current_stream(self._device)
                scratch = self._shared(user, batch)
                self._turns.begin(stream, self._memory)
                try:
                    yield scratch
                finally:
                    self._turns.end(stream)

    def _own(self, user: ScratchUser, batch: int) -> Any:
        return user.allocate(batch, Arena(self._bytes(_needed_bytes(user, batch))))

    def _shared(self, user: ScratchUser, batch: int) -> Any:
        held, scratch = self._cut.get(user, (0, None))
        if held < batch:
            needed = _needed_bytes(user, batch)
            if needed > len(self._memory):
                # What others cut from the old memory goes with it, else it would stay beside the new.
                self._cut.clear()
                self._memory = self._bytes(0)
                self._memory = self._bytes(needed)
            scratch = user.allocate(batch, Arena(self._memory))
            self._cut[user] = (batch, scratch)
        return scratch

    def _bytes(self, count: int) -> Tensor:
        return torch.empty(count, dtype=torch.uint8, device=self._device)


class _Turns:
    """Order between streams that use one memory after the other."""

    def __init__(self) -> None:
        self._last: torch.cuda.Stream | None = None
        self._done = torch.cuda.Event()

    def begin(self, stream: torch.cuda.Stream, memory: Tensor) -> None:
        """What is queued on ``stream`` from here on waits for the turn before."""
        if self._last is not None and self._last != stream:
            stream.wait_event(self._done)
        # The allocator must know of every stream, as it gives freed memory back to the one it was made on.
        memory.record_stream(stream)

    def end(self, stream: torch.cuda.Stream) -> None:
        """What was queued on ``stream`` up to here was the turn."""
        self._done.record(stream)
        self._last = stream


def _needed_bytes(user: ScratchUser, batch: int) -> int:
    arena = measuring_arena()
    user.allocate(batch, arena)
    return arena.used_bytes


def capturing(device: torch.device) -> bool:
    """Whether what is queued on ``device`` now becomes part of a CUDA graph."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


_pools: weakref.WeakValueDictionary[torch.device, ScratchPool] = weakref.WeakValueDictionary()
_pools_lock = threading.Lock()


def pool_of(device: torch.device) -> ScratchPool:
    """The one pool of ``device``, which lives as long as somebody holds it."""
    with _pools_lock:
        pool = _pools.get(device)
        if pool is None:
            pool = _pools[device] = ScratchPool(device)
        return pool
