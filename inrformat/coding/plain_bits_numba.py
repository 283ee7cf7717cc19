"""The plain bits of ``coding/plain_bits.py``, compiled: same words, same values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from inrformat.coding.plain_bits import WORD_BITS
from inrformat.coding.tables import MAX_LOW_BITS, VALUE_BITS
from inrformat.jit import exact

__all__ = ["Patched", "add_low_bits", "apply_patches", "most_plain_words", "plain_words_of", "split_body"]

_SPARE_WORDS = 3
"""Words of zeros behind the last one, for reading and writing without a test: numbers of up to 32 bits lie in three."""


class Patched(NamedTuple):
    """Where the plain bits end, and whether the patches were of symbols that exist, in ascending order."""

    end: int
    sound: bool


def most_plain_words(symbols: int) -> int:
    """Room that the plain bits of a body take at most."""
    return (1 + symbols * (MAX_LOW_BITS + 32 + VALUE_BITS)) // WORD_BITS + 1 + _SPARE_WORDS


@exact
def _number_bits(count: Any) -> Any:
    bits = 0
    while count >> bits:
        bits += 1
    return bits


@exact
def _append(words: Any, at: Any, value: Any, width: Any) -> Any:
    """Write ``width <= 32`` bits of a number at bit ``at`` of ``words``; returns the bit behind them."""
    shifted = np.uint64(value & ((1 << width) - 1)) << np.uint64(at & 15)
    for part in range(_SPARE_WORDS):
        words[(at >> 4) + part] |= np.uint16((shifted >> np.uint64(16 * part)) & np.uint64(0xFFFF))
    return at + width


@exact
def _number(words: Any, at: Any, width: Any) -> Any:
    """``width <= 32`` bits from bit ``at`` of ``words`` on, which ends with spare ones; zero behind them."""
    first, number = min(at >> 4, len(words) - _SPARE_WORDS), np.uint64(0)
    for part in range(_SPARE_WORDS):
        number |= np.uint64(words[first + part]) << np.uint64(16 * part)
    return np.int64((number >> np.uint64(at & 15)) & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)))


@exact
def split_body(  # noqa: PLR0917
    values: Any, table_ids: Any, freqs: Any, lowest: Any, low_bits: Any, stand_in: Any, positions: Any, words: Any
) -> Any:
    """See ``plain_bits.split``; fills ``positions`` and ``words``, which are zero, and returns how many there are."""
    at, patches, count = 0, 0, len(values)
    for i in range(count):
        t = table_ids[i]
        position = (values[i] >> low_bits[t]) - lowest[t]
        has_token = 0 <= position < freqs.shape[1] and freqs[t, position] > 0
        positions[i] = position if has_token else stand_in[t]
        patches += not has_token
        if low_bits[t] > 0:
            at = _append(words, at, np.int64(values[i]) if has_token else np.int64(0), np.int64(low_bits[t]))
    at = _append(words, at, np.int64(patches > 0), np.int64(1))
    if patches > 0:
        width = np.int64(_number_bits(count))
        at = _append(words, at, np.int64(patches), width)
        for i in range(count):
            t = table_ids[i]
            position = (values[i] >> low_bits[t]) - lowest[t]
            if not (0 <= position < freqs.shape[1] and freqs[t, position] > 0):
                at = _append(words, at, np.int64(i), width)
                at = _append(words, at, np.int64(values[i]), np.int64(VALUE_BITS))
    return (at + 15) // 16


@exact
def plain_words_of(states: Any, words: Any, first: Any) -> Any:
    """The words of plain bits: the low halves of the lanes' last states, ``words[first:]`` and spare ones; uint16."""
    rest = max(len(words) - first, 0)
    plain = np.zeros(len(states) + rest + _SPARE_WORDS, np.uint16)
    for i in range(len(states)):
        plain[i] = states[i] & np.uint32(0xFFFF)
    for i in range(rest):
        plain[len(states) + i] = words[first + i]
    return plain


@exact
def add_low_bits(  # noqa: PLR0917
    values: Any, table_ids: Any, low_bits: Any, first: Any, end: Any, plain: Any, at: Any
) -> Any:
    """Put the low bits of symbols ``first .. end - 1`` behind their tokens, in place.

    Args:
        at: where they begin in ``plain``.

    Returns:
        Where they end.
    """
    spare, bit = np.uint64(len(plain) - _SPARE_WORDS), np.uint64(at)
    for i in range(np.uint64(first), np.uint64(end)):
        # Which tables have low bits follows no pattern: it is cheaper to add none than to ask.
        width = np.uint64(low_bits[np.uint64(table_ids[i])])
        word = min(bit >> np.uint64(4), spare)
        two = np.uint64(plain[word]) | np.uint64(plain[word + np.uint64(1)]) << np.uint64(16)
        low = (two >> (bit & np.uint64(15))) & ((np.uint64(1) << width) - np.uint64(1))
        values[i] = np.int32(np.int64(values[i]) << np.int64(width) | np.int64(low))
        bit += width
    return np.int64(bit)


@exact
def apply_patches(values: Any, plain: Any, at: Any) -> Patched:
    """Set the values of patched symbols, whose list begins at bit ``at`` of ``plain``."""
    if _number(plain, at, 1) == 0:
        return Patched(at + 1, True)
    count = len(values)
    width = np.int64(_number_bits(count))
    patches, before, at = _number(plain, at + 1, width), np.int64(-1), at + 1 + width
    sound = patches <= count
    for _ in range(patches if sound else 0):
        number = _number(plain, at, width)
        sound &= before < number < count
        if sound:
            values[number] = np.int16(_number(plain, at + width, np.int64(VALUE_BITS)))
        before, at = number, at + width + VALUE_BITS
    return Patched(at, sound)
