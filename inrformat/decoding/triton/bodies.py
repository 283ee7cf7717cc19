"""Bodies of records of any family: one program of one warp per stream (spec section 7.2).

A family puts the symbol table of each symbol of a body into ``items``, in their order; reading puts the symbol's token
in its place. Low bits and patches are the family's to add, when all streams have been read (``add_patches``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inrformat.coding.rans import STREAM_LANES
from inrformat.coding.tables import VALUE_BITS
from inrformat.decoding.arena import Arena
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import (
    MISCOUNTED,
    UNFINISHED,
    WRONG_PATCH,
    decode_step,
    plain_number,
    record_words,
    stream_of,
)

__all__ = [
    "COUNT",
    "FIELDS",
    "LANES",
    "LOW_BITS",
    "NEXT_WORD",
    "OPTIONS",
    "PLAIN_FIRST",
    "POINTERS",
    "Bodies",
    "add_patches",
    "kernels",
    "read_bodies",
    "read_bodies_kernel",
]

OPTIONS = {"num_warps": 1}
POINTERS = {"items": "*i16", "progress": "*i32", "states": "*i32"}
"""Types of the tensors of `Bodies`, as Triton spells them."""
# Fields of ``Bodies.progress``.
LANES = tl.constexpr(0)
COUNT = tl.constexpr(1)
NEXT_WORD = tl.constexpr(2)
PLAIN_FIRST = tl.constexpr(3)
LOW_BITS = tl.constexpr(4)
FIELDS = tl.constexpr(5)
_WARP = tl.constexpr(STREAM_LANES)
_VALUE_BITS = tl.constexpr(VALUE_BITS)


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Bodies of a batch of records being read.

    Attributes:
        items: int16 ``(batch, item_capacity)``, of each symbol its table, then its token, then its value.
        states: int32 ``(batch, lanes)``, of each lane; before the body only those of the first stream are set.
        progress: int32 ``(batch, FIELDS)``: LANES of the record, 0 for those of other families; COUNT of symbols;
            NEXT_WORD of the first stream when its leading segments have been read; PLAIN_FIRST, the word behind all
            coded ones when the body has been read; LOW_BITS of all symbols, before the list of patches.
    """

    items: Tensor
    states: Tensor
    progress: Tensor

    @classmethod
    def empty(cls, batch: int, *, items: int, lanes: int, arena: Arena) -> Bodies:
        """Memory for ``batch`` records of at most so many symbols and lanes, cut from ``arena``."""
        return cls(
            items=arena.empty(batch, items, dtype=torch.int16),
            states=arena.empty(batch, lanes, dtype=torch.int32),
            progress=arena.empty(batch, FIELDS.value, dtype=torch.int32),
        )

    @staticmethod
    def record_bytes(*, items: int, lanes: int) -> int:
        """Memory of one record."""
        return 2 * items + 4 * (lanes + int(FIELDS.value))


def read_bodies(bodies: Bodies, *, payload: Payload, samples: Samples, status: Tensor) -> None:
    """Decode the bodies of a batch, whose tables are in ``items``."""
    streams = -(-bodies.states.shape[1] // STREAM_LANES)
    kernel: Any = read_bodies_kernel
    kernel[(len(samples.rows) * streams,)](
        **payload._asdict(),
        rows=samples.rows,
        record_count=samples.record_count,
        items=bodies.items,
        states=bodies.states,
        progress=bodies.progress,
        status=status,
        item_capacity=bodies.items.shape[1],
        lane_capacity=bodies.states.shape[1],
        stream_capacity=streams,
        **OPTIONS,
    )


@entry(varying=("lane_capacity", "stream_capacity"))
def read_bodies_kernel(
    words,
    word_count: tl.int64,
    offsets,
    lengths,
    slot_entries,
    rows,
    record_count,
    items,
    states,
    progress,
    status,
    item_capacity,
    lane_capacity,
    stream_capacity,
):
    """One stream per program."""
    sample, number = (tl.program_id(0) // stream_capacity).to(tl.int64), tl.program_id(0) % stream_capacity
    items += sample * item_capacity
    states += sample * lane_capacity + number * _WARP
    progress += sample * FIELDS
    lanes = tl.load(progress + LANES)
    if number * _WARP >= lanes:
        return
    row = tl.minimum(tl.maximum(tl.load(rows + sample), 0), record_count - 1)
    record = record_words(words, word_count, offsets, lengths, row)
    stream = stream_of(record, lanes, number)
    lane = tl.arange(0, _WARP)
    in_use = lane < tl.minimum(lanes, _WARP)
    # Leading segments have been read from the first stream.
    left = tl.load(states + lane, mask=in_use & (number == 0), other=0).to(tl.uint32, bitcast=True)
    state = tl.where(number == 0, left, stream.states)
    next_word = tl.where(number == 0, tl.load(progress + NEXT_WORD), stream.next_word)
    count = tl.minimum(tl.load(progress + COUNT), item_capacity)
    item = number * _WARP + lane
    # Tables are asked for two steps ahead: they come from further than a step takes.
    table = tl.load(items + item, mask=in_use & (item < count), other=0)
    following = tl.load(items + item + lanes, mask=in_use & (item + lanes < count), other=0)
    for _ in range(number * _WARP, count, lanes):
        after = item + 2 * lanes
        later = tl.load(items + after, mask=in_use & (after < count), other=0)
        active = in_use & (item < count)
        state, next_word, token = decode_step(
            record, state, next_word, stream.end, slot_entries, table.to(tl.int32), active
        )
        tl.store(items + item, token.to(tl.int16), mask=active)
        table, following, item = following, later, item + lanes
    tl.store(states + lane, state.to(tl.int32, bitcast=True), mask=in_use)
    unfinished = tl.max((in_use & ((state >> 16) != 1)).to(tl.int32), axis=0)
    faults = tl.where(unfinished > 0, UNFINISHED, 0)
    if (number + 1) * _WARP >= lanes:
        tl.store(progress + PLAIN_FIRST, next_word)
    else:
        faults |= tl.where(next_word != stream.end, MISCOUNTED, 0)
    tl.atomic_or(status + sample, faults)


def kernels() -> Iterator[KernelVariant]:
    """The kernel as ``read_bodies`` launches it, see ``TritonBackend.kernels``."""
    yield KernelVariant(
        name="bodies",
        kernel=read_bodies_kernel,
        constants={},
        options=OPTIONS,
        pointers=POINTERS,
        multiples_of_16=("item_capacity",),
    )


@triton.jit
def _bits_of(count):
    """Bits that the number of one of ``count`` symbols takes."""
    bits = 0
    while (count >> bits) > 0:
        bits += 1
    return bits


@triton.jit
def add_patches(record, items, states, progress, item_capacity):
    """Patch a body whose low bits have been added; returns faults. One program per record, all pointers its own."""
    lanes, first = tl.load(progress + LANES), tl.load(progress + PLAIN_FIRST)
    count, at = tl.minimum(tl.load(progress + COUNT), item_capacity), tl.load(progress + LOW_BITS)
    lane, all_of_them = tl.arange(0, _WARP), tl.full((_WARP,), 1, tl.int1)
    zero = tl.zeros((_WARP,), tl.int32)
    width = _bits_of(count)
    patched = tl.max(plain_number(record, states, lanes, first, zero + at, zero + 1, all_of_them), axis=0)
    patches = tl.max(plain_number(record, states, lanes, first, zero + at + 1, zero + width, all_of_them), axis=0)
    patches = tl.where(patched > 0, patches, 0)
    sound = patches <= count
    patches = tl.where(sound, patches, 0).to(tl.int32)
    at += 1 + tl.where(patched > 0, width, 0)
    pair = width + _VALUE_BITS
    for base in range(0, patches, _WARP):
        number = base + lane
        exists = number < patches
        place = at.to(tl.int64) + number.to(tl.int64) * pair
        symbol = plain_number(record, states, lanes, first, place, zero + width, exists)
        before = plain_number(record, states, lanes, first, place - pair, zero + width, exists & (number > 0))
        wrong = exists & ((symbol >= count) | ((number > 0) & (before >= symbol)))
        sound &= tl.max(wrong.to(tl.int32), axis=0) == 0
        value = plain_number(record, states, lanes, first, place + width, zero + _VALUE_BITS, exists)
        tl.store(items + symbol, value.to(tl.int16), mask=exists & ~wrong)
    end = at.to(tl.int64) + patches.to(tl.int64) * pair
    return tl.where(sound, 0, WRONG_PATCH) | _wrong_end(record, states, lanes, first, (end + 15) // 16)


@triton.jit
def _wrong_end(record, states, lanes, first, plain_words):
    """Faults of a record that does not end behind so many words of plain bits, of which the states hold the first."""
    faults = tl.where(first + tl.maximum(plain_words - lanes, 0) != record.count, MISCOUNTED, 0)
    lane = tl.arange(0, _WARP)
    for base in range(0, lanes, _WARP):
        unused = (base + lane < lanes) & (base + lane >= plain_words)
        state = tl.load(states + base + lane, mask=unused, other=1 << 16)
        faults |= tl.where(tl.max((state != 1 << 16).to(tl.int32), axis=0) > 0, UNFINISHED, 0)
    return faults
