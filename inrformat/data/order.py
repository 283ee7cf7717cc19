"""Which samples a batch holds: positions in an epoch's order, cut into batches and dealt out to ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch.distributed
from numpy.typing import NDArray

__all__ = ["OccurrenceCounter", "RankShard", "Span", "batch_count", "occurrences_of", "spans"]


@dataclass(frozen=True, slots=True)
class RankShard:
    """This process among those that train together: ``rank`` of ``world``.

    Attributes:
        even: every rank gets as many batches of as many samples, for which up to ``world - 1`` samples at the end of an
            epoch are left out (others in each epoch). Otherwise every sample is seen exactly once and ranks may differ.
    """

    rank: int = 0
    world: int = 1
    even: bool = False

    @classmethod
    def of_process(cls, *, even: bool) -> RankShard:
        """As torch.distributed has it; alone where it is not initialised."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size(), even)
        return cls(0, 1, even)


@dataclass(frozen=True, slots=True)
class Span:
    """One batch: positions ``start`` to ``stop`` of the order; ``after``: how many all ranks have seen behind it."""

    start: int
    stop: int
    after: int


def spans(count: int, batch_size: int, *, drop_last: bool, shard: RankShard, position: int = 0) -> Iterator[Span]:
    """The batches of one rank in an epoch of ``count`` samples, of which ``position`` have been seen already.

    All ranks together take the order from front to back, ``batch_size`` samples each, so that what has been seen is a
    prefix of it, whatever the number of ranks and the batch size.
    """
    rank, world = shard.rank, shard.world
    together = batch_size * world
    while count - position >= together:
        start = position + rank * batch_size
        position += together
        yield Span(start, start + batch_size, position)
    left = count - position
    if drop_last or left <= 0:
        return
    if shard.even:
        each = left // world
        first, last = rank * each, (rank + 1) * each
    else:
        first, last = left * rank // world, left * (rank + 1) // world
    if last > first:
        yield Span(position + first, position + last, count)


def occurrences_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of ``numbers (n,)`` stands before its place: int64 ``(n,)``."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    first = np.searchsorted(ordered, ordered)
    result = np.empty(len(numbers), np.int64)
    result[order] = np.arange(len(numbers)) - first
    return result


class OccurrenceCounter:
    """Counts how often a sampler has given each sample in an epoch.

    Ranks count for themselves and must not meet: copies of a sample that a sampler deals out to several ranks, as for
    repeated augmentation, are told apart by the rank.
    """

    def __init__(self, count: int, shard: RankShard) -> None:
        """``count``: samples there are. ``shard``: this rank."""
        self._seen = np.zeros(count, np.int64)
        self._shard = shard

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the next samples ``(n,)``; returns what tells each from its other occurrences, int64 ``(n,)``."""
        occurrences = self._seen[numbers] + occurrences_of(numbers)
        np.add.at(self._seen, numbers, 1)
        told: NDArray[np.int64] = occurrences * self._shard.world + self._shard.rank
        return told


def batch_count(count: int, batch_size: int, *, drop_last: bool, shard: RankShard) -> int:
    """How many batches `spans` gives for a whole epoch."""
    whole, left = divmod(count, batch_size * shard.world)
    tail = spans(left, batch_size, drop_last=drop_last, shard=shard)
    return whole + sum(1 for _ in tail)
