"""What of a record's symbols is not entropy-coded: their low bits, and patches (spec section 7.4). numpy only.

Both travel as one string of bits in 16-bit words behind the coded ones, so that decoding tokens need not stop for them:
the low bits of every symbol in order, whose places follow from the symbols' tables alone; then a bit that says whether
symbols are patched, and if so how many, and the number and the value of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import VALUE_BITS, TableSet

__all__ = ["WORD_BITS", "Joined", "Split", "joined", "number_bits", "split"]

WORD_BITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Symbols as they are coded.

    Attributes:
        positions: int64 ``(n,)``, of their tokens among the frequencies of their tables. words: uint16, plain bits.
    """

    positions: NDArray[np.int64]
    words: NDArray[np.uint16]


def split(values: NDArray[Any], table_ids: NDArray[Any], tables: TableSet) -> Split:
    """Take 16-bit ``values (n,)`` apart; those without a token in their tables ``table_ids (n,)`` are patched."""
    values = values.astype(np.int64)
    low_bits = tables.low_bits[table_ids].astype(np.int64)
    positions = (values >> low_bits) - tables.lowest[table_ids]
    inside = (positions >= 0) & (positions < tables.freqs.shape[1])
    patched = ~(inside & (tables.freqs[table_ids, np.where(inside, positions, 0)] > 0))
    low = np.where(patched, 0, values & ((1 << low_bits) - 1))
    numbers = np.flatnonzero(patched)
    entries = np.array([[len(numbers) > 0, len(numbers)]], np.int64)[:, : 1 + (len(numbers) > 0)]
    entry_bits = np.array([[1, number_bits(len(values))]])[:, : entries.shape[1]]
    pairs = np.stack([numbers, values[numbers] & ((1 << VALUE_BITS) - 1)], axis=1)
    pair_bits = np.broadcast_to([number_bits(len(values)), VALUE_BITS], pairs.shape)
    words = _packed(
        np.concatenate([low, entries.ravel(), pairs.ravel()]),
        np.concatenate([low_bits, entry_bits.ravel(), pair_bits.ravel()]),
    )
    return Split(np.where(patched, tables.stand_in[table_ids], positions), words)


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Symbols put together again.

    Attributes:
        values: int32 ``(n,)``. words: how many words their plain bits take.
        sound: whether the patches name symbols that exist, in ascending order.
    """

    values: NDArray[np.int32]
    words: int
    sound: bool


def joined(tokens: NDArray[Any], table_ids: NDArray[Any], tables: TableSet, words: NDArray[np.uint16]) -> Joined:
    """The inverse of ``split``, for signed ``tokens (n,)``, which are values without their low bits.

    Args:
        words: uint16, the plain bits and perhaps more; what is missing reads as zero.
    """
    low_bits = tables.low_bits[table_ids].astype(np.int64)
    reader = _BitReader(words)
    values = (tokens.astype(np.int64) << low_bits) | reader.take(low_bits)
    count, width = len(values), np.array([number_bits(len(values))])
    patches = int(reader.take(width)[0]) if reader.take(np.array([1]))[0] else 0
    patches_fit = patches <= count
    pairs = np.tile([width[0], VALUE_BITS], patches if patches_fit else 0)
    numbers, patched = reader.take(pairs).reshape(-1, 2).T
    sound = patches_fit and bool((np.diff(numbers, prepend=-1) > 0).all() and (numbers < count).all())
    if sound:
        values[numbers] = patched.astype(np.uint16).astype(np.int16)
    return Joined(values.astype(np.int32), reader.words_taken, sound)


def number_bits(count: int) -> int:
    """Bits that the number of one of ``count`` symbols takes, or that number of them."""
    return count.bit_length()


class _BitReader:
    """Takes bits from the low end of words in turn."""

    def __init__(self, words: NDArray[np.uint16]) -> None:
        self._bits = np.unpackbits(words.astype("<u2").view(np.uint8), bitorder="little")
        self._next = 0

    @property
    def words_taken(self) -> int:
        """Words begun so far."""
        return -(-self._next // WORD_BITS)

    def take(self, widths: NDArray[Any]) -> NDArray[np.int64]:
        """Unsigned numbers of so many bits each, the lowest first: int64 ``(n,)``."""
        ends = self._next + np.cumsum(widths, dtype=np.int64)
        result, first = np.zeros(len(widths), np.int64), ends - widths
        bits = np.append(self._bits, np.uint8(0))
        for j in range(int(np.max(widths, initial=0))):
            at = np.minimum(first + j, len(self._bits))
            result |= np.where(j < widths, bits[at], 0).astype(np.int64) << j
        self._next = int(ends[-1]) if len(ends) else self._next
        return result


def _packed(values: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Numbers of so many bits each, end to end in words."""
    ends = np.cumsum(widths, dtype=np.int64)
    bits = np.zeros(-(-int(ends[-1]) // WORD_BITS) * WORD_BITS, np.uint8)
    for j in range(int(widths.max())):
        wide = widths > j
        bits[(ends - widths)[wide] + j] = values[wide] >> j & 1
    return np.packbits(bits, bitorder="little").view("<u2").astype(np.uint16)
