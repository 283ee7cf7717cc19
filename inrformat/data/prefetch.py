"""Work ahead of the consumer: on a side stream of a CUDA device, in one thread on the CPU."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = ["prefetched"]

T = TypeVar("T")


def prefetched(jobs: Iterable[Callable[[], T]], *, depth: int, device: torch.device) -> Generator[T, None, None]:
    """The results of ``jobs`` in order, up to ``depth`` of them made ahead of time.

    Closing the iterator, which ``break`` and exceptions do, ends the work: nothing runs and nothing is held afterwards.
    An error in a job is raised where its result would have come.
    """
    if depth <= 0:
        return (job() for job in jobs)
    return _on_stream(jobs, depth, device) if device.type == "cuda" else _in_thread(jobs, depth)


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


def _on_stream(jobs: Iterable[Callable[[], T]], depth: int, device: torch.device) -> Generator[T, None, None]:
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))  # for what was copied to the device just now
    pending: deque[tuple[T, torch.cuda.Event]] = deque()
    try:
        for job in jobs:
            with torch.cuda.stream(stream):
                pending.append((job(), stream.record_event()))
            if len(pending) > depth:
                yield _received(*pending.popleft(), device)
        while pending:
            yield _received(*pending.popleft(), device)
    finally:
        pending.clear()


def _received(value: T, done: torch.cuda.Event, device: torch.device) -> T:
    """``value`` for use on the current stream: ordered behind the event, its memory kept until that stream is done."""
    current = torch.cuda.current_stream(device)
    current.wait_event(done)

    def keep(leaf: Any) -> Any:
        if isinstance(leaf, Tensor) and leaf.is_cuda:
            leaf.record_stream(current)
        return leaf

    return pytree.tree_map(keep, value)  # type: ignore[no-any-return]
