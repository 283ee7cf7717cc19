"""The rANS coder of ``coding/rans.py`` for one record at a time, compiled: same symbols, same bytes.

The numpy coder stays normative; tests hold this one to it bit for bit. Symbols come as one flat array with the ends of
its segments, because a compiled loop cannot take a list of arrays of its own.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import LOWER_BOUND, STATE_BYTES, WORD_BYTES
from inrformat.coding.tables import ESCAPE_BITS, PRECISION_BITS, TOTAL, TableSet
from inrformat.errors import InvalidFileError, UsageError

__all__ = ["RecordDecoder", "decode_segment", "encode_record"]

_BITS32 = 32
_WORD_MASK = 0xFFFF


def encode_record(
    values: NDArray[np.int32], table_ids: NDArray[np.int32], ends: NDArray[np.int64], tables: TableSet, *, lanes: int
) -> bytes:
    """Code one record.

    Args:
        values, table_ids: int32 ``(n,)``, all segments one after the other. ends: int64, where each segment ends.

    Raises:
        UsageError: a value that its table can neither code nor escape.
    """
    buffer = np.empty(2 * len(values), np.uint16)
    states = np.full(lanes, LOWER_BOUND, np.uint64)
    free = _encode(
        values, table_ids, ends, tables.freqs, tables.starts, tables.lowest, tables.low_bits, tables.escape,
        states, buffer,
    )  # fmt: skip
    if free < 0:
        raise UsageError("a symbol table can neither code nor escape one of its values: use coarser quantization steps")
    return states.astype("<u4").tobytes() + buffer[free:].astype("<u2").tobytes()


@numba.njit(cache=True, nogil=True)
def _encode(  # noqa: PLR0917
    values: Any, table_ids: Any, ends: Any, freqs: Any, starts: Any, lowest: Any, low_bits: Any, escape: Any,
    states: Any, buffer: Any,
) -> int:  # fmt: skip
    """Fill ``buffer`` from its end and ``states``; returns the first used place, -1 for a value without a code."""
    lanes, free = len(states), len(buffer)
    for segment in range(len(ends) - 1, -1, -1):
        begin = 0 if segment == 0 else ends[segment - 1]
        for step in range((ends[segment] - begin + lanes - 1) // lanes - 1, -1, -1):
            first = begin + step * lanes
            last = min(first + lanes, ends[segment]) - 1
            # Last in, first out: within a step the decoder takes all tokens, then all plain bits, lane 0 first.
            for i in range(last, first - 1, -1):
                t = table_ids[i]
                token = (values[i] >> low_bits[t]) - lowest[t]
                if token < 0 or token >= escape[t] or freqs[t, token] == 0:
                    token = escape[t]
                    if freqs[t, token] == 0 or values[i] < -32768 or values[i] > 32767:
                        return -1
                bits = np.uint64(ESCAPE_BITS if token == escape[t] else low_bits[t])
                if bits > 0:
                    state = states[i - first]
                    if state >> (np.uint64(_BITS32) - bits) > 0:
                        free -= 1
                        buffer[free] = state & np.uint64(_WORD_MASK)
                        state >>= np.uint64(16)
                    plain = np.uint64(values[i] & ((1 << np.int64(bits)) - 1))
                    states[i - first] = (state << bits) | plain
            for i in range(last, first - 1, -1):
                t = table_ids[i]
                token = (values[i] >> low_bits[t]) - lowest[t]
                if token < 0 or token >= escape[t] or freqs[t, token] == 0:
                    token = escape[t]
                f = np.uint64(freqs[t, token])
                state = states[i - first]
                if state >= f << np.uint64(_BITS32 - PRECISION_BITS):
                    free -= 1
                    buffer[free] = state & np.uint64(_WORD_MASK)
                    state >>= np.uint64(16)
                states[i - first] = (
                    ((state // f) << np.uint64(PRECISION_BITS)) + state % f + np.uint64(starts[t, token])
                )
    return free


class RecordDecoder:
    """Decodes one record segment by segment. Missing words read as zero, and ``finish`` reports them."""

    def __init__(self, record: bytes | memoryview, tables: TableSet, *, lanes: int) -> None:
        head = lanes * STATE_BYTES
        if len(record) < head or len(record) % WORD_BYTES:
            raise InvalidFileError("RECORD-LENGTH", f"record of {len(record)} bytes cannot hold {lanes} rANS lanes")
        self._tables = tables
        self._states = np.frombuffer(record[:head], "<u4").astype(np.uint64)
        self._words = np.frombuffer(record[head:], "<u2").astype(np.uint16)
        self._next = 0

    def decode(self, table_ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """The next segment: int32 ``(n,)`` for ``table_ids`` int32 ``(n,)``."""
        t = self._tables
        values = np.empty(len(table_ids), np.int32)
        self._next = decode_segment(
            table_ids, t.freqs, t.starts, t.token_at, t.lowest, t.low_bits, t.escape,
            self._states, self._words, self._next, values,
        )  # fmt: skip
        return values

    def finish(self) -> None:
        """Check that the record ended where it had to.

        Raises:
            InvalidFileError: words are missing or left over, or a lane did not return to its initial state.
        """
        if self._next != len(self._words):
            raise InvalidFileError(
                "RECORD-SYMBOLS", f"record of {len(self._words)} words, its symbols need {self._next}"
            )
        if (self._states != LOWER_BOUND).any():
            raise InvalidFileError("RECORD-STATE", "a rANS lane did not end in its initial state")


@numba.njit(cache=True, nogil=True)
def decode_segment(  # noqa: PLR0917
    table_ids: Any, freqs: Any, starts: Any, token_at: Any, lowest: Any, low_bits: Any, escape: Any,
    states: Any, words: Any, following: int, values: Any,
) -> int:  # fmt: skip
    """Decode ``len(table_ids)`` symbols into ``values``, from word ``following`` on; returns the number of the next word."""
    lanes, count = len(states), len(table_ids)
    for first in range(0, count, lanes):
        last = min(first + lanes, count)
        for i in range(first, last):
            t, state = table_ids[i], states[i - first]
            slot = state & np.uint64(TOTAL - 1)
            token = np.int64(token_at[t, slot])
            state = (
                np.uint64(freqs[t, token]) * (state >> np.uint64(PRECISION_BITS)) + slot - np.uint64(starts[t, token])
            )
            if state < np.uint64(LOWER_BOUND):
                word = words[following] if following < len(words) else np.uint16(0)
                state = (state << np.uint64(16)) | np.uint64(word)
                following += 1
            states[i - first] = state
            values[i] = token
        for i in range(first, last):
            t, token = table_ids[i], values[i]
            escaped = token == escape[t]
            bits = np.uint64(ESCAPE_BITS if escaped else low_bits[t])
            if bits > 0:
                state = states[i - first]
                plain = np.int64(state & ((np.uint64(1) << bits) - np.uint64(1)))
                state >>= bits
                if state < np.uint64(LOWER_BOUND):
                    word = words[following] if following < len(words) else np.uint16(0)
                    state = (state << np.uint64(16)) | np.uint64(word)
                    following += 1
                states[i - first] = state
            else:
                plain = np.int64(0)
            if escaped:
                values[i] = plain - 65536 if plain > 32767 else plain
            else:
                values[i] = ((lowest[t] + token) << low_bits[t]) + plain
    return following
