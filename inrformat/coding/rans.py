"""Interleaved rANS with static tables: the normative numpy coder (spec section 7.2).

A record's symbols are dealt to L lanes: symbol ``i`` of a segment goes to lane ``i % L`` at step ``i // L``. Every lane
has a 32-bit state of its own; all lanes read 16-bit words from one shared stream, lane 0 first within a step. One GPU
warp therefore decodes a record with a ballot and a population count where this file has a cumulative sum, straight
from the record's bytes::

    record = states (L x uint32) | words (n x uint16)                       little-endian

The state stays in [2**16, 2**32), so that a lane reads at most one word after each symbol and at most one after its
plain bits. A record costs about three bytes per lane over the ideal code length (two for the initial state, one for
what is unused of the final one), which is why small networks use few lanes.

The functions work on a batch of records whose segments have equal lengths; unequal records are batches of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import ESCAPE_BITS, PRECISION_BITS, TOTAL, VALUE_MAX, VALUE_MIN, TableSet
from inrformat.errors import InvalidFileError, UsageError

__all__ = ["LANE_CHOICES", "STATE_BYTES", "WORD_BYTES", "RansDecoder", "encode", "lanes_for"]

LOWER_BOUND = 1 << 16
WORD_BITS = 16
STATE_BYTES, WORD_BYTES = 4, 2
LANE_CHOICES = (1, 2, 4, 8, 16, 32)

Segment = tuple[NDArray[Any], NDArray[Any]]
"""``values`` int ``(B, n)`` and ``table_ids`` int ``(n,)`` or ``(B, n)``."""


def lanes_for(symbols: int) -> int:
    """Lanes of a record with that many symbols: a power of two, 1..32, one for each 256 symbols (spec section 7.3).

    At 4 to 8 bits per symbol the 3 bytes that a lane costs are then 0.6 to 2.4 % of the record.
    """
    return min(1 << max(symbols // 256, 1).bit_length() - 1, LANE_CHOICES[-1])


def encode(segments: Sequence[Segment], tables: TableSet, *, lanes: int) -> list[bytes]:
    """Code B records; segments are decoded in the order given, each starting at a fresh step.

    Raises:
        UsageError: a value outside 16 bits, or one that its table can neither code nor escape.
    """
    batch = len(segments[0][0])
    states = np.full((batch, lanes), LOWER_BOUND, np.uint64)
    emitted: list[tuple[NDArray[np.bool_], NDArray[np.uint16]]] = []
    for values, table_ids in reversed(segments):
        freqs, starts, bits, plain = _split(np.asarray(values), np.asarray(table_ids), tables, lanes)
        for step in reversed(range(freqs.shape[1])):
            # rANS is last in, first out: everything the decoder does is undone here in the opposite order.
            n = bits[:, step]
            emitted.append(_renormalize(states, (n > 0) & (states >> (np.uint64(32) - n) > 0)))
            states = (states << n) | plain[:, step]
            f = freqs[:, step]
            coded = f > 0
            emitted.append(_renormalize(states, coded & (states >= f << np.uint64(32 - PRECISION_BITS))))
            safe = np.maximum(f, np.uint64(1))
            pushed = ((states // safe) << np.uint64(PRECISION_BITS)) + states % safe + starts[:, step]
            states = np.where(coded, pushed, states)
    masks = np.array([mask for mask, _ in reversed(emitted)], bool).reshape(-1, batch, lanes)
    words = np.array([word for _, word in reversed(emitted)], "<u2").reshape(-1, batch, lanes)
    heads = states.astype("<u4")
    return [heads[r].tobytes() + words[:, r][masks[:, r]].tobytes() for r in range(batch)]


def _renormalize(states: NDArray[np.uint64], full: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
    """Move the low word out of the ``full`` lanes of ``states``, in place."""
    words = (states & np.uint64(0xFFFF)).astype(np.uint16)
    states[full] >>= np.uint64(WORD_BITS)
    return full, words


def _split(
    values: NDArray[Any], table_ids: NDArray[Any], tables: TableSet, lanes: int
) -> tuple[NDArray[np.uint64], ...]:
    """Frequency, start, number of plain bits and plain bits of each value: uint64 ``(B, steps, lanes)``, 0 padded."""
    if values.size and (values.min() < VALUE_MIN or values.max() > VALUE_MAX):
        raise UsageError(f"symbols {values.min()}..{values.max()} do not fit 16 bits: use coarser quantization steps")
    batch, count = values.shape
    ids = np.broadcast_to(table_ids, values.shape)
    values = values.astype(np.int64)
    low_bits, escape = tables.low_bits[ids], tables.escape[ids]
    tokens = (values >> low_bits) - tables.lowest[ids]
    tokens = np.where((tokens >= 0) & (tokens < escape), tokens, escape)
    tokens = np.where(tables.freqs[ids, tokens] > 0, tokens, escape)
    freqs = tables.freqs[ids, tokens]
    if not freqs.all():
        r, i = np.argwhere(freqs == 0)[0]
        raise UsageError(f"symbol table {ids[r, i]} can neither code nor escape the value {values[r, i]}")
    bits = np.where(tokens == escape, ESCAPE_BITS, low_bits)
    plain = values & ((1 << bits) - 1)
    steps = -(-count // lanes)

    def dealt(x: NDArray[Any]) -> NDArray[np.uint64]:
        padded = np.zeros((batch, steps * lanes), np.uint64)
        padded[:, :count] = x.astype(np.uint64)
        return padded.reshape(batch, steps, lanes)

    return dealt(freqs), dealt(tables.starts[ids, tokens]), dealt(bits), dealt(plain)


class RansDecoder:
    """Decodes a batch of records segment by segment.

    Hostile bytes cannot make it read outside the records: missing words read as zero, and ``finish`` reports them.
    """

    def __init__(self, records: Sequence[bytes | memoryview], tables: TableSet, *, lanes: int) -> None:
        """Args: records: one bytes-like object per record. tables: of the file. lanes: the same for all records."""
        self._tables = tables
        self._lanes = lanes
        head = lanes * STATE_BYTES
        for record in records:
            if len(record) < head or len(record) % WORD_BYTES:
                raise InvalidFileError("RECORD-LENGTH", f"record of {len(record)} bytes cannot hold {lanes} rANS lanes")
        self._word_counts = np.array([(len(r) - head) // WORD_BYTES for r in records], np.int64)
        self._states = np.array([np.frombuffer(r[:head], "<u4") for r in records], np.uint64).reshape(-1, lanes)
        self._words = np.zeros((len(records), int(self._word_counts.max(initial=0)) + 1), np.uint64)
        for row, record in zip(self._words, records, strict=True):
            words = np.frombuffer(record[head:], "<u2")
            row[: len(words)] = words
        self._next = np.zeros(len(records), np.int64)

    def decode(self, table_ids: NDArray[Any]) -> NDArray[np.int32]:
        """The next segment: int32 ``(B, n)`` for ``table_ids`` int ``(n,)`` or ``(B, n)``."""
        tables, lanes, batch = self._tables, self._lanes, len(self._words)
        count = table_ids.shape[-1]
        ids = np.broadcast_to(table_ids, (batch, count))
        values = np.empty((batch, count), np.int32)
        for first in range(0, count, lanes):
            active = slice(0, min(lanes, count - first))
            states, t = self._states[:, active], ids[:, first : first + lanes]
            slots = states & np.uint64(TOTAL - 1)
            tokens = tables.token_at[t, slots]
            states = tables.freqs[t, tokens] * (states >> np.uint64(PRECISION_BITS)) + slots - tables.starts[t, tokens]
            states = self._refill(states)
            escaped = tokens == tables.escape[t]
            bits = np.where(escaped, ESCAPE_BITS, tables.low_bits[t]).astype(np.uint64)
            plain = (states & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
            # Where bits is 0 the state already is at or above the bound, so nothing is read.
            self._states[:, active] = self._refill(states >> bits)
            coded = ((tables.lowest[t] + tokens) << tables.low_bits[t]) + plain
            values[:, first : first + lanes] = np.where(escaped, plain.astype(np.uint16).astype(np.int16), coded)
        return values

    def _refill(self, states: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Lanes that fell below 2**16 take the next words of their record, in lane order."""
        low = states < LOWER_BOUND
        place = self._next[:, None] + np.cumsum(low, axis=1) - low
        words = np.take_along_axis(self._words, np.minimum(place, self._words.shape[1] - 1), axis=1)
        self._next += low.sum(axis=1)
        return np.where(low, (states << np.uint64(WORD_BITS)) | words, states)

    def finish(self) -> None:
        """Check that every record ended where it had to.

        Raises:
            InvalidFileError: words are missing or left over, or a lane did not return to its initial state.
        """
        for r, (used, held) in enumerate(zip(self._next, self._word_counts, strict=True)):
            if used != held:
                raise InvalidFileError(
                    "RECORD-SYMBOLS", f"record {r} of the batch: {held} words, its symbols need {used}"
                )
        if (self._states != LOWER_BOUND).any():
            raise InvalidFileError("RECORD-STATE", "a rANS lane did not end in its initial state")
