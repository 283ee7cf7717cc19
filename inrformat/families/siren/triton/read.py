"""Records of ``siren`` to parameters, zero-padded to one shape: one program of one warp per record (spec 6.1)."""

from __future__ import annotations

import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import decode_items, open_record, record_faults
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE
from inrformat.families.siren.triton.descriptors import (
    FIELDS,
    LANES,
    PARAMETER_COUNT,
    PARAMETERS,
    QUANTIZATION,
    SCALE_TABLE,
)

__all__ = ["CONSTANTS", "OPTIONS", "read_siren_kernel"]

CONSTANTS = {"CHUNK": 128}
OPTIONS = {"num_warps": 1}
_SCALE_BOUND = tl.constexpr(800)
"""Beyond 2**100 a step is no step; keeps parameters finite whatever the bytes."""
_SCALES_PER_OCTAVE = tl.constexpr(SCALES_PER_OCTAVE)


@entry(varying=("scale_position",))
def read_siren_kernel(
    words,
    word_count: tl.int64,
    offsets,
    lengths,
    slot_entries,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    integers,
    floats,
    symbols,
    scale_item,
    parameters,
    status,
    symbol_count,
    scale_position,
    padded_count,
    CHUNK: tl.constexpr,
):
    """One record per program; CHUNK: parameters dequantized at a time."""
    sample = tl.program_id(0).to(tl.int64)
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    chunk = tl.arange(0, CHUNK)
    symbols += sample * symbol_count
    scale_item += sample * 2
    parameters += sample * padded_count
    count = tl.load(head + PARAMETER_COUNT)
    tables = integers + tl.load(head + PARAMETERS)
    positions = tables + count
    lanes = tl.load(head + LANES)
    stream, state, next_word = open_record(words, word_count, offsets, lengths, slot_entries, shape.row, lanes)
    tl.store(scale_item, tl.load(head + SCALE_TABLE))
    tl.store(scale_item + 1, scale_position)
    tl.debug_barrier()
    state, next_word = decode_items(state, next_word, stream, scale_item, scale_item + 1, symbols, 1)
    state, next_word = decode_items(state, next_word, stream, tables, positions, symbols, count)
    tl.store(status + sample, record_faults(state, next_word, stream))
    for base in range(0, padded_count, CHUNK):
        tl.store(parameters + base + chunk, tl.zeros((CHUNK,), tl.float32), mask=base + chunk < padded_count)
    tl.debug_barrier()
    scale = tl.load(symbols + scale_position).to(tl.float32)
    factor = tl.exp2(tl.minimum(tl.maximum(scale, -_SCALE_BOUND), _SCALE_BOUND) / _SCALES_PER_OCTAVE)
    quantization_steps = floats + tl.load(head + QUANTIZATION)
    bases = quantization_steps + count
    for first in range(0, count, CHUNK):
        item = first + chunk
        position = tl.load(positions + item, mask=item < count, other=0)
        symbol = tl.load(symbols + position, mask=item < count, other=0).to(tl.float32)
        quantization_step = tl.load(quantization_steps + item, mask=item < count, other=0.0) * factor
        origin = tl.load(bases + item, mask=item < count, other=0.0)
        tl.store(parameters + position, origin + symbol * quantization_step, mask=item < count)
