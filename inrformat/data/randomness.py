"""Random numbers that are a function of (seed, epoch, sample, occurrence, view, draw) and of nothing else.

The generator is Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
counter words (sample; occurrence, purpose and high bits of the sample; view and epoch; block of draws), key the seed.
A sample therefore gets the same numbers in any batch, on any rank and device and after a resume, and can be replayed
alone; a sample that comes more than once in an epoch gets others each time, and each of its views others. All
arithmetic is on integers below 2**64 kept in int64, which every device does alike.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "EPOCHS",
    "MAX_OCCURRENCES",
    "CounterGenerator",
    "Purpose",
    "batch_transform_seeds",
    "permutation",
    "philox",
    "philox_rounds",
]

_LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORDS_PER_BLOCK = 4
_FEW = 1 << 14
_FIELD_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 22}
"""Numbers of a field that are drawn together: each takes 80 bytes meanwhile."""
_IN_CACHE = 1 << 13
"""Samples of an order whose numbers a processor draws at a time: twenty times as fast as a million at once."""
MAX_OCCURRENCES = 1 << 12
"""Draws of one sample in an epoch that are told apart."""
EPOCHS = 1 << 24
"""Epochs that are told apart, for each of 256 views."""
_DRAWN_AHEAD = 32
"""Words drawn at a time: one pass of the generator then serves a whole pipeline."""


class Purpose(IntEnum):
    """What numbers are drawn for: streams that never meet."""

    GEOMETRY = 0
    ORDER = 1
    BATCH_TRANSFORMS = 2
    FIELD = 3


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Ten rounds of Philox-4x32.

    Args:
        counter: four int64 tensors of one shape, or that broadcast, values 0..2**32 - 1. key: two such numbers.

    Returns:
        Four int64 tensors, values 0..2**32 - 1.
    """
    if counter[0].device.type == "cpu" and max(word.numel() for word in counter) < _FEW:
        # A quarter of torch's time on a few numbers, where what takes time is to call a function.
        words = philox_rounds(tuple(word.numpy() for word in counter), key)
        return tuple(torch.from_numpy(word) for word in words)
    return philox_rounds(counter, key)


def philox_rounds(counter: tuple[Any, ...], key: tuple[int, int]) -> tuple[Any, ...]:
    """The rounds of `philox`, on tensors, arrays or numbers."""
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # The product of two 32-bit numbers wraps around in int64, but its two halves are right.
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, c = (right >> 32) & _LOW ^ b ^ k0, (left >> 32) & _LOW ^ d ^ k1
        b, d = right & _LOW, left & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return a, b, c, d


def _words(
    samples: Tensor,
    blocks: Tensor,
    *,
    seed: int,
    epoch: int,
    purpose: Purpose,
    occurrences: Tensor | int = 0,
    view: int = 0,
) -> Tensor:
    """Words of the numbered ``blocks (N,)`` for each of ``samples (B,)``: int64 ``(B, 4 N)``, 0..2**32 - 1."""
    rows, columns = samples[:, None], blocks[None, :]
    counter = (
        (rows & _LOW).expand(-1, len(blocks)),
        ((rows >> 32) & 0xFFFF) | (int(purpose) << 16) | _occurrence_bits(occurrences),
        torch.full_like(rows, (epoch & EPOCHS - 1) | (view * EPOCHS & _LOW)),
        columns,
    )
    key = (seed & _LOW, (seed >> 32) & _LOW)
    return torch.stack([w.expand(len(samples), len(blocks)) for w in philox(counter, key)], dim=2).flatten(1)


def _occurrence_bits(occurrences: Tensor | int) -> Tensor | int:
    """Above the purpose, which takes bits 16 to 19: the twelve bits left, after which occurrences repeat."""
    return (occurrences[:, None] if isinstance(occurrences, Tensor) else occurrences) % MAX_OCCURRENCES << 20


class CounterGenerator:
    """Numbers for a batch, drawn one after the other: every sample takes its n-th draw from its own stream.

    Attributes:
        samples: int64 ``(B,)``, numbers of the samples in their data set. seed, epoch: of all of them.
        occurrences: int64 ``(B,)``, how often each has come in its epoch before, or 0 for all.
        view: which of several views of the samples.
    """

    def __init__(
        self,
        samples: Tensor,
        *,
        seed: int,
        epoch: int,
        occurrences: Tensor | int = 0,
        view: int = 0,
        purpose: Purpose = Purpose.GEOMETRY,
    ) -> None:
        self.samples, self.seed, self.epoch = samples, seed, epoch
        self.occurrences, self.view = occurrences, view
        self._purpose = purpose
        self._ahead = samples.new_empty((len(samples), 0))
        self._block = 0
        self._fields = 0

    def words(self, count: int) -> Tensor:
        """The next ``count`` words of each sample: int64 ``(B, count)``, 0..2**32 - 1."""
        missing = count - self._ahead.shape[1]
        if missing > 0:
            stop = self._block + -(-max(missing, _DRAWN_AHEAD) // _WORDS_PER_BLOCK)
            blocks = torch.arange(self._block, stop, device=self.samples.device)
            fresh = self._words(blocks, purpose=self._purpose)
            self._ahead, self._block = torch.cat([self._ahead, fresh], dim=1), stop
        taken, self._ahead = self._ahead[:, :count], self._ahead[:, count:]
        return taken

    def uniform(self, low: float | Tensor = 0.0, high: float | Tensor = 1.0) -> Tensor:
        """float64 ``(B,)`` in [low, high)."""
        return low + self.uniforms(1)[:, 0] * (high - low)

    def uniforms(self, count: int) -> Tensor:
        """float64 ``(B, count)`` in [0, 1), multiples of 2**-32."""
        return self.words(count).to(torch.float64) * 2.0**-32

    def integer(self, low: int | Tensor, stop: int | Tensor) -> Tensor:
        """int64 ``(B,)`` in low..stop - 1, fewer than 2**31 values; ``low`` where there are none."""
        return low + ((self.words(1)[:, 0] * (stop - low)) >> 32)

    def normal(self) -> Tensor:
        """float64 ``(B,)`` of mean 0 and deviation 1 (Box and Muller 1958)."""
        first, second = self.uniforms(2).unbind(1)
        return (-2 * (1 - first).log()).sqrt() * (2 * torch.pi * second).cos()

    def chance(self, probability: float) -> Tensor:
        """bool ``(B,)``, true with ``probability``."""
        return self.uniforms(1)[:, 0] < probability

    def field(self, count: int) -> Tensor:
        """Many numbers at once, from a stream of their own: float32 ``(B, count)`` in [0, 1), ``count`` up to 2**26."""
        device = self.samples.device
        blocks = torch.arange(-(-count // _WORDS_PER_BLOCK), device=device) + (self._fields << 24)
        self._fields += 1
        field = torch.empty((len(self.samples), count), dtype=torch.float32, device=device)
        at_once = max(_FIELD_AT_ONCE[device.type] // count, 1)
        for first in range(0, len(field), at_once):
            some = slice(first, first + at_once)
            field[some] = self._words(blocks, purpose=Purpose.FIELD, some=some)[:, :count] >> 8
        return field.mul_(2.0**-24)

    def _words(self, blocks: Tensor, *, purpose: Purpose, some: slice = slice(None)) -> Tensor:
        """Words of ``some`` of the samples."""
        occurrences = self.occurrences
        return _words(
            self.samples[some],
            blocks,
            seed=self.seed,
            epoch=self.epoch,
            purpose=purpose,
            occurrences=occurrences[some] if isinstance(occurrences, Tensor) else occurrences,
            view=self.view,
        )


def permutation(count: int, *, seed: int, epoch: int, device: torch.device) -> Tensor:
    """A random order of 0..count - 1, int64 on ``device``, the same on every device: numbers sorted by a keyed hash."""
    numbers = torch.arange(count, device=device)
    blocks = torch.zeros(1, dtype=torch.int64, device=device)
    keys = torch.empty_like(numbers)
    piece = _IN_CACHE if device.type == "cpu" else max(count, 1)
    for some, result in zip(numbers.split(piece), keys.split(piece), strict=True):
        words = _words(some, blocks, seed=seed, epoch=epoch, purpose=Purpose.ORDER)
        torch.bitwise_or(words[:, 0] << 31, words[:, 1] >> 1, out=result)
    return keys.argsort(stable=True)


def batch_transform_seeds(
    samples: Tensor, *, seed: int, epoch: int, part: int, occurrences: Tensor | int = 0, view: int = 0
) -> list[int]:
    """Seeds of torch's own generator for what is applied to decoded samples, each 0..2**63 - 1.

    Args:
        samples: int64 ``(B,)``. part: which of several runs over them.
        occurrences, view: as in `CounterGenerator`, on the host.
    """
    words = _words(
        samples.cpu(),
        torch.tensor([part]),
        seed=seed,
        epoch=epoch,
        purpose=Purpose.BATCH_TRANSFORMS,
        occurrences=occurrences,
        view=view,
    )
    seeds: list[int] = ((words[:, 0] << 31) | (words[:, 1] >> 1)).tolist()
    return seeds
