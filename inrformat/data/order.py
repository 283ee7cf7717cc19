"""Which samples a batch holds: positions in an epoch's order, cut into batches and dealt out to ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch.distributed

__all__ = ["RankShard", "Span", "batch_count", "spans"]


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


def batch_count(count: int, batch_size: int, *, drop_last: bool, shard: RankShard) -> int:
    """How many batches `spans` gives for a whole epoch."""
    whole, left = divmod(count, batch_size * shard.world)
    tail = spans(left, batch_size, drop_last=drop_last, shard=shard)
    return whole + sum(1 for _ in tail)
