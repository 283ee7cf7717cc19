"""rANS on a device: one warp decodes a record from the resident bytes of the file (spec section 7.2).

A lane of the record is a lane of the warp. Which words lanes take follows from a ballot and population counts. What to
decode is a list of work items made beforehand, table number and destination of each symbol, so that one loop serves
every segment of every family.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from inrformat.coding.tables import ESCAPE_BITS, PRECISION_BITS, TOTAL, TableSet

__all__ = [
    "FIRST_FAMILY_FAULT",
    "MISCOUNTED",
    "TOO_SHORT",
    "UNFINISHED",
    "RecordStream",
    "decode_items",
    "open_record",
    "record_faults",
    "slot_entries",
]

TOO_SHORT = tl.constexpr(1)
MISCOUNTED = tl.constexpr(2)
UNFINISHED = tl.constexpr(4)
FIRST_FAMILY_FAULT = tl.constexpr(8)
"""Bits of a status from here on are the family's."""


class RecordStream(NamedTuple):
    """What does not change while a kernel reads a record: its words and how many, its lanes, the tables' slots."""

    words: Any
    word_count: Any
    lanes: Any
    slot_entries: Any


def slot_entries(tables: TableSet, device: torch.device) -> Tensor:
    """All that a decoder needs to know of a slot in 8 bytes: int64 ``(T * 4096,)``.

    From the low end: frequency (13 bits), slot - start (12), plain bits (7), the value without its plain bits (32).
    16 plain bits stand for the escape alone: tables have at most 12.
    """
    table = np.arange(len(tables.tables))[:, None]
    token = tables.token_at.astype(np.int64)
    inside = np.arange(TOTAL) - tables.starts[table, token].astype(np.int64)
    escaped = token == tables.escape[:, None]
    bits = np.where(escaped, ESCAPE_BITS, tables.low_bits[:, None]).astype(np.int64)
    value = np.where(escaped, 0, (tables.lowest[:, None] + token) << tables.low_bits[:, None].astype(np.int64))
    packed = tables.freqs[table, token].astype(np.int64) | inside << 13 | bits << 25 | value << 32
    return torch.from_numpy(packed.reshape(-1)).to(device)


_PRECISION = tl.constexpr(PRECISION_BITS)
_SLOTS = tl.constexpr(TOTAL)
_ESCAPE = tl.constexpr(ESCAPE_BITS)
_BOUND = tl.constexpr(1 << 16)


@triton.jit
def _population(x):
    """Bits set in uint32 ``x``."""
    x = x - ((x >> 1) & 0x55555555)
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F
    x = x + (x >> 8)
    return ((x + (x >> 16)) & 63).to(tl.int32)


@triton.jit
def open_record(payload_words, payload_word_count, offsets, lengths, slot_entries, row, lanes):
    """The record's `RecordStream`, its lanes' states, uint32 ``(32,)``, and the number of the word behind them."""
    lane = tl.arange(0, 32)
    first, length = tl.load(offsets + row) // 2, tl.load(lengths + row)
    # A record that does not lie inside the payload holds nothing, and is reported for that.
    inside = (first >= 0) & (length >= 0) & (length % 2 == 0) & (length < 1 << 31)
    inside &= first <= payload_word_count - length // 2
    count = tl.where(inside, length // 2, 0).to(tl.int32)
    words = payload_words + tl.where(inside, first, 0)
    low = tl.load(words + 2 * lane, mask=(lane < lanes) & (2 * lane < count), other=0).to(tl.int32) & 0xFFFF
    high = tl.load(words + 2 * lane + 1, mask=(lane < lanes) & (2 * lane + 1 < count), other=0).to(tl.int32) & 0xFFFF
    state = low.to(tl.uint32) | (high.to(tl.uint32) << 16)
    return RecordStream(words=words, word_count=count, lanes=lanes, slot_entries=slot_entries), state, 2 * lanes


@triton.jit
def record_faults(state, next_word, stream):
    """0, or bits that say how a record that was read to its end is not one."""
    lane = tl.arange(0, 32)
    wrong = tl.max(((lane < stream.lanes) & (state != _BOUND)).to(tl.int32), axis=0)
    faults = tl.where(stream.word_count < 2 * stream.lanes, TOO_SHORT, 0)
    return faults | tl.where(next_word != stream.word_count, MISCOUNTED, 0) | tl.where(wrong > 0, UNFINISHED, 0)


@triton.jit
def _refill(state, next_word, stream, active):
    """Lanes below 2**16 take the next words, in lane order; words beyond the record's end are 0."""
    lane = tl.arange(0, 32)
    bit = tl.full((32,), 1, tl.uint32) << lane.to(tl.uint32)
    low = active & (state < _BOUND)
    ballot = tl.sum(tl.where(low, bit, tl.zeros_like(bit)), axis=0)
    number = next_word + _population(ballot & (bit - 1))
    word = tl.load(stream.words + number, mask=low & (number < stream.word_count), other=0).to(tl.int32) & 0xFFFF
    state = tl.where(low, (state << 16) | word.to(tl.uint32), state)
    return state, next_word + _population(ballot)


@triton.jit
def decode_items(state, next_word, stream, tables, destinations, symbols, count):
    """Decode ``count`` symbols, item i with table ``tables[i]`` to ``symbols[destinations[i]]``.

    Begins a new step of the record: the first item is lane 0's.
    """
    lane = tl.arange(0, 32)
    for first in range(0, count, stream.lanes):
        item = first + lane
        active = (lane < stream.lanes) & (item < count)
        table = tl.load(tables + item, mask=active, other=0)
        destination = tl.load(destinations + item, mask=active, other=0)
        slot = (state & (_SLOTS - 1)).to(tl.int32)
        entry = tl.load(stream.slot_entries + table * _SLOTS + slot, mask=active, other=0)
        low = entry.to(tl.uint32)
        after = (low & 0x1FFF) * (state >> _PRECISION) + ((low >> 13) & 0xFFF)
        state = tl.where(active, after, state)
        state, next_word = _refill(state, next_word, stream, active)
        bits = tl.where(active, low >> 25, tl.zeros_like(low))
        plain = (state & ((tl.full((32,), 1, tl.uint32) << bits) - 1)).to(tl.int32)
        state, next_word = _refill(state >> bits, next_word, stream, active)
        signed = tl.where(plain > 32767, plain - 65536, plain)
        value = tl.where(bits == _ESCAPE, signed, (entry >> 32).to(tl.int32) + plain)
        tl.store(symbols + destination, value.to(tl.int16), mask=active)
    return state, next_word
