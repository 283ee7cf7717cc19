"""Weights of ``cells`` to the blocks that evaluation reads: a program makes 16 x 16 coefficients of one sample.

Where weights lie in a record follows from the classes of all cells; where coefficients lie in a block from its place
alone. Colours are mixed here, once for each coefficient, so that coefficients are those of image channels.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.families.cells.triton.basis import BLOCK
from inrformat.families.cells.triton.blocks import UNIT, cover_of, holds_weights
from inrformat.families.cells.triton.descriptors import CLASSES, COLOUR, EXTENTS, FIELDS, KEPT, level_of
from inrformat.families.cells.triton.nodes import node_grid

__all__ = ["OPTIONS", "cells_place_kernel", "constants"]

OPTIONS = {"num_warps": 1}


def constants(*, channels: int, tiles: int) -> dict[str, int]:
    """Constants of the kernel, for outputs of that many tiles along an axis; 0 where every block is wanted."""
    return {"C": channels, "TILES": triton.next_power_of_2(tiles) if tiles else 0}


@triton.jit
def _class_if_cell(classes, head, node, side, exists):
    """The class of a node that is a cell; of others -1."""
    number = tl.load(classes + node, mask=exists, other=-1).to(tl.int32)
    return tl.where(number < tl.load(level_of(head, side) + CLASSES), number, -1)


@triton.jit
def _seen(spans, first, count, block, TILES: tl.constexpr):
    """Whether any tile of output pixels along an axis sees a block, or its neighbour in a cell of 32 px."""
    tile = tl.arange(0, TILES)
    exists = tile < count
    low = tl.load(spans + 2 * (first + tile), mask=exists, other=1)
    high = tl.load(spans + 2 * (first + tile) + 1, mask=exists, other=0)
    sees = exists & ((low >> 1) <= (block >> 1)) & ((block >> 1) <= (high >> 1))
    return tl.max(sees.to(tl.int32), axis=0) > 0


@triton.jit
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
    unit_ranks,
    items,
    classes,
    starts,
    node_means,
    steps,
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
    sample, block = (tl.program_id(0) // block_count).to(tl.int64), tl.program_id(0) % block_count
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    r, c = block // block_columns, block % block_columns
    if TILES > 0:
        spans += sample * 2 * (tile_rows + tile_columns)
        if not _seen(spans, 0, tile_rows, r, TILES):
            return
        if not _seen(spans, tile_rows, tile_columns, c, TILES):
            return
    grid = node_grid(shape.height, shape.width)
    classes += sample * node_count
    columns_32, columns_16, columns_8 = (shape.width + 31) // 32, (shape.width + 15) // 16, (shape.width + 7) // 8
    inside = ((r >> 1) < (shape.height + 31) // 32) & ((c >> 1) < columns_32)
    node_32 = grid.first_32 + (r >> 1) * columns_32 + (c >> 1)
    class_32 = _class_if_cell(classes, head, node_32, 32, inside)
    inside = (r < (shape.height + 15) // 16) & (c < columns_16)
    node_16 = grid.first_16 + r * columns_16 + c
    class_16 = _class_if_cell(classes, head, node_16, 16, inside & (class_32 < 0))
    side = tl.where(class_32 >= 0, 32, tl.where(class_16 >= 0, 16, 8))

    # Halves and pixels of the block along both axes: (2, 8, 2, 8). What a quarter has in common is read once.
    half, pixel = tl.arange(0, 2), tl.arange(0, 8)
    half_y, pixel_y = half[:, None, None, None], pixel[None, :, None, None]
    half_x, pixel_x = half[None, None, :, None], pixel[None, None, None, :]
    row_8, column_8 = 2 * r + half_y, 2 * c + half_x
    inside = (row_8 < (shape.height + 7) // 8) & (column_8 < columns_8) & (side == 8)
    node_8 = grid.first_8 + row_8 * columns_8 + column_8
    class_8 = _class_if_cell(classes, head, node_8, 8, inside)
    node = tl.where(side == 8, node_8, tl.where(side == 16, node_16, node_32))
    number = tl.where(side == 8, class_8, tl.where(side == 16, class_16, class_32))
    is_cell = number >= 0

    level = level_of(head, side)
    extent = tl.load(integers + tl.load(level + EXTENTS) + number, mask=is_cell, other=0)
    extent = tl.max(tl.max(tl.max(tl.max(extent, axis=3), axis=2), axis=1), axis=0)
    at = sample * block_count + block
    tl.store(covers + at, cover_of(side, extent))
    if not holds_weights(side, extent, r, c):
        return

    b = (r * BLOCK + half_y * 8 + pixel_y) & (side - 1)
    a = (c * BLOCK + half_x * 8 + pixel_x) & (side - 1)
    first_of_side = tl.where(side == 32, 0, tl.where(side == 16, 1024, 1280))
    rank = tl.load(unit_ranks + first_of_side + b * side + a).to(tl.int32)
    start = tl.load(starts + sample * node_count + node, mask=is_cell, other=0)
    items += sample * item_capacity
    node_means += sample * node_count * C
    step = tl.load(steps + sample)
    kept = integers + tl.load(level + KEPT)
    colour = floats + tl.load(head + COLOUR)
    place = (half_y * 8 + pixel_y) * BLOCK + half_x * 8 + pixel_x
    mixed = ()
    for k in tl.static_range(C):
        count = tl.load(kept + number * C + k, mask=is_cell, other=0)
        item = start + rank - 1
        stored = (rank > 0) & (rank < count) & (item >= 0) & (item < item_capacity)
        weight = step * tl.load(items + item, mask=stored, other=0).to(tl.float32)
        mean = tl.load(node_means + node * C + k, mask=is_cell, other=0.0)
        weight = tl.where(rank == 0, mean, weight)
        start += tl.maximum(count - 1, 0)
        added = ()
        for d in tl.static_range(C):
            share = weight * (UNIT * tl.load(colour + k * C + d))
            added += (share if k == 0 else mixed[d] + share,)
        mixed = added
    for d in tl.static_range(C):
        value = mixed[d].to(blocks.dtype.element_ty)
        tl.store(blocks + (at * C + d) * (BLOCK * BLOCK) + place, value)
