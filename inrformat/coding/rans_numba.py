"""The rANS coder of ``coding/rans.py`` for one record at a time, compiled: same symbols, same bytes.

The numpy coder stays normative; tests hold this one to it bit for bit. Symbols to be coded come as one flat array with
the ends of their segments, because a compiled loop cannot take a list of arrays of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.plain_bits import WORD_BITS
from inrformat.coding.plain_bits_numba import (
    add_low_bits,
    apply_patches,
    most_plain_words,
    plain_words_of,
    split_body,
)
from inrformat.coding.rans import LOWER_BOUND, STATE_BYTES, STREAM_LANES, WORD_BYTES
from inrformat.coding.rans_vectors import LANES, RANKS, decode_eight
from inrformat.coding.tables import PRECISION_BITS, SLOT_BIAS, SLOT_FREQ, TOKEN_BITS, TOTAL, TableSet
from inrformat.errors import InvalidFileError, UsageError
from inrformat.jit import exact

__all__ = ["MISCOUNTED", "OK", "UNFINISHED", "WRONG_PATCH", "RecordDecoder", "decode_stream", "encode_record", "ending"]

OK, MISCOUNTED, UNFINISHED, WRONG_PATCH = range(4)
"""What ``ending`` finds."""
_WORD_MASK = 0xFFFF


def encode_record(
    values: NDArray[np.int32], table_ids: NDArray[np.int32], ends: NDArray[np.int64], tables: TableSet, *, lanes: int
) -> bytes:
    """Code one record.

    Args:
        values, table_ids: int32 ``(n,)``, all segments one after the other, the body last.
        ends: int64, where each segment ends.

    Raises:
        UsageError: a leading value without a token in its table, or one outside 16 bits.
    """
    body = int(ends[-2]) if len(ends) > 1 else 0
    if len(values) and (values.min() < -(1 << 15) or values.max() >= 1 << 15):
        raise UsageError(f"symbols {values.min()}..{values.max()} do not fit 16 bits: use coarser quantization steps")
    positions = np.empty(len(values), np.int32)
    wrong = _lead(values[:body], table_ids[:body], tables.freqs, tables.lowest, positions)
    if wrong >= 0:
        raise UsageError(f"symbol table {table_ids[wrong]} cannot code the value {values[wrong]} of a leading segment")
    plain = np.zeros(most_plain_words(len(values) - body), np.uint16)
    plain_words = split_body(
        values[body:],
        table_ids[body:],
        tables.freqs,
        tables.lowest,
        tables.low_bits,
        tables.stand_in,
        positions[body:],
        plain,
    )
    streams = -(-lanes // STREAM_LANES)
    room = -(-(len(values) - body) // lanes) * STREAM_LANES + body
    buffers, free = np.empty((streams, room), np.uint16), np.full(streams, room, np.int64)
    states = np.full(lanes, LOWER_BOUND, np.uint64)
    states[:plain_words] += plain[: min(plain_words, lanes)]
    _encode(positions, table_ids, ends, tables.freqs, tables.starts, states, buffers, free)
    lengths = (room - free[:-1]).astype("<u4")
    runs = [buffer[first:].astype("<u2").tobytes() for buffer, first in zip(buffers, free, strict=True)]
    rest = plain[lanes:plain_words].astype("<u2").tobytes()
    return states.astype("<u4").tobytes() + lengths.tobytes() + b"".join(runs) + rest


@exact
def _lead(values: Any, table_ids: Any, freqs: Any, lowest: Any, positions: Any) -> int:
    """Fill ``positions`` of leading symbols; returns the first that cannot be coded, else -1."""
    for i in range(len(values)):
        t = table_ids[i]
        positions[i] = values[i] - lowest[t]
        if positions[i] < 0 or positions[i] >= freqs.shape[1] or freqs[t, positions[i]] == 0:
            return i
    return -1


@exact
def _encode(
    positions: Any, table_ids: Any, ends: Any, freqs: Any, starts: Any, states: Any, buffers: Any, free: Any
) -> None:
    """Fill ``buffers (streams, room)`` from their ends and ``states``; ``free``: first used place of each buffer."""
    for segment in range(len(ends) - 1, -1, -1):
        begin = 0 if segment == 0 else ends[segment - 1]
        lanes = len(states) if segment == len(ends) - 1 else min(len(states), STREAM_LANES)
        for step in range((ends[segment] - begin + lanes - 1) // lanes - 1, -1, -1):
            first = begin + step * lanes
            # Last in, first out: the decoder takes the words of a step lane 0 first.
            for i in range(min(first + lanes, ends[segment]) - 1, first - 1, -1):
                lane, f = i - first, np.uint64(freqs[table_ids[i], positions[i]])
                state = states[lane]
                if state >= f << np.uint64(32 - PRECISION_BITS):
                    stream = lane // STREAM_LANES
                    free[stream] -= 1
                    buffers[stream, free[stream]] = state & np.uint64(_WORD_MASK)
                    state >>= np.uint64(WORD_BITS)
                pushed = ((state // f) << np.uint64(PRECISION_BITS)) + state % f
                states[lane] = pushed + np.uint64(starts[table_ids[i], positions[i]])


class RecordDecoder:
    """Decodes one record: leading segments one by one, then the body. Missing words read as zero and are reported."""

    def __init__(self, record: bytes | memoryview, tables: TableSet, *, lanes: int) -> None:
        streams = -(-lanes // STREAM_LANES)
        head = (lanes + streams - 1) * STATE_BYTES
        if len(record) < head or len(record) % WORD_BYTES:
            raise InvalidFileError("RECORD-LENGTH", f"record of {len(record)} bytes cannot hold {lanes} rANS lanes")
        self._tables = tables
        numbers = np.frombuffer(record[:head], "<u4")
        self._states = numbers[:lanes].astype(np.uint32)
        self._words = np.frombuffer(record[head:], "<u2").astype(np.uint16)
        self._ends = np.append(np.cumsum(numbers[lanes:], dtype=np.int64), len(self._words))
        if self._ends.max() > len(self._words):
            raise InvalidFileError("RECORD-LENGTH", "a record's streams are longer than the record")
        self._next = np.append(0, self._ends[:-1])

    def decode(self, table_ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """The next leading segment: int32 ``(n,)`` for ``table_ids`` int32 ``(n,)``."""
        tokens = np.empty(len(table_ids), np.int32)
        self._decode(0, table_ids, tokens, stride=min(len(self._states), STREAM_LANES))
        return tokens

    def decode_body(self, table_ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """The body, like ``decode``; then nothing is left.

        Raises:
            InvalidFileError: words are missing or left over, a lane did not end where it had to, or patches are wrong.
        """
        values = np.empty(len(table_ids), np.int32)
        for stream in range(len(self._next)):
            self._decode(stream, table_ids, values, stride=len(self._states))
        plain = plain_words_of(self._states, self._words, self._next[-1])
        low_end = add_low_bits(values, table_ids, self._tables.low_bits, 0, len(values), plain, 0)
        status = ending(values, self._states, self._words, self._next, self._ends, plain, low_end)
        if status == MISCOUNTED:
            raise InvalidFileError("RECORD-SYMBOLS", f"record of {len(self._words)} words, its symbols need others")
        if status == UNFINISHED:
            raise InvalidFileError("RECORD-STATE", "a rANS lane did not end where its plain bits say")
        if status == WRONG_PATCH:
            raise InvalidFileError("RECORD-PATCH", "a record's patches are not of its symbols, in order")
        return values

    def _decode(self, stream: int, table_ids: NDArray[np.int32], tokens: NDArray[np.int32], *, stride: int) -> None:
        first = stream * STREAM_LANES
        states = self._states[first : first + min(STREAM_LANES, stride)]
        words = self._words[: self._ends[stream]]
        slots = self._tables.slots.reshape(-1)
        self._next[stream] = decode_stream(table_ids, slots, states, words, self._next[stream], tokens, first, stride)


# Unsigned throughout: a signed index costs a test for counting from the end, and the loop is all indexing.
_U32, _U64 = np.uint32, np.uint64
_SLOT_MASK, _PRECISION = _U32(TOTAL - 1), _U32(PRECISION_BITS)
_BIAS, _FREQ, _FREQ_MASK = _U32(SLOT_BIAS), _U32(SLOT_FREQ), _U32(TOTAL - 1)
_BOUND, _WORD, _TOKEN_SHIFT = _U32(LOWER_BOUND), _U32(WORD_BITS), _U32(32 - TOKEN_BITS)
_ONE, _NONE = _U32(1), _U32(0)
_EIGHT = _U64(LANES)
_RANKS = RANKS.ravel()


@exact
def decode_stream(
    table_ids: Any, slots: Any, states: Any, words: Any, following: Any, tokens: Any, first: Any, stride: Any
) -> Any:
    """Decode the next symbols of one stream of a record.

    Args:
        table_ids: int32 ``(n,)``, of all symbols of the segment. slots: flat ``TableSet.slots``.
        states: uint32 ``(lanes,)``, of the stream, updated. words: uint16, those up to the stream's end; missing ones
            read as zero. following: the next word's number. tokens: int32 ``(n,)``; those of the stream are written.
        first: the symbol of the stream's first lane. stride: lanes of the segment, from a symbol to a lane's next one.

    Returns:
        The number of the next word.
    """
    lanes, count, end = _U64(len(states)), _U64(len(table_ids)), _U64(len(words))
    at: Any = _U64(following)
    for begin in range(_U64(first), count, _U64(stride)):
        present = min(lanes, count - begin)
        lane = _U64(0)
        while lane + _EIGHT <= present and at + _EIGHT <= end:
            at = decode_eight(table_ids, begin + lane, slots, states, lane, words, at, _RANKS, tokens)
            lane += _EIGHT
        for i in range(lane, present):
            state = states[i]
            slot = slots[(_U32(table_ids[begin + i]) << _PRECISION) | (state & _SLOT_MASK)]
            tokens[begin + i] = np.int32(slot << _TOKEN_SHIFT) >> np.int32(_TOKEN_SHIFT)
            state = _U32((((slot >> _FREQ) & _FREQ_MASK) + _ONE) * (state >> _PRECISION) + (slot >> _BIAS))
            if state < _BOUND:
                state = _U32((state << _WORD) | (_U32(words[at]) if at < end else _NONE))
                at += _U64(1)
            states[i] = state
    return at


@exact
def ending(values: Any, states: Any, words: Any, following: Any, ends: Any, plain: Any, low_end: Any) -> int:
    """Patch a body whose low bits have been added, and say whether the record ended where it had to.

    Args:
        values: int32, patched. states: uint32, of all lanes. words: uint16, all behind the record's head.
        following, ends: int64, of each stream, its next word and the one behind its last. plain: ``plain_words_of``.
        low_end: where the low bits end among the plain ones.

    Returns:
        ``OK`` or what is wrong.
    """
    patched = apply_patches(values, plain, low_end)
    if not patched.sound:
        return WRONG_PATCH
    taken, lanes, last = (patched.end + 15) // 16, len(states), len(following) - 1
    for i in range(lanes):
        if states[i] >> _WORD != _ONE or (i >= taken and states[i] != _BOUND):
            return UNFINISHED
    for stream in range(last):
        if following[stream] != ends[stream]:
            return MISCOUNTED
    if following[last] + max(taken - lanes, 0) != len(words):
        return MISCOUNTED
    return OK
