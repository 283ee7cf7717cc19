"""Axis operators of ``cells`` under aligned maps: what each coefficient of a block adds to each output of an axis.

A program makes those of one tile of outputs along one axis of one sample: for every block that the tile sees and every
side of cells a matrix (outputs x units), in which hidden units, folding of what lies outside, the antialiasing filter
and its normalisation are one. ``aligned.py`` multiplies blocks by them from both sides.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.triton.axes import first_and_last_pixel, lattice_filter, output_axis
from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import CONSTANT
from inrformat.decoding.triton.sampling import fold
from inrformat.families.cells.triton.basis import BLOCK, fine_node, units
from inrformat.families.cells.triton.descriptors import FIELDS

__all__ = ["LEVELS", "OPTIONS", "TILE", "cells_operators_kernel", "constants"]

TILE = 32
"""Outputs along an axis that an operator makes."""
LEVELS = tl.constexpr(3)
"""Cells of 8, 16 and 32 px."""
OPTIONS = {"num_warps": 2}
"""One warp would do with an eighth fewer instructions, but spills under older assemblers or takes 240 registers."""


def constants(*, padding_mode: PaddingMode, products: str) -> dict[str, object]:
    """Constants of the kernel."""
    return {"TILE": TILE, "PADDING_MODE": int(padding_mode), "PRECISION": products}


@triton.jit
def _blocks_of(axis, PADDING_MODE: tl.constexpr):
    """First block of native pixels that a filtered axis sees, before folding, and the one after the last."""
    first, last = first_and_last_pixel(axis, PADDING_MODE)
    return first >> 4, (last >> 4) + 1


@triton.jit
def _survey(axis, begin, end, fine_nodes, PADDING_MODE: tl.constexpr):
    """Sums of the filter's weights for each output, and the first and the last block that the outputs see."""
    total = tl.zeros_like(axis.centres) + 1.0
    first, last = (fine_nodes - 1) >> 1, 0
    if axis.at_points:
        block = fine_node(fold(axis.centres, axis.window, PADDING_MODE), fine_nodes) >> 1
        first, last = tl.min(block, axis=0), tl.max(block, axis=0)
    else:
        weights = tl.zeros((axis.centres.shape[0], BLOCK), tl.float32)
        if PADDING_MODE <= CONSTANT:
            last = tl.minimum(end - 1, first)
            first = tl.maximum(begin, 0)
        for chunk in range(begin, end):
            at, weight = lattice_filter(chunk * BLOCK, axis, PADDING_MODE, BLOCK)
            weights += weight
            if PADDING_MODE > CONSTANT:
                block = fine_node(fold(at, axis.window, PADDING_MODE), fine_nodes) >> 1
                seen = tl.max(weight, axis=0) > 0.0
                first = tl.minimum(first, tl.min(tl.where(seen, block, first), axis=0))
                last = tl.maximum(last, tl.max(tl.where(seen, block, last), axis=0))
        total = tl.sum(weights, axis=1)
    return total, first, last


@triton.jit
def _filtered(
    axis,
    begin,
    end,
    scale,
    fine_nodes,
    block,
    LEVEL: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The operator of a block for outputs that are filtered, each times its ``scale``: ``(n, BLOCK)``."""
    across = tl.zeros((axis.centres.shape[0], BLOCK), tl.float32)
    one = tl.full((BLOCK,), 1.0, tl.float32)
    if PADDING_MODE <= CONSTANT:  # without folding, cells are evaluated at their own pixels alone
        low = block & ~1 if LEVEL == 5 else block
        begin, end = tl.maximum(begin, low), tl.minimum(end, low + 2 if LEVEL == 5 else low + 1)
    for chunk in range(begin, end):
        at, weight = lattice_filter(chunk * BLOCK, axis, PADDING_MODE, BLOCK)
        if PADDING_MODE > CONSTANT:
            at = fold(at, axis.window, PADDING_MODE)
        basis = units(at, one, fine_nodes, block, LEVEL, PRECISION == "ieee")
        across += tl.dot(weight, basis, input_precision=PRECISION)
    return across * scale[:, None]


@entry(varying=("first_sample", "tile_rows", "axis_blocks"))
def cells_operators_kernel(
    operators,
    spans,
    totals,
    packed,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    point_span,
    first_sample,
    out_height,
    out_width,
    tile_rows,
    tile_columns,
    axis_blocks,
    TILE: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Tiles of rows come first, then tiles of columns."""
    tile_count = tile_rows + tile_columns
    part, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    sample = first_sample + part
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    k = tl.arange(0, TILE)
    if tile < tile_rows:
        axis = output_axis(packed, sample, 1, tile * TILE + k, out_height, point_span)
        fine_nodes = (shape.height + 7) // 8
    else:
        axis = output_axis(packed, sample, 0, (tile - tile_rows) * TILE + k, out_width, point_span)
        fine_nodes = (shape.width + 7) // 8
    begin, end = _blocks_of(axis, PADDING_MODE)
    total, first, last = _survey(axis, begin, end, fine_nodes, PADDING_MODE)
    at = part * tile_count + tile
    tl.store(spans + 2 * at, first)
    tl.store(spans + 2 * at + 1, last)
    # An output far outside the window weighs nothing, but must not divide by nothing.
    inverse = 1.0 / tl.maximum(total, 1e-9)
    tl.store(totals + at * TILE + k, total * inverse)
    position = fold(axis.centres, axis.window, PADDING_MODE)
    place = k[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    for block in range(first & ~1, (last | 1) + 1):
        for LEVEL in tl.static_range(3, 3 + LEVELS):
            if LEVEL == 5 or (block >= first) & (block <= last):
                if axis.at_points:
                    operator = units(position, inverse, fine_nodes, block, LEVEL, PRECISION == "ieee")
                else:
                    operator = _filtered(axis, begin, end, inverse, fine_nodes, block, LEVEL, PADDING_MODE, PRECISION)
                to = operators + ((at * axis_blocks + block) * LEVELS + (LEVEL - 3)) * (TILE * BLOCK)
                tl.store(to + place, operator.to(operators.dtype.element_ty))
