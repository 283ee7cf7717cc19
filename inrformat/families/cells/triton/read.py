"""Records of ``cells`` to weights: one program of one warp per record (spec section 6.2.4).

Symbols of a record stay as they are coded: kernels that evaluate multiply them by the record's quantization step.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import FIRST_FAMILY_FAULT, open_record, record_faults
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.families.cells.triton.descriptors import FIELDS, LANE_PIXELS, STEP
from inrformat.families.cells.triton.means import build_node_means, store_cells
from inrformat.families.cells.triton.nodes import node_grid, start_of, top_side
from inrformat.families.cells.triton.symbols import (
    CellsRecord,
    WorkLists,
    read_classes,
    read_means,
    read_scale,
    read_weights,
)

__all__ = ["NO_SUCH_SCALE", "OPTIONS", "read_cells_kernel"]

OPTIONS = {"num_warps": 1, "maxnreg": 160}
NO_SUCH_SCALE = tl.constexpr(2 * FIRST_FAMILY_FAULT.value)
_SCALE_LIMIT = tl.constexpr(32)
_SCALES_PER_OCTAVE = tl.constexpr(SCALES_PER_OCTAVE)


@triton.jit
def _lanes(height, width, lane_pixels):
    wanted = height * width // lane_pixels
    lanes = 1
    for _ in tl.static_range(5):
        lanes = tl.where(2 * lanes <= wanted, 2 * lanes, lanes)
    return lanes


@triton.jit
def _work_lists(work, node_count, CHUNK: tl.constexpr):
    nodes = work + 2 * CHUNK
    return WorkLists(tables=work, destinations=work + CHUNK, nodes=nodes, first_items=nodes + node_count)


@entry(varying=("node_count", "details_start", "roots_start", "scale_position"))
def read_cells_kernel(
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
    unit_words,
    symbols,
    work,
    node_means,
    cell_means,
    cell_sides,
    steps,
    status,
    symbol_count,
    node_count,
    details_start,
    roots_start,
    plane_start,
    scale_position,
    plane_width,
    plane_size,
    C: tl.constexpr,
    CHUNK: tl.constexpr,
    NODE_BITS: tl.constexpr,
):
    """One record per program. NODE_BITS: of the greatest number of a node."""
    sample = tl.program_id(0).to(tl.int64)
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    height, width = shape.height, shape.width
    grid = node_grid(height, width)
    top = top_side(height, width)
    lanes = _lanes(height, width, tl.load(head + LANE_PIXELS))
    stream, state, next_word = open_record(words, word_count, offsets, lengths, slot_entries, shape.row, lanes)
    record = CellsRecord(
        stream=stream,
        head=head,
        integers=integers,
        unit_words=unit_words,
        grid=grid,
        top_nodes=((height + top - 1) // top) * ((width + top - 1) // top),
        symbols=symbols + sample * symbol_count,
        details_start=details_start,
        roots_start=roots_start,
        plane_start=plane_start,
        plane_width=plane_width,
        plane_size=plane_size,
        lists=_work_lists(work + sample * 2 * (CHUNK + node_count), node_count, CHUNK),
    )

    state, next_word, scale = read_scale(record, state, next_word, scale_position)
    faults = tl.where((scale > _SCALE_LIMIT) | (scale < -_SCALE_LIMIT), NO_SUCH_SCALE, 0)
    scale = tl.minimum(tl.maximum(scale, -_SCALE_LIMIT), _SCALE_LIMIT)
    quantization_step = tl.load(floats + tl.load(head + STEP)) * tl.exp2(scale.to(tl.float32) / _SCALES_PER_OCTAVE)
    tl.store(steps + sample, quantization_step)

    low, high = 0, start_of(16, grid)  # of 32 px and more, then of 16 px, then of 8
    for _ in range(3):
        state, next_word, faults = read_classes(record, state, next_word, faults, low, high, CHUNK)
        low, high = high, tl.where(high == start_of(16, grid), start_of(8, grid), grid.node_count)
    state, next_word = read_means(record, state, next_word, C, CHUNK)
    state, next_word = read_weights(record, state, next_word, C, CHUNK, NODE_BITS)
    tl.store(status + sample, faults | record_faults(state, next_word, stream))

    fine_columns, fine_nodes = plane_width // 8, plane_size // 64
    node_means += sample * node_count * C
    cell_means += sample * C * fine_nodes
    cell_sides += sample * fine_nodes
    build_node_means(record, quantization_step, height, width, node_means, C, CHUNK)
    store_cells(record, node_means, cell_means, cell_sides, fine_columns, fine_nodes, C, CHUNK)
