"""Segments of a ``cells`` record: classes, means and details, weights, in their order (spec section 6.2.4).

Lists of nodes come from running sums; each segment's work items (table, destination) are made a chunk at a time by the
whole warp and then decoded in order. Destinations lie inside the record's symbols by construction, whatever the bytes:
classes that do not exist become the last one that does, and the record is reported.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.rans import FIRST_FAMILY_FAULT, decode_items
from inrformat.families.cells.triton.descriptors import (
    CLASS_TABLE,
    CLASSES,
    GROUP_TABLES,
    GROUPS,
    KEPT,
    ROOT_TABLES,
    SCALE_TABLE,
    SPLIT_CLASSES,
    SPLIT_TABLES,
    level_of,
)
from inrformat.families.cells.triton.nodes import locate, parent_of, start_of

__all__ = [
    "CHUNK",
    "NO_SUCH_CLASS",
    "CellsRecord",
    "WorkLists",
    "is_split",
    "read_classes",
    "read_means",
    "read_scale",
    "read_weights",
]

CHUNK = 128
"""Work items made at a time; with 512, registers spill."""
NO_SUCH_CLASS = tl.constexpr(FIRST_FAMILY_FAULT.value)


class WorkLists(NamedTuple):
    """Pointers to a record's lists, int32.

    Attributes:
        tables, destinations: ``(CHUNK,)``, of work items: symbol table, and where among the record's symbols it goes.
        nodes: ``(node_count,)``, those that the segment being read has symbols of.
        first_items: ``(node_count,)``, number of the first coded weight of each listed cell.
    """

    tables: Any
    destinations: Any
    nodes: Any
    first_items: Any


class CellsRecord(NamedTuple):
    """What does not change while a record is read.

    Attributes:
        stream: `RecordStream`. head, integers, unit_words: pointers, see ``descriptors.py``. grid: `NodeGrid`.
        top_nodes: how many there are. items, classes, starts: pointers to the record's own, see `CellsScratch`.
        details_start, roots_start, weights_start: see `CellsPlan`. lists: `WorkLists`.
    """

    stream: Any
    head: Any
    integers: Any
    unit_words: Any
    grid: Any
    top_nodes: Any
    items: Any
    classes: Any
    starts: Any
    details_start: Any
    roots_start: Any
    weights_start: Any
    lists: Any


@triton.jit
def is_split(record, node, side, mask):
    """Whether nodes that exist (class not -1) are split."""
    number = tl.load(record.classes + node, mask=mask, other=-1).to(tl.int32)
    return mask & (number >= 0) & (number >= tl.load(level_of(record.head, side) + CLASSES))


@triton.jit
def _append(kept, node, listed, count):
    """Put the nodes that are ``kept`` on the list; returns its new length."""
    kept = kept.to(tl.int32)
    tl.store(listed + count + tl.cumsum(kept, axis=0) - kept, node, mask=kept > 0)
    return count + tl.sum(kept, axis=0)


@triton.jit
def _decode_chunk(record, state, next_word, symbols, count):
    """Decode the first ``count`` of the work items that were made, to their places in ``symbols``."""
    tl.debug_barrier()
    state, next_word = decode_items(
        state, next_word, record.stream, record.lists.tables, record.lists.destinations, symbols, count
    )
    tl.debug_barrier()
    return state, next_word


@triton.jit
def read_scale(record, state, next_word, scale_position):
    """The states, the next word, and the record's step scale as it is coded."""
    tl.store(record.lists.tables, tl.load(record.head + SCALE_TABLE))
    tl.store(record.lists.destinations, scale_position)
    state, next_word = _decode_chunk(record, state, next_word, record.items, 1)
    return state, next_word, tl.load(record.items + scale_position).to(tl.int32)


@triton.jit
def read_classes(record, state, next_word, faults, low, high, CHUNK: tl.constexpr):
    """Classes of the nodes ``low`` to ``high`` that exist; -1 for the others."""
    step = tl.arange(0, CHUNK)
    classes, grid, lists = record.classes, record.grid, record.lists
    count = 0
    for base in range(low, high, CHUNK):
        node = base + step
        inside = node < high
        side, row, column = locate(node, grid)
        parent = parent_of(side, row, column, grid)
        small = inside & (side < 32)
        exists = inside & ((side >= 32) | is_split(record, parent, 2 * side, small))
        tl.store(classes + node, tl.full((CHUNK,), -1, tl.int16), mask=inside)
        count = _append(exists, node, lists.nodes, count)
    tl.debug_barrier()
    for base in range(0, count, CHUNK):
        item = base + step
        node = tl.load(lists.nodes + item, mask=item < count, other=0)
        side, _, _ = locate(node, grid)
        tl.store(lists.tables + step, tl.load(level_of(record.head, side) + CLASS_TABLE), mask=item < count)
        tl.store(lists.destinations + step, node, mask=item < count)
        state, next_word = _decode_chunk(record, state, next_word, classes, tl.minimum(count - base, CHUNK))
    for base in range(0, count, CHUNK):
        item = base + step
        node = tl.load(lists.nodes + item, mask=item < count, other=0)
        side, _, _ = locate(node, grid)
        level = level_of(record.head, side)
        last = tl.load(level + CLASSES) + tl.load(level + SPLIT_CLASSES) - 1
        number = tl.load(classes + node, mask=item < count, other=0).to(tl.int32)
        wrong = (item < count) & ((number < 0) | (number > last))
        tl.store(classes + node, tl.minimum(tl.maximum(number, 0), last).to(tl.int16), mask=wrong)
        faults |= tl.where(tl.max(wrong.to(tl.int32), axis=0) > 0, NO_SUCH_CLASS, 0)
    tl.debug_barrier()
    return state, next_word, faults


@triton.jit
def read_means(record, state, next_word, C: tl.constexpr, CHUNK: tl.constexpr):
    """Means of the top nodes and details of the split ones."""
    step = tl.arange(0, CHUNK)
    head, integers, lists = record.head, record.integers, record.lists
    split = 0
    fine = start_of(8, record.grid)
    for base in range(0, fine, CHUNK):
        node = base + step
        side, _, _ = locate(node, record.grid)
        split = _append(is_split(record, node, side, node < fine), node, lists.nodes, split)
    tl.debug_barrier()
    root_tables = integers + tl.load(head + ROOT_TABLES)
    roots = record.top_nodes * C
    count = roots + split * 3 * C
    for base in range(0, count, CHUNK):
        item = base + step
        inside = item < count
        is_root = item < roots
        is_detail = inside & (item >= roots)
        behind_roots = tl.where(is_detail, item - roots, 0)
        which, part = behind_roots // (3 * C), behind_roots % (3 * C)
        node = tl.load(lists.nodes + which, mask=is_detail, other=0)
        side, _, _ = locate(node, record.grid)
        level = level_of(head, side)
        number = tl.load(record.classes + node, mask=is_detail, other=0).to(tl.int32) - tl.load(level + CLASSES)
        at = tl.load(level + SPLIT_TABLES) + number * 3 * C + part
        table = tl.load(integers + at, mask=is_detail, other=0)
        table = tl.where(is_root, tl.load(root_tables + item % C, mask=is_root & inside, other=0), table)
        destination = tl.where(is_root, record.roots_start + item, record.details_start + node * 3 * C + part)
        tl.store(lists.tables + step, table, mask=inside)
        tl.store(lists.destinations + step, destination, mask=inside)
        state, next_word = _decode_chunk(record, state, next_word, record.items, tl.minimum(count - base, CHUNK))
    return state, next_word


@triton.jit
def _list_cells(record, C: tl.constexpr, CHUNK: tl.constexpr):
    """List the cells and where each one's coded weights begin; returns how many cells and weights there are."""
    step = tl.arange(0, CHUNK)
    cells, count, end = 0, 0, record.grid.node_count
    for base in range(start_of(32, record.grid), end, CHUNK):
        node = base + step
        side, _, _ = locate(node, record.grid)
        level = level_of(record.head, side)
        number = tl.load(record.classes + node, mask=node < end, other=-1).to(tl.int32)
        is_cell = (number >= 0) & (number < tl.load(level + CLASSES))
        length = tl.zeros((CHUNK,), tl.int32)
        for c in tl.static_range(C):
            length += tl.load(record.integers + tl.load(level + KEPT) + number * C + c, mask=is_cell, other=1) - 1
        rank = tl.cumsum(is_cell.to(tl.int32), axis=0) - 1 + cells
        first = count + tl.cumsum(length, axis=0) - length
        tl.store(record.lists.first_items + rank, first, mask=is_cell)
        tl.store(record.starts + node, record.weights_start + first, mask=is_cell)
        cells = _append(is_cell, node, record.lists.nodes, cells)
        count += tl.sum(length, axis=0)
    return cells, count


@triton.jit
def _cell_of(record, item, inside, cells, CHUNK: tl.constexpr, NODE_BITS: tl.constexpr):
    """Which of the listed cells each weight belongs to."""
    which, last = tl.zeros((CHUNK,), tl.int32), tl.full((CHUNK,), 1, tl.int32) * (cells - 1)
    for _ in range(NODE_BITS):
        # The last cell that begins at or before the item: cells of no weights share their successor's beginning.
        middle = (which + last + 1) // 2
        behind = tl.load(record.lists.first_items + middle, mask=inside, other=0) <= item
        which = tl.where(behind, middle, which)
        last = tl.where(behind, last, middle - 1)
    return which


@triton.jit
def read_weights(record, state, next_word, C: tl.constexpr, CHUNK: tl.constexpr, NODE_BITS: tl.constexpr):
    """Weights of all cells, one after the other."""
    step = tl.arange(0, CHUNK)
    integers, lists = record.integers, record.lists
    cells, count = _list_cells(record, C, CHUNK)
    tl.debug_barrier()
    for base in range(0, count, CHUNK):
        item = base + step
        inside = item < count
        which = _cell_of(record, item, inside, cells, CHUNK, NODE_BITS)
        node = tl.load(lists.nodes + which, mask=inside, other=0)
        side, _, _ = locate(node, record.grid)
        level = level_of(record.head, side)
        number = tl.load(record.classes + node, mask=inside, other=0).to(tl.int32)
        unit = item - tl.load(lists.first_items + which, mask=inside, other=0)
        channel = tl.zeros((CHUNK,), tl.int32)
        for c in tl.static_range(C - 1):
            length = tl.load(integers + tl.load(level + KEPT) + number * C + c, mask=inside, other=1) - 1
            passed = (channel == c) & (unit >= length)
            unit = tl.where(passed, unit - length, unit)
            channel = tl.where(passed, c + 1, channel)
        unit = tl.minimum(unit + 1, side * side - 1)
        first_of_side = tl.where(side == 32, 0, tl.where(side == 16, 1024, 1280))
        word = tl.load(record.unit_words + first_of_side + unit, mask=inside, other=0)
        group = word >> 16
        tables = tl.load(level + GROUP_TABLES) + (number * C + channel) * tl.load(level + GROUPS)
        tl.store(lists.tables + step, tl.load(integers + tables + group, mask=inside, other=0), mask=inside)
        tl.store(lists.destinations + step, record.weights_start + item, mask=inside)
        state, next_word = _decode_chunk(record, state, next_word, record.items, tl.minimum(count - base, CHUNK))
    return state, next_word
