"""The samples of an epoch's batches on this rank: in order, shuffled, or as a sampler gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.data.order import OccurrenceCounter, RankShard, batch_count, occurrences_of, spans
from inrformat.data.randomness import permutation
from inrformat.errors import UsageError

__all__ = ["EpochOrder", "Job", "check_order"]

_DRAWN_TOGETHER = 64
"""Samples whose random parameters are drawn at once: on few numbers, calling functions takes the time."""


class Job(NamedTuple):
    """Samples of a batch, how often each has come before, and how much of the epoch has been seen behind it."""

    samples: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    after: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EpochOrder:
    """A loader's order.

    Attributes:
        count: samples of the data set. samples: int64 ``(n,)``, those of an epoch. repeats: whether some stand there
            more than once.
        batch_size, shuffle, drop_last, even, seed, sampler, batch_sampler: as `InrdLoader` takes them.
        device: on which a random order is drawn.
    """

    count: int
    samples: NDArray[np.int64]
    repeats: bool
    batch_size: int
    shuffle: bool
    drop_last: bool
    even: bool
    seed: int
    device: torch.device
    sampler: Iterable[int] | None
    batch_sampler: Iterable[Sequence[int]] | None

    @classmethod
    def of(cls, count: int, indices: Sequence[int] | None, **settings: Any) -> EpochOrder:
        """Of a data set of ``count`` samples, or of those at ``indices``. Raises: IndexError, there are no such."""
        if indices is None:
            return cls(count=count, samples=np.arange(count), repeats=False, **settings)
        samples = _checked_indices(indices, count)
        return cls(count=count, samples=samples, repeats=bool((np.bincount(samples) > 1).any()), **settings)

    @property
    def given(self) -> bool:
        """Whether a sampler decides."""
        return self.sampler is not None or self.batch_sampler is not None

    def __len__(self) -> int:
        """Batches in a whole epoch on this rank."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        if self.sampler is not None:
            count, shard = len(self.sampler), RankShard()  # type: ignore[arg-type]
        else:
            count, shard = len(self.samples), RankShard.of_process(even=self.even)
        return batch_count(count, self.batch_size, drop_last=self.drop_last, shard=shard)

    def together(self, epoch: int, position: int) -> Iterator[list[Job]]:
        """Batches whose parameters are drawn at once: one, or several small ones. A sampler is not asked ahead."""
        together: list[Job] = []
        for job in self._jobs(epoch, position):
            together.append(job)
            if self.given or sum(len(job.samples) for job in together) >= _DRAWN_TOGETHER:
                yield together
                together = []
        if together:
            yield together

    def _jobs(self, epoch: int, position: int) -> Iterator[Job]:
        """Samples of each batch of this rank from ``position`` on."""
        if self.batch_sampler is not None:
            _tell_epoch(self.batch_sampler, epoch)
            given = ((self._numbers(batch), number) for number, batch in enumerate(self.batch_sampler, start=1))
            yield from self._counted(given, position)
        elif self.sampler is not None:
            _tell_epoch(self.sampler, epoch)
            yield from self._counted(self._drawn(position), position)
        else:
            order = self._numbers_of(epoch)
            occurrences = occurrences_of(order) if self.repeats else np.zeros_like(order)
            shard = RankShard.of_process(even=self.even)
            for span in spans(len(order), self.batch_size, drop_last=self.drop_last, shard=shard, position=position):
                batch = slice(span.start, span.stop)
                yield Job(order[batch], occurrences[batch], span.after)

    def _drawn(self, position: int) -> Iterator[tuple[NDArray[np.int64], int]]:
        """What the sampler gives: first the ``position`` samples seen already, then batches; and where each ends."""
        numbers = iter(self.sampler or ())
        if position:
            yield self._numbers(islice(numbers, position)), position
        while chosen := list(islice(numbers, self.batch_size)):
            if len(chosen) == self.batch_size or not self.drop_last:
                position += len(chosen)
                yield self._numbers(chosen), position

    def _counted(self, given: Iterable[tuple[NDArray[np.int64], int]], position: int) -> Iterator[Job]:
        """Batches that end behind ``position``, their samples counted with those before."""
        counter = OccurrenceCounter(self.count, RankShard.of_process(even=False))
        for samples, after in given:
            occurrences = counter.take(samples)
            if after > position:
                yield Job(samples, occurrences, after)

    def _numbers_of(self, epoch: int) -> NDArray[np.int64]:
        if not self.shuffle:
            return self.samples
        order = permutation(len(self.samples), seed=self.seed, epoch=epoch, device=self.device)
        shuffled: NDArray[np.int64] = self.samples[order.cpu().numpy()]
        return shuffled

    def _numbers(self, chosen: Iterable[int]) -> NDArray[np.int64]:
        return _checked_indices(list(chosen), self.count)


def check_order(batch_size: int, sampler: Any, batch_sampler: Any, *, ordered: bool, drop_last: bool) -> None:
    """Refuse arguments of a loader that contradict each other.

    Raises:
        UsageError: they do.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size {batch_size}: expected at least 1")
    if (sampler is not None or batch_sampler is not None) and ordered:
        raise UsageError("a sampler decides about the order: leave shuffle and indices out")
    if batch_sampler is not None and (sampler is not None or batch_size != 1 or drop_last):
        raise UsageError("a batch_sampler decides about batches: leave batch_size, sampler and drop_last out")


def _checked_indices(indices: Sequence[int], count: int) -> NDArray[np.int64]:
    numbers = np.asarray(indices, np.int64).reshape(-1)
    if len(numbers) and not (numbers.min() >= -count and numbers.max() < count):
        raise IndexError(f"samples {numbers.min()} to {numbers.max()} of a data set of {count}")
    checked: NDArray[np.int64] = numbers % max(count, 1)
    return checked


def _tell_epoch(sampler: Any, epoch: int) -> None:
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)
