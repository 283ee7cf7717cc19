"""Records of ``siren`` to parameters, zero-padded to one shape: one program of one warp a record (spec section 6.1)."""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.descriptors import FAMILY, FIELDS, FLOATS, LANES, PARAMETERS, SCALE_TABLE, SIREN, TABLES
from inrformat.decode.triton.rans import decode_items, open_record, record_faults
from inrformat.families.cells.triton.read import shape_of

__all__ = ["read_siren_kernel"]

_SCALE_BOUND = tl.constexpr(800)
"""Beyond 2**100 a step is no step; keeps parameters finite whatever the bytes."""


@triton.jit
def read_siren_kernel(
    words, offsets, lengths, shapes, rows, entries, heads, integers, floats,
    area, work, parameters, status,
    records, networks, total_words, max_height, max_width, area_size, scale_at, padded,
    CHUNK: tl.constexpr,
):  # fmt: skip
    """Parameters float32: weights ``(layers, PAD out, PAD in)``, then biases ``(layers, PAD)``."""
    sample = tl.program_id(0).to(tl.int64)
    row, network, _, _ = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != SIREN:
        return
    step = tl.arange(0, CHUNK)
    symbols = area + sample * area_size
    one = work + sample * 2
    parameters += sample * padded
    lanes, count = tl.load(head + LANES), tl.load(head + PARAMETERS)
    tables = integers + tl.load(head + TABLES)
    places = tables + count
    stream, state, following = open_record(words, offsets, lengths, entries, row, total_words, lanes)
    tl.store(one, tl.load(head + SCALE_TABLE))
    tl.store(one + 1, scale_at)
    tl.debug_barrier()
    state, following = decode_items(state, following, stream, one, one + 1, symbols, 1)
    state, following = decode_items(state, following, stream, tables, places, symbols, count)
    tl.store(status + sample, record_faults(state, following, stream))
    for base in range(0, padded, CHUNK):
        tl.store(parameters + base + step, tl.zeros((CHUNK,), tl.float32), mask=base + step < padded)
    tl.debug_barrier()
    scale = tl.load(symbols + scale_at).to(tl.float32)
    factor = tl.exp2(tl.minimum(tl.maximum(scale, -_SCALE_BOUND), _SCALE_BOUND) / 8)
    steps = floats + tl.load(head + FLOATS)
    for base in range(0, count, CHUNK):
        item = base + step
        place = tl.load(places + item, mask=item < count, other=0)
        symbol = tl.load(symbols + place, mask=item < count, other=0).to(tl.float32)
        quantum = tl.load(steps + item, mask=item < count, other=0.0) * factor
        origin = tl.load(steps + count + item, mask=item < count, other=0.0)
        tl.store(parameters + place, origin + symbol * quantum, mask=item < count)
