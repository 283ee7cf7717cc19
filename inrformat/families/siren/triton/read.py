"""Records of ``siren`` to parameters, zero-padded to one shape (spec section 6.1): before and after their bodies.

Which table a symbol has, and where its low bits lie, is the same in all records of a network.
"""

from __future__ import annotations

import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.bodies import (
    COUNT,
    FIELDS as PROGRESS,
    LANES,
    LOW_BITS,
    NEXT_WORD,
    PLAIN_FIRST,
    add_patches,
)
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import TOO_SHORT, plain_low_bits, record_words, stream_of, streams_fit
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE
from inrformat.families.siren.triton.descriptors import (
    FIELDS,
    LOW_BIT_COUNT,
    PARAMETER_COUNT,
    POSITIONS,
    QUANTIZATION,
    RANS_LANES,
    SYMBOLS,
)

__all__ = ["CONSTANTS", "OPTIONS", "siren_items_kernel", "siren_parameters_kernel"]

CONSTANTS = {"CHUNK": 128}
OPTIONS = {"num_warps": 1}
_SCALE_BOUND = tl.constexpr(800)
"""Beyond 2**100 a step is no step; keeps parameters finite whatever the bytes."""
_SCALES_PER_OCTAVE = tl.constexpr(SCALES_PER_OCTAVE)
_WARP = tl.constexpr(32)


@entry(varying=("lane_capacity",))
def siren_items_kernel(
    words,
    word_count: tl.int64,
    offsets,
    lengths,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    integers,
    items,
    states,
    progress,
    status,
    item_capacity,
    lane_capacity,
    CHUNK: tl.constexpr,
):
    """One record per program; CHUNK: symbols seen to at a time."""
    sample = tl.program_id(0).to(tl.int64)
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    progress += sample * PROGRESS
    if tl.load(head + IN_FAMILY) == 0:
        tl.store(progress + LANES, 0)
        return
    lanes, count = tl.load(head + RANS_LANES), 1 + tl.load(head + PARAMETER_COUNT)
    chunk, tables = tl.arange(0, CHUNK), integers + tl.load(head + SYMBOLS)
    for base in range(0, count, CHUNK):
        item = base + chunk
        table = tl.load(tables + item, mask=item < count, other=0)
        tl.store(items + sample * item_capacity + item, table.to(tl.int16), mask=item < count)
    record = record_words(words, word_count, offsets, lengths, shape.row)
    stream, lane = stream_of(record, lanes, 0), tl.arange(0, _WARP)
    first_states = states + sample * lane_capacity + lane
    tl.store(first_states, stream.states.to(tl.int32, bitcast=True), mask=lane < lanes)
    tl.store(progress + LANES, lanes)
    tl.store(progress + COUNT, count)
    tl.store(progress + NEXT_WORD, stream.next_word)
    tl.store(progress + LOW_BITS, tl.load(head + LOW_BIT_COUNT))
    tl.store(status + sample, tl.where(streams_fit(record, lanes), 0, TOO_SHORT))


@entry(varying=("lane_capacity",))
def siren_parameters_kernel(
    words,
    word_count: tl.int64,
    offsets,
    lengths,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    integers,
    floats,
    items,
    states,
    progress,
    parameters,
    status,
    item_capacity,
    lane_capacity,
    padded_count,
    CHUNK: tl.constexpr,
):
    """One record per program; CHUNK: symbols seen to at a time."""
    sample = tl.program_id(0).to(tl.int64)
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    items += sample * item_capacity
    states += sample * lane_capacity
    progress += sample * PROGRESS
    parameters += sample * padded_count
    record, chunk = record_words(words, word_count, offsets, lengths, shape.row), tl.arange(0, CHUNK)
    lanes, plain_first = tl.load(progress + LANES), tl.load(progress + PLAIN_FIRST)
    count, low_bits = tl.load(head + PARAMETER_COUNT), integers + tl.load(head + SYMBOLS)
    low_bits += 1 + count
    for base in range(0, 1 + count, CHUNK):
        item = base + chunk
        bits = tl.load(low_bits + item, mask=item < 1 + count, other=0)
        width = bits & 15
        plain = plain_low_bits(record, states, lanes, plain_first, bits >> 4, width, width > 0)
        token = tl.load(items + item, mask=width > 0, other=0).to(tl.int32)
        tl.store(items + item, ((token << width) | plain).to(tl.int16), mask=width > 0)
    for base in range(0, padded_count, CHUNK):
        tl.store(parameters + base + chunk, tl.zeros((CHUNK,), tl.float32), mask=base + chunk < padded_count)
    tl.debug_barrier()
    faults = add_patches(record, items, states, progress, item_capacity)
    tl.store(status + sample, tl.load(status + sample) | faults)
    tl.debug_barrier()
    scale = tl.load(items).to(tl.float32)
    factor = tl.exp2(tl.minimum(tl.maximum(scale, -_SCALE_BOUND), _SCALE_BOUND) / _SCALES_PER_OCTAVE)
    quantization_steps = floats + tl.load(head + QUANTIZATION)
    bases, positions = quantization_steps + count, integers + tl.load(head + POSITIONS)
    for first in range(0, count, CHUNK):
        item = first + chunk
        position = tl.load(positions + item, mask=item < count, other=0)
        symbol = tl.load(items + 1 + item, mask=item < count, other=0).to(tl.float32)
        quantization_step = tl.load(quantization_steps + item, mask=item < count, other=0.0) * factor
        origin = tl.load(bases + item, mask=item < count, other=0.0)
        tl.store(parameters + position, origin + symbol * quantization_step, mask=item < count)
