"""Bodies of ``cells`` records, node by node: which tables their symbols have, and what low bits add to them.

What the symbols of a node are follows from its class: a list of tables, the class's *template*, is copied to where the
node's symbols lie. A program does so for some nodes of one record; the first one of a record also for its step scale
and the means of its top nodes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.bodies import FIELDS as PROGRESS, LANES, PLAIN_FIRST
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.rans import plain_low_bits, record_words
from inrformat.families.cells.triton.descriptors import (
    FIELDS,
    HAS_LOW_BITS,
    ROOT_LOW_BITS,
    ROOT_TEMPLATE,
    SCALE_LOW_BITS,
    SCALE_TEMPLATE,
    TEMPLATE_BITS,
    TEMPLATES,
    level_of,
)
from inrformat.families.cells.triton.nodes import locate, node_grid, top_node_count

__all__ = ["NODES", "OPTIONS", "cells_items_kernel", "cells_low_bits_kernel"]

OPTIONS = {"num_warps": 1}
NODES = 16
"""Nodes of a program."""
_NODES, _COLUMNS, _LOW_COLUMNS = tl.constexpr(NODES), tl.constexpr(32), tl.constexpr(8)
_ROOTS = tl.constexpr(64)
"""Means of top nodes seen to at a time."""


class _Part(NamedTuple):
    """Templates of a program's nodes, each int32 ``(NODES,)``: where in the lists, length, low bits, first symbol."""

    template: Any
    length: Any
    low_bits: Any
    start: Any


@triton.jit
def _part_of(head, integers, classes, starts, grid, first):
    """The `_Part` of the nodes from ``first`` on; those that do not exist have no symbols."""
    node = first + tl.arange(0, _NODES)
    exists = node < grid.node_count
    side, _, _ = locate(node, grid)
    number = tl.load(classes + node, mask=exists, other=-1).to(tl.int32)
    exists &= number >= 0
    entry = integers + tl.load(level_of(head, side) + TEMPLATES) + 3 * number
    return _Part(
        template=tl.load(entry, mask=exists, other=0),
        length=tl.load(entry + 1, mask=exists, other=0),
        low_bits=tl.load(entry + 2, mask=exists, other=0),
        start=tl.load(starts + node, mask=exists, other=0),
    )


@entry(varying=("node_count", "node_parts", "lane_capacity"))
def cells_items_kernel(
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
    items,
    node_count,
    node_parts,
    item_capacity,
    C: tl.constexpr,
):
    """Tables of the symbols of NODES nodes."""
    sample, part = (tl.program_id(0) // node_parts).to(tl.int64), tl.program_id(0) % node_parts
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    items += sample * item_capacity
    grid = node_grid(shape.height, shape.width)
    nodes = _part_of(head, integers, classes + sample * node_count, starts + sample * node_count, grid, part * _NODES)
    column = tl.arange(0, _COLUMNS)[None, :]
    for base in range(0, tl.max(nodes.length, axis=0), _COLUMNS):
        item = nodes.start[:, None] + base + column
        exists = (base + column < nodes.length[:, None]) & (item < item_capacity)
        table = tl.load(integers + nodes.template[:, None] + base + column, mask=exists, other=0)
        tl.store(items + item, table.to(tl.int16), mask=exists)
    if part == 0:
        tl.store(items, tl.load(integers + tl.load(head + SCALE_TEMPLATE)).to(tl.int16))
        roots = top_node_count(shape.height, shape.width) * C
        for base in range(0, roots, _ROOTS):
            root = base + tl.arange(0, _ROOTS)
            table = tl.load(integers + tl.load(head + ROOT_TEMPLATE) + root % C)
            tl.store(items + 1 + root, table.to(tl.int16), mask=(root < roots) & (1 + root < item_capacity))


@triton.jit
def _add_low_bits(record, states, lanes, plain_first, items, item, bits, first_bit, mask):
    """Put low bits behind tokens.

    ``bits``: of each symbol, low bits before it, counted from ``first_bit``, and its own: ``before << 4 | own``.
    """
    width = bits & 15
    mask &= width > 0
    plain = plain_low_bits(record, states, lanes, plain_first, first_bit + (bits >> 4), width, mask)
    token = tl.load(items + item, mask=mask, other=0).to(tl.int32)
    tl.store(items + item, ((token << width) | plain).to(tl.int16), mask=mask)


@entry(varying=("node_count", "node_parts", "lane_capacity"))
def cells_low_bits_kernel(
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
    classes,
    starts,
    low_bit_starts,
    items,
    states,
    progress,
    node_count,
    node_parts,
    item_capacity,
    lane_capacity,
    C: tl.constexpr,
):
    """Low bits of the symbols of NODES nodes."""
    sample, part = (tl.program_id(0) // node_parts).to(tl.int64), tl.program_id(0) % node_parts
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if (tl.load(head + IN_FAMILY) == 0) | (tl.load(head + HAS_LOW_BITS) == 0):
        return
    record = record_words(words, word_count, offsets, lengths, shape.row)
    items += sample * item_capacity
    states += sample * lane_capacity
    lanes, plain_first = (
        tl.load(progress + sample * PROGRESS + LANES),
        tl.load(progress + sample * PROGRESS + PLAIN_FIRST),
    )
    grid = node_grid(shape.height, shape.width)
    nodes = _part_of(head, integers, classes + sample * node_count, starts + sample * node_count, grid, part * _NODES)
    node = part * _NODES + tl.arange(0, _NODES)
    length = tl.where(nodes.low_bits > 0, nodes.length, 0)
    first_bit = tl.load(low_bit_starts + sample * node_count + node, mask=length > 0, other=0)[:, None]
    bits_of = integers + tl.load(head + TEMPLATE_BITS)
    column = tl.arange(0, _LOW_COLUMNS)[None, :]
    for base in range(0, tl.max(length, axis=0), _LOW_COLUMNS):
        item = nodes.start[:, None] + base + column
        exists = (base + column < length[:, None]) & (item < item_capacity)
        bits = tl.load(bits_of + nodes.template[:, None] + base + column, mask=exists, other=0)
        _add_low_bits(record, states, lanes, plain_first, items, item, bits, first_bit, exists)
    if part == 0:
        scale = tl.zeros((1,), tl.int32)
        own = tl.load(bits_of + tl.load(head + SCALE_TEMPLATE) + scale)
        _add_low_bits(record, states, lanes, plain_first, items, scale, own, scale, scale == 0)
        roots = top_node_count(shape.height, shape.width) * C
        for base in range(0, roots, _ROOTS):
            root = base + tl.arange(0, _ROOTS)
            of_root = tl.load(bits_of + tl.load(head + ROOT_TEMPLATE) + root % C)
            before = tl.load(head + SCALE_LOW_BITS) + root // C * tl.load(head + ROOT_LOW_BITS)
            exists = (root < roots) & (1 + root < item_capacity)
            _add_low_bits(record, states, lanes, plain_first, items, 1 + root, of_root, before, exists)
