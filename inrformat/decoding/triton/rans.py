"""rANS on a device: one warp decodes a stream of a record from the resident bytes of the file (spec section 7.2).

A lane of the stream is a lane of the warp. Which words lanes take follows from a ballot and population counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from inrformat.coding.rans import LOWER_BOUND, MOST_LANES, STREAM_LANES
from inrformat.coding.tables import PRECISION_BITS, SLOT_BIAS, SLOT_FREQ, TOKEN_BITS, TOTAL, TableSet

__all__ = [
    "FIRST_FAMILY_FAULT",
    "MISCOUNTED",
    "SLOTS",
    "TOO_SHORT",
    "UNFINISHED",
    "WRONG_PATCH",
    "RecordWords",
    "Stream",
    "decode_step",
    "lanes_for",
    "plain_low_bits",
    "plain_number",
    "record_words",
    "slot_entries",
    "stream_of",
    "streams_fit",
]

TOO_SHORT = tl.constexpr(1)
MISCOUNTED = tl.constexpr(2)
UNFINISHED = tl.constexpr(4)
WRONG_PATCH = tl.constexpr(8)
FIRST_FAMILY_FAULT = tl.constexpr(16)
"""Bits of a status from here on are the family's."""
SLOTS = tl.constexpr(TOTAL)
_PRECISION, _BIAS, _FREQ = tl.constexpr(PRECISION_BITS), tl.constexpr(SLOT_BIAS), tl.constexpr(SLOT_FREQ)
_TOKEN_SHIFT = tl.constexpr(32 - TOKEN_BITS)
_BOUND = tl.constexpr(LOWER_BOUND)
_WARP, _MOST_LANES = tl.constexpr(STREAM_LANES), tl.constexpr(MOST_LANES)
_MOST_STREAMS = tl.constexpr(MOST_LANES // STREAM_LANES)


class RecordWords(NamedTuple):
    """A record's 16-bit words: a pointer, and how many there are, 0 where it does not lie inside the payload."""

    first: Any
    count: Any


class Stream(NamedTuple):
    """A stream at its beginning: its lanes' states, uint32 ``(32,)``, its next word, and the one behind its last."""

    states: Any
    next_word: Any
    end: Any


def slot_entries(tables: TableSet, device: torch.device) -> Tensor:
    """``TableSet.slots``: int32 ``(T * 1024,)``."""
    return torch.from_numpy(tables.slots.view("int32").reshape(-1)).to(device)


@triton.jit
def lanes_for(wanted):
    """See ``coding.rans.lanes_for``."""
    lanes = 1
    for _ in tl.static_range(5):
        lanes = tl.where(2 * lanes <= wanted, 2 * lanes, lanes)
    return tl.where(wanted < _WARP, lanes, tl.minimum(wanted // _WARP * _WARP, _MOST_LANES))


@triton.jit
def record_words(words, word_count, offsets, lengths, row):
    """The `RecordWords` of record ``row``."""
    first, length = tl.load(offsets + row) // 2, tl.load(lengths + row)
    # A record that does not lie inside the payload holds nothing, and is reported for that.
    inside = (first >= 0) & (length >= 0) & (length % 2 == 0) & (length < 1 << 31)
    inside &= first <= word_count - length // 2
    return RecordWords(first=words + tl.where(inside, first, 0), count=tl.where(inside, length // 2, 0).to(tl.int32))


@triton.jit
def _word(record, number, mask):
    """Words of the record, int32, 0 where there are none."""
    mask &= (number >= 0) & (number < record.count)
    return tl.load(record.first + number, mask=mask, other=0).to(tl.int32) & 0xFFFF


@triton.jit
def _number(record, number, mask):
    """The 32-bit numbers at a record's head, uint32."""
    low, high = _word(record, 2 * number, mask), _word(record, 2 * number + 1, mask)
    return low.to(tl.uint32) | (high.to(tl.uint32) << 16)


@triton.jit
def _stream_lengths(record, lanes):
    """Words of each stream but the last, int64 ``(64,)``, and 0 for others; at most those of the record, and one."""
    number = tl.arange(0, _MOST_STREAMS)
    length = _number(record, lanes + number, number < (lanes - 1) // _WARP).to(tl.int64)
    return tl.minimum(length, record.count + 1)


@triton.jit
def _head_words(lanes):
    return 2 * (lanes + (lanes - 1) // _WARP)


@triton.jit
def streams_fit(record, lanes):
    """Whether a record of so many lanes holds its head and its streams."""
    return _head_words(lanes) + tl.sum(_stream_lengths(record, lanes), axis=0) <= record.count


@triton.jit
def stream_of(record, lanes, number):
    """The `Stream` of that number."""
    lane, lengths = tl.arange(0, _WARP), _stream_lengths(record, lanes)
    which = tl.arange(0, _MOST_STREAMS)
    first = _head_words(lanes) + tl.sum(tl.where(which < number, lengths, 0), axis=0)
    own = tl.sum(tl.where(which == number, lengths, 0), axis=0)
    end = tl.where(number < (lanes - 1) // _WARP, tl.minimum(first + own, record.count), record.count)
    first = tl.minimum(first, record.count + 1)
    lane += number * _WARP
    return Stream(
        states=_number(record, lane, lane < lanes),
        next_word=first.to(tl.int32),
        end=end.to(tl.int32),
    )


@triton.jit
def _population(x):
    """Bits set in uint32 ``x``, in the form in which LLVM knows it for one instruction."""
    x = x - ((x >> 1) & 0x55555555)
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F
    return ((x * 0x01010101) >> 24).to(tl.int32)


@triton.jit
def decode_step(record, states, next_word, end, slot_entries, table, active):
    """One symbol of each lane that is ``active``, with ``table`` ``(32,)``.

    Returns:
        States, the number of the next word, and the tokens.
    """
    lane = tl.arange(0, _WARP)
    slot = (states & (SLOTS - 1)).to(tl.int32)
    entry = tl.load(slot_entries + table * SLOTS + slot, mask=active, other=0)
    token = (entry << _TOKEN_SHIFT) >> _TOKEN_SHIFT
    entry = entry.to(tl.uint32, bitcast=True)
    after = (((entry >> _FREQ) & (SLOTS - 1)) + 1) * (states >> _PRECISION) + (entry >> _BIAS)
    states = tl.where(active, after, states)
    # Lanes below 2**16 take the next words, in lane order; words beyond the stream's end are 0.
    low = active & (states < _BOUND)
    bit = tl.full((_WARP,), 1, tl.uint32) << lane.to(tl.uint32)
    ballot = tl.sum(tl.where(low, bit, tl.zeros_like(bit)), axis=0)
    number = next_word + _population(ballot & (bit - 1))
    word = tl.load(record.first + number, mask=low & (number < end), other=0).to(tl.int32) & 0xFFFF
    states = tl.where(low, (states << 16) | word.to(tl.uint32), states)
    return states, next_word + _population(ballot), token


@triton.jit
def _plain_word(record, states, lanes, first, number, mask):
    """Words of the plain bits: the low halves of the lanes' last states, then the record's from ``first`` on."""
    in_state = tl.load(states + number, mask=mask & (number < lanes), other=0) & 0xFFFF
    behind = _word(record, first + number - lanes, mask & (number >= lanes))
    return tl.where(number < lanes, in_state, behind)


@triton.jit
def plain_low_bits(record, states, lanes, first, at, width, mask):
    """``plain_number`` of at most 12 bits, int32."""
    number = _plain_word(record, states, lanes, first, at >> 4, mask)
    number |= _plain_word(record, states, lanes, first, (at >> 4) + 1, mask) << 16
    number = number.to(tl.uint32, bitcast=True) >> (at & 15).to(tl.uint32)
    return number.to(tl.int32, bitcast=True) & ((1 << width) - 1)


@triton.jit
def plain_number(record, states, lanes, first, at, width, mask):
    """Numbers of ``width`` bits, at most 32, from bit ``at`` of the plain ones on, int64; see spec section 7.4.

    ``states``: pointer to the lanes' last states, int32. ``first``: the record's word behind all coded ones.
    """
    word = at >> 4
    number = _plain_word(record, states, lanes, first, word, mask).to(tl.int64)
    number |= _plain_word(record, states, lanes, first, word + 1, mask).to(tl.int64) << 16
    number |= _plain_word(record, states, lanes, first, word + 2, mask).to(tl.int64) << 32
    one = tl.full(number.shape, 1, tl.int64)
    return (number >> (at & 15)) & ((one << width) - 1)
