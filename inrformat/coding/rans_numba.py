"""The rANS coder of ``coding/rans.py`` for one record at a time, compiled: same symbols, same bytes.

The numpy coder stays normative; tests hold this one to it bit for bit. Symbols come as one flat array with the ends of
its segments, because a compiled loop cannot take a list of arrays of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import LOWER_BOUND, STATE_BYTES, WORD_BITS, WORD_BYTES
from inrformat.coding.rans_vectors import LANES, RANKS, decode_eight
from inrformat.coding.tables import ESCAPE_BITS, PRECISION_BITS, SLOT_BIAS, SLOT_DETAILS, SLOT_FREQ, TOTAL, TableSet
from inrformat.errors import InvalidFileError, UsageError
from inrformat.jit import exact

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
        values,
        table_ids,
        ends,
        tables.freqs,
        tables.starts,
        tables.lowest,
        tables.low_bits,
        tables.escape,
        states,
        buffer,
    )
    if free < 0:
        raise UsageError("a symbol table can neither code nor escape one of its values: use coarser quantization steps")
    return states.astype("<u4").tobytes() + buffer[free:].astype("<u2").tobytes()


@exact
def _encode(
    values: Any,
    table_ids: Any,
    ends: Any,
    freqs: Any,
    starts: Any,
    lowest: Any,
    low_bits: Any,
    escape: Any,
    states: Any,
    buffer: Any,
) -> int:
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
        self._slots = tables.slots
        self._states = np.frombuffer(record[:head], "<u4").astype(np.uint32)
        self._words = np.frombuffer(record[head:], "<u2").astype(np.uint16)
        self._next = 0

    def decode(self, table_ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """The next segment: int32 ``(n,)`` for ``table_ids`` int32 ``(n,)``."""
        values = np.empty(len(table_ids), np.int32)
        self._next = decode_segment(table_ids, self._slots, self._states, self._words, self._next, values)
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


# Unsigned throughout: a signed index costs a test for counting from the end, and the loop is all indexing.
_U32, _U64 = np.uint32, np.uint64
_SLOT_MASK, _PRECISION = _U32(TOTAL - 1), _U32(PRECISION_BITS)
_BIAS, _FREQ, _FREQ_MASK = _U32(SLOT_BIAS), _U32(SLOT_FREQ), _U32(TOTAL - 1)
_BOUND, _WORD = _U32(LOWER_BOUND), _U32(WORD_BITS)
_ONE, _NONE = _U32(1), _U32(0)
_EIGHT = _U64(LANES)
_RANKS = RANKS.ravel()


@exact
def decode_segment(table_ids: Any, slots: Any, states: Any, words: Any, following: int, values: Any) -> int:
    """Decode the next symbols of a record.

    Args:
        table_ids: int32 ``(n,)``. slots: of the ``TableSet``. states: uint32 ``(lanes,)``, updated.
        words: uint16, those behind the record's states; missing ones read as zero. following: the next word's number.
        values: int32 ``(n,)``, written.

    Returns:
        The number of the next word.
    """
    lanes, count, end = _U64(len(states)), _U64(len(table_ids)), _U64(len(words))
    at: Any = _U64(following)
    short, details = slots[0].reshape(-1), slots[1].reshape(-1)
    places = np.empty(len(states), np.uint32)
    for first in range(_U64(0), count, lanes):
        present = min(lanes, count - first)
        lane, unfinished = _U64(0), False
        while lane + _EIGHT <= present and at + _EIGHT <= end:
            at, some = decode_eight(table_ids, first + lane, short, states, lane, words, at, _RANKS, values, places)
            unfinished |= some
            lane += _EIGHT
        for i in range(lane, present):
            state = states[i]
            places[i] = (_U32(table_ids[first + i]) << _PRECISION) | (state & _SLOT_MASK)
            slot = short[places[i]]
            values[first + i] = np.int8(slot & _U32(0xFF))
            unfinished |= values[first + i] == SLOT_DETAILS
            state = _U32((((slot >> _FREQ) & _FREQ_MASK) + _ONE) * (state >> _PRECISION) + (slot >> _BIAS))
            if state < _BOUND:
                state = _U32((state << _WORD) | (_U32(words[at]) if at < end else _NONE))
                at += _U64(1)
            states[i] = state
        if unfinished:
            at = _complete(details, places, states, words, at, values[first : first + present])
    return int(at)


@exact
def _complete(details: Any, places: Any, states: Any, words: Any, at: Any, values: Any) -> Any:
    """Phase B of one step (spec section 7.2), plain bits; and values that are too large for their slots."""
    for lane in range(len(values)):
        if values[lane] != SLOT_DETAILS:
            continue
        n, value = _U64(details[places[lane]] >> _WORD), np.int16(details[places[lane]] & _U32(0xFFFF))
        state = states[lane]
        plain = np.int64(_U64(state) & ((_U64(1) << n) - _U64(1)))
        state = _U32(_U64(state) >> n)
        if state < _BOUND:
            word = _U32(words[at]) if at < _U64(len(words)) else _NONE
            state = _U32((state << _WORD) | word)
            at += _U64(1)
        states[lane] = state
        # 16 plain bits are the escape's: the value itself.
        values[lane] = np.int16(plain) if n == _U64(ESCAPE_BITS) else (np.int64(value) << np.int64(n)) + plain
    return at
