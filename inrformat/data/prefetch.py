"""Work ahead of the consumer: on a side stream of a CUDA device, in one thread on the CPU."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = ["Prefetcher"]

T = TypeVar("T")


class Prefetcher:
    """Makes results of one consumer ahead of time.

    On CUDA all of it, however often it is iterated, is queued on one stream, so that memory is reused from batch to
    batch and from epoch to epoch. The host runs no more than ``depth`` results ahead of the device: it waits for the
    consumer's work with an earlier one, whose memory can be reused only then. A device is not idle for that, as long as
    it has the work with ``depth`` results before it.
    """

    def __init__(self, *, depth: int, device: torch.device) -> None:
        """``depth``: results made before they are asked for; 0 for none."""
        self._depth, self._device = depth, device
        self._stream: torch.cuda.Stream | None = None
        self._backlog = _Backlog(depth)

    def results(self, jobs: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
        """The results of ``jobs`` in order.

        Closing the iterator, which ``break`` and exceptions do, ends the work: nothing runs and nothing is held
        afterwards. An error in a job is raised where its result would have come.
        """
        if self._depth <= 0:
            return (job() for job in jobs)
        return self._on_stream(jobs) if self._device.type == "cuda" else _in_thread(jobs, self._depth)

    def _on_stream(self, jobs: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)
        stream = self._stream
        stream.wait_stream(torch.cuda.current_stream(self._device))  # for what was copied to the device just now
        pending: deque[tuple[T, torch.cuda.Event]] = deque()
        try:
            for job in jobs:
                with torch.cuda.stream(stream):
                    pending.append((job(), stream.record_event()))
                if len(pending) > self._depth:
                    yield from self._handed_out(*pending.popleft())
            while pending:
                yield from self._handed_out(*pending.popleft())
        finally:
            pending.clear()

    def _handed_out(self, value: T, done: torch.cuda.Event) -> Iterator[T]:
        """``value``, made when ``done``, for use on the current stream."""
        current = torch.cuda.current_stream(self._device)
        current.wait_event(done)
        yield pytree.tree_map(partial(_kept_for, current), value)
        self._backlog.add(torch.cuda.current_stream(self._device))


def _kept_for(stream: torch.cuda.Stream, leaf: Any) -> Any:
    """``leaf``, whose memory is not reused before ``stream`` is done with it, though it was made on another."""
    if isinstance(leaf, Tensor) and leaf.is_cuda:
        leaf.record_stream(stream)
    return leaf


class _Backlog:
    """Work with results that were handed out: of the last ``depth``, it may be unfinished on the device."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._unfinished: deque[torch.cuda.Event] = deque()

    def add(self, stream: torch.cuda.Stream) -> None:
        """What was queued on ``stream`` so far was done with one more result; waits for earlier work."""
        # Blocking: whoever waits leaves the core to others.
        event = torch.cuda.Event(blocking=True)
        event.record(stream)
        self._unfinished.append(event)
        if len(self._unfinished) > self._depth:
            self._unfinished.popleft().synchronize()


def _in_thread(jobs: Iterable[Callable[[], T]], depth: int) -> Generator[T, None, None]:
    pending: deque[Future[T]] = deque()
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inrformat-prefetch")
    try:
        for job in jobs:
            pending.append(worker.submit(job))
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pending.clear()
        if not sys.is_finalizing():  # then Python has joined the thread already, and taken down what shutdown needs
            worker.shutdown(wait=True, cancel_futures=True)
