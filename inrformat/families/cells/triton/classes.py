"""Classes of a ``cells`` record's nodes, and where the symbols of each node lie in its body (spec section 6.2.4).

One program of one warp per record. Classes that do not exist become the last one that does, and the record is reported.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.bodies import COUNT, FIELDS as PROGRESS, LANES, LOW_BITS, NEXT_WORD
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import (
    FIRST_FAMILY_FAULT,
    TOO_SHORT,
    decode_step,
    lanes_for,
    record_words,
    stream_of,
    streams_fit,
)
from inrformat.families.cells.triton.descriptors import (
    CLASS_TABLE,
    CLASSES,
    FIELDS,
    LANE_PIXELS,
    NULL_TABLE,
    ROOT_LOW_BITS,
    SCALE_LOW_BITS,
    SPLIT_CLASSES,
    TEMPLATES,
    level_of,
)
from inrformat.families.cells.triton.nodes import locate, node_grid, start_of, top_node_count

__all__ = ["NO_SUCH_CLASS", "OPTIONS", "RecordNodes", "cells_classes_kernel", "is_split"]

OPTIONS = {"num_warps": 1}
NO_SUCH_CLASS = tl.constexpr(FIRST_FAMILY_FAULT.value)
_CHUNK = tl.constexpr(128)
"""Nodes looked at together."""
_WARP = tl.constexpr(32)


class RecordNodes(NamedTuple):
    """A record's nodes: its network's ``head``, its `NodeGrid`, and a pointer to the class of each."""

    head: Any
    grid: Any
    classes: Any


@triton.jit
def is_split(nodes, node, side, mask):
    """Whether nodes of ``side`` are split; those that do not exist have class -1."""
    number = tl.load(nodes.classes + node, mask=mask, other=-1).to(tl.int32)
    return mask & (number >= 0) & (number >= tl.load(level_of(nodes.head, side) + CLASSES))


@triton.jit
def _store_classes(nodes, node, side, token, mask):
    """Store classes of nodes of ``side``; returns a fault where one is not a class."""
    level = level_of(nodes.head, side)
    last = tl.load(level + CLASSES) + tl.load(level + SPLIT_CLASSES) - 1
    wrong = mask & ((token < 0) | (token > last))
    tl.store(nodes.classes + node, tl.minimum(tl.maximum(token, 0), last).to(tl.int16), mask=mask)
    return tl.where(tl.max(wrong.to(tl.int32), axis=0) > 0, NO_SUCH_CLASS, 0)


@triton.jit
def _read_large(record, states, next_word, end, slot_entries, nodes, lanes):
    """Classes of all nodes of 32 px and more."""
    lane, faults = tl.arange(0, _WARP), 0
    for base in range(0, nodes.grid.first_16, lanes):
        node = base + lane
        active = (lane < lanes) & (node < nodes.grid.first_16)
        side = tl.where(node < nodes.grid.first_32, 64, 32)
        table = tl.load(level_of(nodes.head, side) + CLASS_TABLE)
        states, next_word, token = decode_step(record, states, next_word, end, slot_entries, table, active)
        faults |= _store_classes(nodes, node, side, token, active)
    tl.debug_barrier()
    return states, next_word, faults


@triton.jit
def _list_split(nodes, side, listed):
    """Put the nodes of ``side`` that are split on a list; returns how many there are."""
    step, count = tl.arange(0, _CHUNK), 0
    end = start_of(side // 2, nodes.grid)
    for base in range(start_of(side, nodes.grid), end, _CHUNK):
        node = base + step
        split = is_split(nodes, node, side, node < end).to(tl.int32)
        tl.store(listed + count + tl.cumsum(split, axis=0) - split, node, mask=split > 0)
        count += tl.sum(split, axis=0)
    tl.debug_barrier()
    return count


@triton.jit
def _read_small(record, states, next_word, end, slot_entries, nodes, lanes, side, height, width, listed):
    """Classes of the nodes of ``side`` (16, 8), four for each parent that is split; -1 for the others."""
    step, lane, faults = tl.arange(0, _CHUNK), tl.arange(0, _WARP), 0
    first = start_of(side, nodes.grid)
    rows, columns = (height + side - 1) // side, (width + side - 1) // side
    for base in range(0, rows * columns, _CHUNK):
        none = tl.full((_CHUNK,), -1, tl.int16)
        tl.store(nodes.classes + first + base + step, none, mask=base + step < rows * columns)
    count = 4 * _list_split(nodes, 2 * side, listed)
    class_table = tl.load(level_of(nodes.head, side) + CLASS_TABLE)
    null_table = tl.load(nodes.head + NULL_TABLE)
    for base in range(0, count, lanes):
        item = base + lane
        active = (lane < lanes) & (item < count)
        parent = tl.load(listed + item // 4, mask=active, other=0)
        _, parent_row, parent_column = locate(parent, nodes.grid)
        row, column = 2 * parent_row + (item % 4) // 2, 2 * parent_column + item % 2
        inside = active & (row < rows) & (column < columns)
        table = tl.where(inside, class_table, null_table)
        states, next_word, token = decode_step(record, states, next_word, end, slot_entries, table, active)
        faults |= _store_classes(nodes, first + row * columns + column, side, token, inside)
    tl.debug_barrier()
    return states, next_word, faults


@triton.jit
def _place_nodes(nodes, integers, starts, low_bit_starts, first, first_bit, low, wanted_split: tl.constexpr):
    """From node ``low`` on, where symbols and low bits of nodes begin that are split, or else of those that are cells.

    Returns:
        Where those of the last one end.
    """
    step, end = tl.arange(0, _CHUNK), nodes.grid.node_count
    for base in range(low, end, _CHUNK):
        node = base + step
        side, _, _ = locate(node, nodes.grid)
        number = tl.load(nodes.classes + node, mask=node < end, other=-1).to(tl.int32)
        split = number >= tl.load(level_of(nodes.head, side) + CLASSES)
        wanted = (number >= 0) & (split if wanted_split else ~split)
        template = integers + tl.load(level_of(nodes.head, side) + TEMPLATES) + 3 * number
        length = tl.load(template + 1, mask=wanted, other=0)
        low_bits = tl.load(template + 2, mask=wanted, other=0)
        tl.store(starts + node, first + tl.cumsum(length, axis=0) - length, mask=wanted)
        tl.store(low_bit_starts + node, first_bit + tl.cumsum(low_bits, axis=0) - low_bits, mask=wanted)
        first += tl.sum(length, axis=0)
        first_bit += tl.sum(low_bits, axis=0)
    return first, first_bit


@entry(varying=("node_count", "lane_capacity"))
def cells_classes_kernel(
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
    classes,
    starts,
    low_bit_starts,
    states,
    progress,
    status,
    node_count,
    lane_capacity,
    C: tl.constexpr,
):
    """One record per program."""
    sample = tl.program_id(0).to(tl.int64)
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    progress += sample * PROGRESS
    if tl.load(head + IN_FAMILY) == 0:
        tl.store(progress + LANES, 0)
        return
    height, width = shape.height, shape.width
    starts += sample * node_count
    low_bit_starts += sample * node_count
    nodes = RecordNodes(head=head, grid=node_grid(height, width), classes=classes + sample * node_count)
    record = record_words(words, word_count, offsets, lengths, shape.row)
    lanes = tl.minimum(lanes_for(height * width // tl.load(head + LANE_PIXELS)), lane_capacity)
    faults = tl.where(streams_fit(record, lanes), 0, TOO_SHORT)
    stream, leading_lanes = stream_of(record, lanes, 0), tl.minimum(lanes, _WARP)
    own_states, next_word = stream.states, stream.next_word
    own_states, next_word, wrong = _read_large(
        record, own_states, next_word, stream.end, slot_entries, nodes, leading_lanes
    )
    faults |= wrong
    side = 16
    for _ in range(2):
        # The list of parents lies where symbols' places will be written when it is not needed any more.
        own_states, next_word, wrong = _read_small(
            record, own_states, next_word, stream.end, slot_entries, nodes, leading_lanes, side, height, width, starts
        )
        faults |= wrong
        side = side // 2
    top_nodes = top_node_count(height, width)
    first, first_bit = 1 + top_nodes * C, tl.load(head + SCALE_LOW_BITS) + top_nodes * tl.load(head + ROOT_LOW_BITS)
    first, first_bit = _place_nodes(nodes, integers, starts, low_bit_starts, first, first_bit, 0, True)
    first, first_bit = _place_nodes(
        nodes, integers, starts, low_bit_starts, first, first_bit, nodes.grid.first_32, False
    )
    lane = tl.arange(0, _WARP)
    states += sample * lane_capacity
    tl.store(states + lane, own_states.to(tl.int32, bitcast=True), mask=lane < leading_lanes)
    tl.store(progress + LANES, lanes)
    tl.store(progress + COUNT, first)
    tl.store(progress + NEXT_WORD, next_word)
    tl.store(progress + LOW_BITS, first_bit)
    tl.store(status + sample, faults)
