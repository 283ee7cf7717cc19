"""``cells`` under aligned maps: a program makes 32 x 32 output pixels of one sample, all channels.

Both axes are products of small matrices: (outputs x units) (units x units) (units x outputs) for each block of 32 px
that the tile sees and each cell side in it, with the channels side by side. One kernel makes the tiles of samples that
do not shrink, another those of the others: what filters need would halve the programs that fit a multiprocessor.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.axes import both_axes, output_axis, shrinks, store_tile
from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import frame_of
from inrformat.families.cells.triton.basis import BLOCK, operator, survey
from inrformat.families.cells.triton.descriptors import COLOUR, FIELDS
from inrformat.families.cells.triton.weights import OFFSET, UNIT, side_and_extent, weights_of

__all__ = ["TILE", "cells_aligned_kernel", "constants", "options"]

TILE = 32


def constants(*, shrinks: bool, products: str) -> dict[str, object]:
    """Constants of the kernel that makes the tiles of samples that shrink, or of the others."""
    return {"TILE": TILE, "FILTER": shrinks, "PRECISION": products}


def options(*, shrinks: bool, products: str) -> dict[str, int]:
    """How to compile the kernel.

    On compute capability 9.0 points take 128 registers, 176 where Triton 3.6 may: held to 128 (8 bytes spilled, 104
    on 8.0) two programs fit a multiprocessor, 16 warps; programs of 4 warps take 249 and make 8. Shrinking takes 202,
    one program. Exact products take 212 and 234.
    """
    return {"num_warps": 8} if shrinks or products == "ieee" else {"num_warps": 8, "maxnreg": 128}


@triton.jit
def _levels(cells, r, c):
    """Logarithms of the cells' sides at rows ``r`` and columns ``c``, ``(BLOCK, BLOCK)``; 0 beyond the image."""
    exists = ((r >> 3) < cells.fine_rows)[:, None] & ((c >> 3) < cells.fine_columns)[None, :]
    at = cells.cell_sides + (r >> 3)[:, None] * cells.plane_columns + (c >> 3)[None, :]
    side, _ = side_and_extent(tl.load(at, mask=exists, other=0))
    return tl.where(side == 32, 5, tl.where(side == 16, 4, tl.where(side == 8, 3, 0)))


@triton.jit
def _coefficients(cells, levels, level, r, c, C: tl.constexpr, C_PAD: tl.constexpr):
    """Coefficients of the cells of a level: ``(BLOCK, C_PAD, BLOCK)``, in 1/255 units; 0 of others."""
    # Planes are whole blocks, so that nothing need be masked; channels beyond the last repeat it and are mixed with 0.
    channel = tl.minimum(tl.arange(0, C_PAD), C - 1)[None, :, None]
    r, c, here = r[:, None, None], c[None, None, :], (levels == level)[:, None, :]
    at = channel * (64 * cells.plane_nodes) + r * (8 * cells.plane_columns) + c
    weights = tl.load(cells.symbols + at).to(tl.float32)
    is_mean = here & (((r | c) & ((1 << level) - 1)) == 0)
    at = channel * cells.plane_nodes + (r >> 3) * cells.plane_columns + (c >> 3)
    means = tl.load(cells.cell_means + at, mask=is_mean, other=0.0)
    return tl.where(here, cells.step * weights, 0.0) + means


@entry(varying=("plane_columns", "plane_nodes"))
def cells_aligned_kernel(
    out,
    packed,
    channel_style,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    floats,
    symbols,
    cell_means,
    cell_sides,
    steps,
    symbol_count,
    plane_start,
    plane_columns,
    plane_nodes,
    point_span,
    out_height,
    out_width,
    tile_columns,
    tile_count,
    stride_b,
    stride_c,
    stride_y,
    stride_x,
    C: tl.constexpr,
    C_PAD: tl.constexpr,
    TILE: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    FILTER: tl.constexpr,
    BYTES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """FILTER: of samples that shrink, else of the others."""
    sample, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if (tl.load(head + IN_FAMILY) == 0) | (shrinks(packed, sample, point_span) != FILTER):
        return
    cells = weights_of(
        sample, shape, symbols, cell_means, cell_sides, steps, symbol_count, plane_start, plane_columns, plane_nodes, C
    )
    k = tl.arange(0, TILE)
    vertical = output_axis(packed, sample, 1, (tile // tile_columns) * TILE + k, out_height, point_span)
    horizontal = output_axis(packed, sample, 0, (tile % tile_columns) * TILE + k, out_width, point_span)
    total_y, first_y, last_y = survey(vertical, cells.fine_rows, PADDING_MODE, FILTER)
    total_x, first_x, last_x = survey(horizontal, cells.fine_columns, PADDING_MODE, FILTER)

    k = tl.arange(0, BLOCK)
    sums = tl.zeros((TILE * C_PAD, TILE), tl.float32)
    for block_y in tl.range(first_y, last_y + 1, disable_licm=True):  # hoisting what is cheap to make again spills
        for block_x in tl.range(first_x, last_x + 1, disable_licm=True):
            r, c = k + block_y * BLOCK, k + block_x * BLOCK
            levels = _levels(cells, r, c)
            most = tl.max(tl.max(levels, axis=1), axis=0)
            least = tl.min(tl.min(tl.where(levels > 0, levels, most), axis=1), axis=0)
            for level in tl.range(tl.maximum(least, 3), most + 1, disable_licm=True):
                if tl.max(tl.max((levels == level).to(tl.int32), axis=1), axis=0) > 0:
                    weights = _coefficients(cells, levels, level, r, c, C, C_PAD)
                    down = operator(block_y, level, vertical, cells.fine_rows, PADDING_MODE, FILTER, PRECISION)
                    across = operator(block_x, level, horizontal, cells.fine_columns, PADDING_MODE, FILTER, PRECISION)
                    sums += both_axes(down, weights, across, PRECISION)
    frame = frame_of(sample, out, out_height, out_width, stride_b, stride_c, stride_y, stride_x)
    colour = floats + tl.load(head + COLOUR)
    store_tile(
        frame,
        sums,
        colour,
        OFFSET * UNIT,
        UNIT,
        channel_style,
        vertical,
        horizontal,
        total_y,
        total_x,
        C,
        C_PAD,
        PADDING_MODE,
        BYTES,
    )
