"""Interleaved rANS with static tables: the normative numpy coder (spec section 7.2).

A record's symbols are dealt to lanes. Every lane has a 32-bit state of its own; up to 32 lanes are a *stream* and read
16-bit words from a run of their own, lane 0 first within a step. One GPU warp therefore decodes a stream with a ballot
and a population count where this file has a cumulative sum, straight from the record's bytes::

    record = states (L x u32) | lengths of all streams but the last (u32) | words of each stream | plain words

*Leading* segments, few symbols that say what the others are, go to the lanes of the first stream, so that one warp can
read them alone; the *body* goes to all lanes.

The state stays in [2**16, 2**32): a lane reads at most one word after each symbol. A lane ends in [2**16, 2**17), and
what it ends with is a word of plain bits (``plain_bits.py``): it costs about one byte over the ideal code length where
there are enough of them, else three.

The functions work on a batch of records whose segments have equal lengths; unequal records are batches of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.plain_bits import WORD_BITS, joined, split
from inrformat.coding.tables import PRECISION_BITS, SLOT_BIAS, SLOT_FREQ, TOKEN_BITS, TOTAL, TableSet
from inrformat.errors import InvalidFileError, UsageError

__all__ = ["MOST_LANES", "STATE_BYTES", "STREAM_LANES", "WORD_BYTES", "RansDecoder", "Segment", "encode", "lanes_for"]

LOWER_BOUND = 1 << WORD_BITS
STATE_BYTES, WORD_BYTES = 4, 2
STREAM_LANES = 32
MOST_LANES = 64 * STREAM_LANES


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Symbols that are decoded together: ``values`` int ``(B, n)``, ``table_ids`` int ``(n,)`` or ``(B, n)``."""

    values: NDArray[Any]
    table_ids: NDArray[Any]


def lanes_for(wanted: int) -> int:
    """Lanes of a record that should have about so many (spec section 7.3).

    The greatest power of two, from 32 on the greatest multiple of 32, that is not above it; 1 to 2048.
    """
    if wanted < STREAM_LANES:
        return 1 << max(wanted, 1).bit_length() - 1
    return min(wanted // STREAM_LANES * STREAM_LANES, MOST_LANES)


def encode(leading: Sequence[Segment], body: Segment, tables: TableSet, *, lanes: int) -> list[bytes]:
    """Code B records; leading segments are decoded in the order given, each starting at a fresh step.

    Raises:
        UsageError: a value outside 16 bits, or a leading one without a token in its table.
    """
    batch, streams = len(body.values), -(-lanes // STREAM_LANES)
    ids = np.broadcast_to(body.table_ids, body.values.shape)
    parts = [split(values, row, tables) for values, row in zip(_checked(body.values), ids, strict=True)]
    positions = np.array([part.positions for part in parts], np.int64).reshape(ids.shape)
    states = np.full((batch, lanes), LOWER_BOUND, np.uint64)
    for ends, part in zip(states, parts, strict=True):
        ends[: len(part.words)] += part.words[:lanes].astype(np.uint64)
    # rANS is last in, first out: everything the decoder does is undone here in the opposite order.
    emitted = _push(states, positions, ids, tables)
    for segment in reversed(leading):
        emitted += _push(states[:, :STREAM_LANES], *_leading_positions(segment, tables), tables)
    runs = [[b""] * streams for _ in range(batch)]
    for step in reversed(emitted):
        for row, stream in product(range(batch), range(-(-step.full.shape[1] // STREAM_LANES))):
            own = slice(stream * STREAM_LANES, (stream + 1) * STREAM_LANES)
            runs[row][stream] += step.words[row, own][step.full[row, own]].astype("<u2").tobytes()
    return [_assembled(states[r], runs[r], parts[r].words[lanes:]) for r in range(batch)]


def _assembled(states: NDArray[np.uint64], runs: list[bytes], plain_words: NDArray[np.uint16]) -> bytes:
    lengths = np.array([len(run) // WORD_BYTES for run in runs[:-1]], "<u4")
    return states.astype("<u4").tobytes() + lengths.tobytes() + b"".join(runs) + plain_words.astype("<u2").tobytes()


def _checked(values: NDArray[Any]) -> NDArray[np.int64]:
    wide = np.asarray(values, np.int64)
    if wide.size and (wide.min() < -(1 << 15) or wide.max() >= 1 << 15):
        raise UsageError(f"symbols {wide.min()}..{wide.max()} do not fit 16 bits: use coarser quantization steps")
    return wide


def _leading_positions(segment: Segment, tables: TableSet) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Positions of tokens ``(B, n)`` and table numbers of the same shape. Leading values have no plain bits."""
    values, ids = _checked(segment.values), np.broadcast_to(segment.table_ids, segment.values.shape)
    positions = values - tables.lowest[ids]
    coded = (positions >= 0) & (positions < tables.freqs.shape[1])
    coded &= tables.freqs[ids, np.where(coded, positions, 0)] > 0
    if not coded.all():
        r, i = np.argwhere(~coded)[0]
        raise UsageError(f"symbol table {ids[r, i]} cannot code the value {values[r, i]} of a leading segment")
    return positions, ids


@dataclass(frozen=True, slots=True, eq=False)
class _Renormalized:
    """What lanes emitted at one step: ``full`` bool ``(B, lanes)`` says which did, ``words`` uint16 what."""

    full: NDArray[np.bool_]
    words: NDArray[np.uint16]


def _push(
    states: NDArray[np.uint64], positions: NDArray[np.int64], ids: NDArray[Any], tables: TableSet
) -> list[_Renormalized]:
    """Code a segment into ``states (B, lanes)``, in place, its last step first."""
    lanes, count = states.shape[1], positions.shape[1]
    freqs, starts = tables.freqs[ids, positions].astype(np.uint64), tables.starts[ids, positions].astype(np.uint64)
    emitted = []
    for first in reversed(range(0, count, lanes)):
        f, start = freqs[:, first : first + lanes], starts[:, first : first + lanes]
        own = states[:, : f.shape[1]]
        full = np.zeros(states.shape, bool)
        full[:, : f.shape[1]] = own >= f << np.uint64(32 - PRECISION_BITS)
        emitted.append(_Renormalized(full, (states & np.uint64(0xFFFF)).astype(np.uint16)))
        states[full] >>= np.uint64(WORD_BITS)
        own[:] = ((own // f) << np.uint64(PRECISION_BITS)) + own % f + start
    return emitted


class RansDecoder:
    """Decodes a batch of records: leading segments one by one, then the body.

    Hostile bytes cannot make it read outside the records: missing words read as zero, and ``decode_body`` reports them.
    """

    def __init__(self, records: Sequence[bytes | memoryview], tables: TableSet, *, lanes: int) -> None:
        """Args: records: one bytes-like object per record. tables: of the file. lanes: the same for all records.

        Raises:
            InvalidFileError: a record is too short for its lanes or its streams, or of odd length.
        """
        self._tables, self._lanes = tables, lanes
        streams = -(-lanes // STREAM_LANES)
        head = lanes * STATE_BYTES + (streams - 1) * STATE_BYTES
        for record in records:
            if len(record) < head or len(record) % WORD_BYTES:
                raise InvalidFileError("RECORD-LENGTH", f"record of {len(record)} bytes cannot hold {lanes} rANS lanes")
        heads = np.array([np.frombuffer(r[:head], "<u4") for r in records], np.int64).reshape(len(records), -1)
        self._states = heads[:, :lanes].astype(np.uint64)
        self._word_counts = np.array([(len(r) - head) // WORD_BYTES for r in records], np.int64)
        self._words = np.zeros((len(records), int(self._word_counts.max(initial=0)) + 1), np.uint64)
        for row, record in zip(self._words, records, strict=True):
            words = np.frombuffer(record[head:], "<u2")
            row[: len(words)] = words
        # Of each stream, the number of its next word and that of the word behind its last; the last stream's is found.
        ends = np.concatenate([np.cumsum(heads[:, lanes:], axis=1), self._word_counts[:, None]], axis=1)
        if (ends > self._word_counts[:, None]).any():
            raise InvalidFileError("RECORD-LENGTH", "a record's streams are longer than the record")
        self._ends = ends
        self._next = np.concatenate([np.zeros((len(records), 1), np.int64), ends[:, :-1]], axis=1)

    def __len__(self) -> int:
        return len(self._states)

    def decode(self, table_ids: NDArray[Any]) -> NDArray[np.int32]:
        """The next leading segment: int32 ``(B, n)`` for ``table_ids`` int ``(n,)`` or ``(B, n)``."""
        return self._tokens(table_ids, lanes=min(self._lanes, STREAM_LANES))

    def decode_body(self, table_ids: NDArray[Any], counts: NDArray[Any] | None = None) -> NDArray[np.int32]:
        """The body, like ``decode``; then nothing is left.

        Args:
            counts: int ``(B,)``, how many symbols each record has, where ``table_ids`` is padded with null tables.

        Raises:
            InvalidFileError: words are missing or left over, a lane did not end where it had to, or patches are wrong.
        """
        tokens = self._tokens(table_ids, lanes=self._lanes)
        ids = np.broadcast_to(table_ids, tokens.shape)
        values = np.zeros_like(tokens)
        for r in range(len(tokens)):
            n = tokens.shape[1] if counts is None else int(counts[r])
            values[r, :n] = self._finished(r, tokens[r, :n], ids[r, :n])
        return values

    def _finished(self, r: int, tokens: NDArray[np.int32], ids: NDArray[Any]) -> NDArray[np.int32]:
        states, held, last = self._states[r], int(self._word_counts[r]), int(self._next[r, -1])
        if (states >> np.uint64(WORD_BITS) != 1).any():
            raise InvalidFileError("RECORD-STATE", "a rANS lane did not end between 2**16 and 2**17")
        in_states = (states & np.uint64(0xFFFF)).astype(np.uint16)
        behind = self._words[r, last:held].astype(np.uint16)
        result = joined(tokens, ids, self._tables, np.concatenate([in_states, behind]))
        if not result.sound:
            raise InvalidFileError("RECORD-PATCH", f"record {r} of the batch: patches are not of its symbols, in order")
        end = last + max(result.words - self._lanes, 0)
        if end != held or (self._next[r, :-1] != self._ends[r, :-1]).any():
            raise InvalidFileError("RECORD-SYMBOLS", f"record {r} of the batch: {held} words, its symbols need {end}")
        if in_states[result.words :].any():
            raise InvalidFileError("RECORD-STATE", "a rANS lane that holds no plain bits did not end at 2**16")
        return result.values

    def _tokens(self, table_ids: NDArray[Any], *, lanes: int) -> NDArray[np.int32]:
        batch, count = len(self._words), table_ids.shape[-1]
        ids = np.broadcast_to(table_ids, (batch, count))
        tokens = np.empty((batch, count), np.int32)
        for first in range(0, count, lanes):
            active = slice(0, min(lanes, count - first))
            states, t = self._states[:, active], ids[:, first : first + lanes]
            slots = self._tables.slots[t, (states & np.uint64(TOTAL - 1)).astype(np.int64)]
            tokens[:, first : first + lanes] = (slots << np.uint32(32 - TOKEN_BITS)).astype(np.int32) >> 32 - TOKEN_BITS
            freqs = (slots >> np.uint32(SLOT_FREQ) & np.uint32(TOTAL - 1)).astype(np.uint64) + np.uint64(1)
            states = freqs * (states >> np.uint64(PRECISION_BITS)) + (slots >> np.uint32(SLOT_BIAS))
            self._states[:, active] = self._refill(states)
        return tokens

    def _refill(self, states: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Lanes ``(B, n)`` that fell below 2**16 take the next words of their stream, in lane order."""
        low, refilled = states < LOWER_BOUND, states.copy()
        for stream in range(-(-states.shape[1] // STREAM_LANES)):
            own = slice(stream * STREAM_LANES, (stream + 1) * STREAM_LANES)
            mine = low[:, own]
            place = self._next[:, stream, None] + np.cumsum(mine, axis=1) - mine
            inside = place < self._ends[:, stream, None]
            words = np.take_along_axis(self._words, np.minimum(place, self._words.shape[1] - 1), axis=1)
            words = np.where(inside, words, np.uint64(0))
            self._next[:, stream] += mine.sum(axis=1)
            refilled[:, own] = np.where(mine, (states[:, own] << np.uint64(WORD_BITS)) | words, states[:, own])
        return refilled
