"""Weights of ``cells`` to the blocks that evaluation reads: a program makes the four blocks of 32 px of one sample.

Where weights lie in a record follows from the classes of all cells; where coefficients lie in a block from its place
alone. Colours are mixed here, once for each coefficient, so that coefficients are those of image channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.families.cells.triton.basis import BLOCK
from inrformat.families.cells.triton.blocks import UNIT, cover_of, holds_weights
from inrformat.families.cells.triton.descriptors import CLASSES, COLOUR, EXTENTS, FIELDS, KEPT, level_of
from inrformat.families.cells.triton.nodes import node_grid

__all__ = ["OPTIONS", "cells_place_kernel", "constants"]

OPTIONS = {"num_warps": 1}


def constants(*, channels: int, tiles: int) -> dict[str, int]:
    """Constants of the kernel, for outputs of that many tiles along an axis; 0 where every block is wanted."""
    return {"C": channels, "TILES": triton.next_power_of_2(tiles) if tiles else 0}


class Cells(NamedTuple):
    """The cells that blocks lie in or hold: their side, node and class, which is -1 where there is no cell."""

    side: Any
    node: Any
    number: Any


@triton.jit
def _seen(spans, first, count, pair, TILES: tl.constexpr):
    """Whether any tile of output pixels along an axis sees one of a pair of blocks."""
    tile = tl.arange(0, TILES)
    exists = tile < count
    low = tl.load(spans + 2 * (first + tile), mask=exists, other=1 << 20)
    high = tl.load(spans + 2 * (first + tile) + 1, mask=exists, other=-1)
    return tl.max(((low >> 1) <= pair).to(tl.int32) & (pair <= (high >> 1)).to(tl.int32), axis=0) > 0


@triton.jit
def _class_if_cell(classes, node, class_count, exists):
    """The class of a node that is a cell, whose classes are the first ``class_count``; of others -1."""
    number = tl.load(classes + node, mask=exists, other=-1).to(tl.int32)
    return tl.where(number < class_count, number, -1)


@triton.jit
def _cells_of(classes, class_counts, grid, height, width, r, c, half_y, half_x):
    """The `Cells` of the quarters of blocks in row ``r`` and columns ``c``."""
    node_32 = grid.first_32 + (r >> 1) * ((width + 31) // 32) + (c >> 1)
    exists = ((r >> 1) < (height + 31) // 32) & ((c >> 1) < (width + 31) // 32)
    class_32 = _class_if_cell(classes, node_32, class_counts[0], exists)
    node_16 = grid.first_16 + r * ((width + 15) // 16) + c
    exists = (r < (height + 15) // 16) & (c < (width + 15) // 16)
    class_16 = _class_if_cell(classes, node_16, class_counts[1], exists & (class_32 < 0))
    side = tl.where(class_32 >= 0, 32, tl.where(class_16 >= 0, 16, 8))
    row_8, column_8 = 2 * r + half_y, 2 * c + half_x
    node_8 = grid.first_8 + row_8 * ((width + 7) // 8) + column_8
    exists = (row_8 < (height + 7) // 8) & (column_8 < (width + 7) // 8)
    class_8 = _class_if_cell(classes, node_8, class_counts[2], exists & (side == 8))
    return Cells(
        side=side,
        node=tl.where(side == 8, node_8, tl.where(side == 16, node_16, node_32)),
        number=tl.where(side == 8, class_8, tl.where(side == 16, class_16, class_32)),
    )


@triton.jit
def _shares(colour, scale, count):
    """What each of the network's channels adds to each of the image's: a tuple of ``count`` by ``count`` numbers."""
    shares = ()
    for pair in tl.static_range(count * count):
        shares += (scale * tl.load(colour + pair),)
    return shares


@triton.jit
def _nothing(count):
    """A tuple of zeros."""
    sums = ()
    for _ in tl.static_range(count):
        sums += (0.0,)
    return sums


@triton.jit
def _mixed(sums, weight, shares, channel, count):
    """``sums``, of the image's channels, with what one of the network's adds."""
    added = ()
    for of_image in tl.static_range(count):
        added += (sums[of_image] + weight * shares[channel * count + of_image],)
    return added


@entry(varying=("first_sample", "node_count", "block_columns", "block_count", "tile_rows"))
def cells_place_kernel(
    blocks,
    covers,
    spans,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    integers,
    floats,
    weight_numbers,
    items,
    classes,
    starts,
    node_means,
    steps,
    first_sample,
    item_capacity,
    node_count,
    block_columns,
    block_count,
    tile_rows,
    tile_columns,
    C: tl.constexpr,
    TILES: tl.constexpr,
):
    """TILES: see ``constants``."""
    part, area = (tl.program_id(0) // (block_count // 4)).to(tl.int64), tl.program_id(0) % (block_count // 4)
    sample = first_sample + part
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    area_row, area_column = area // (block_columns // 2), area % (block_columns // 2)
    if TILES > 0:
        spans += part * 2 * (tile_rows + tile_columns)
        if not _seen(spans, 0, tile_rows, area_row, TILES):
            return
        if not _seen(spans, tile_rows, tile_columns, area_column, TILES):
            return
    grid = node_grid(shape.height, shape.width)
    classes += sample * node_count
    starts += sample * node_count
    items += sample * item_capacity
    node_means += sample * node_count * C
    class_counts = (
        tl.load(level_of(head, 32) + CLASSES),
        tl.load(level_of(head, 16) + CLASSES),
        tl.load(level_of(head, 8) + CLASSES),
    )
    step = tl.load(steps + sample)
    steps_in_one = 1.0 / step
    shares = _shares(floats + tl.load(head + COLOUR), step * UNIT, C)
    # Pixels of two blocks: (2, 8) down, (2, 2, 8) across. What a quarter of a block has in common is found once.
    half, pixel = tl.arange(0, 2), tl.arange(0, 8)
    half_y, y = half[:, None, None, None, None], pixel[None, :, None, None, None]
    column, half_x = half[None, None, :, None, None], half[None, None, None, :, None]
    x = pixel[None, None, None, None, :]
    c = 2 * area_column + column
    for row in range(2):
        r = 2 * area_row + row
        cells = _cells_of(classes, class_counts, grid, shape.height, shape.width, r, c, half_y, half_x)
        side, is_cell = cells.side, cells.number >= 0
        level = level_of(head, side)
        extent = tl.load(integers + tl.load(level + EXTENTS) + cells.number, mask=is_cell, other=0)
        extent = tl.max(tl.max(extent, axis=3, keep_dims=True), axis=0, keep_dims=True)
        at = part * block_count + r * block_columns + c
        tl.store(covers + at, cover_of(side, extent))
        if tl.max(tl.reshape(holds_weights(side, extent, r, c).to(tl.int32), (2,)), axis=0) > 0:
            b = (r * BLOCK + half_y * 8 + y) & (side - 1)
            a = (c * BLOCK + half_x * 8) & (side - 1)
            first_of_side = tl.where(side == 32, 0, tl.where(side == 16, 1024, 1280))
            first = tl.multiple_of(first_of_side + b * side + a, [8, 8, 8, 8, 8])
            number = tl.load(weight_numbers + first + x).to(tl.int32)
            start = tl.load(starts + cells.node, mask=is_cell, other=0)
            kept = integers + tl.load(level + KEPT) + cells.number * C
            mixed = _nothing(C)
            for k in tl.static_range(C):
                count = tl.load(kept + k, mask=is_cell, other=1) - 1
                # No weight lies outside the record's items, whatever its bytes are.
                inside = tl.minimum(count, item_capacity - start)
                inside = tl.where(start >= 0, tl.maximum(inside, 0), 0).to(tl.uint32)
                weight = tl.load(items + start + number, mask=number.to(tl.uint32) < inside, other=0).to(tl.float32)
                mean = tl.load(node_means + cells.node * C + k, mask=is_cell, other=0.0)
                weight = tl.where(number < 0, mean * steps_in_one, weight)
                mixed = _mixed(mixed, weight, shares, k, C)
                start += count
            for d in tl.static_range(C):
                to = blocks + (at * C + d) * (BLOCK * BLOCK) + ((half_y * 8 + y) * BLOCK + half_x * 8 + x)
                tl.store(to, mixed[d].to(blocks.dtype.element_ty))
