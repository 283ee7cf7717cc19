"""The end of reading a ``cells`` record: patches, its quantization step and the pyramid of means (spec section 6.2.4).

One program of one warp per record.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.bodies import FIELDS as PROGRESS, add_patches
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import FIRST_FAMILY_FAULT, record_words
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.families.cells.record import SCALE_LIMIT
from inrformat.families.cells.triton.classes import RecordNodes, is_split
from inrformat.families.cells.triton.descriptors import FIELDS, STEP
from inrformat.families.cells.triton.nodes import node_grid, start_of, top_node_count, top_side

__all__ = ["NO_SUCH_SCALE", "OPTIONS", "cells_means_kernel"]

OPTIONS = {"num_warps": 1}
NO_SUCH_SCALE = tl.constexpr(2 * FIRST_FAMILY_FAULT.value)
_SCALE_LIMIT, _SCALES_PER_OCTAVE = tl.constexpr(SCALE_LIMIT), tl.constexpr(SCALES_PER_OCTAVE)
_CHUNK = tl.constexpr(128)
"""Nodes seen to together."""


@triton.jit
def _build(nodes, items, starts, step, height, width, node_means, item_capacity, C: tl.constexpr):
    """The pyramid of means: float32 ``(nodes, C)``, each level from the one above."""
    chunk, roots = tl.arange(0, _CHUNK), top_node_count(height, width) * C
    for base in range(0, roots, _CHUNK):
        root = base + chunk
        value = tl.load(items + 1 + root, mask=(root < roots) & (1 + root < item_capacity), other=0).to(tl.float32)
        tl.store(node_means + root, step * value, mask=root < roots)
    tl.debug_barrier()
    side = top_side(height, width) // 2
    while side >= 8:
        above, first = start_of(2 * side, nodes.grid), start_of(side, nodes.grid)
        parent_rows, parent_columns = (height + 2 * side - 1) // (2 * side), (width + 2 * side - 1) // (2 * side)
        columns = (width + side - 1) // side
        count = columns * ((height + side - 1) // side)
        for base in range(0, count, _CHUNK):
            item = base + chunk
            inside = item < count
            row, column = item // columns, item % columns
            parent_row, parent_column = row // 2, column // 2
            sign_v, sign_h = (1 - 2 * (row & 1)).to(tl.float32), (1 - 2 * (column & 1)).to(tl.float32)
            parent = above + parent_row * parent_columns + parent_column
            west = parent - tl.where(parent_column > 0, 1, 0)
            east = parent + tl.where(parent_column < parent_columns - 1, 1, 0)
            north = parent - tl.where(parent_row > 0, parent_columns, 0)
            south = parent + tl.where(parent_row < parent_rows - 1, parent_columns, 0)
            split = is_split(nodes, parent, 2 * side, inside)
            start = tl.load(starts + parent, mask=split, other=0)
            split &= (start >= 0) & (start + 3 * C <= item_capacity)
            for c in tl.static_range(C):
                detail = items + start + 3 * c
                across = tl.load(node_means + west * C + c, mask=inside, other=0.0)
                across = (across - tl.load(node_means + east * C + c, mask=inside, other=0.0)) / 8
                down = tl.load(node_means + north * C + c, mask=inside, other=0.0)
                down = (down - tl.load(node_means + south * C + c, mask=inside, other=0.0)) / 8
                h = across + step * tl.load(detail, mask=split, other=0).to(tl.float32)
                v = down + step * tl.load(detail + 1, mask=split, other=0).to(tl.float32)
                x = step * tl.load(detail + 2, mask=split, other=0).to(tl.float32)
                mean = tl.load(node_means + parent * C + c, mask=inside, other=0.0)
                mean = (mean + sign_h * h + sign_v * v + sign_h * sign_v * x) / 2
                tl.store(node_means + (first + item) * C + c, mean, mask=inside)
        tl.debug_barrier()
        side = side // 2


@entry(varying=("node_count", "lane_capacity"))
def cells_means_kernel(
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
    floats,
    classes,
    starts,
    items,
    states,
    progress,
    node_means,
    steps,
    status,
    node_count,
    item_capacity,
    lane_capacity,
    C: tl.constexpr,
):
    """One record per program."""
    sample = tl.program_id(0).to(tl.int64)
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    record = record_words(words, word_count, offsets, lengths, shape.row)
    items += sample * item_capacity
    faults = add_patches(record, items, states + sample * lane_capacity, progress + sample * PROGRESS, item_capacity)
    tl.debug_barrier()
    scale = tl.load(items).to(tl.int32)
    faults |= tl.where((scale > _SCALE_LIMIT) | (scale < -_SCALE_LIMIT), NO_SUCH_SCALE, 0)
    scale = tl.minimum(tl.maximum(scale, -_SCALE_LIMIT), _SCALE_LIMIT)
    step = tl.load(floats + tl.load(head + STEP)) * tl.exp2(scale.to(tl.float32) / _SCALES_PER_OCTAVE)
    tl.store(steps + sample, step)
    tl.store(status + sample, tl.load(status + sample) | faults)
    nodes = RecordNodes(head=head, grid=node_grid(shape.height, shape.width), classes=classes + sample * node_count)
    node_means += sample * node_count * C
    _build(nodes, items, starts + sample * node_count, step, shape.height, shape.width, node_means, item_capacity, C)
