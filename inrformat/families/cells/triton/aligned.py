"""``cells`` under aligned maps: a program makes 32 x 32 output pixels of one sample, all channels.

Both axes are products of small matrices: (outputs x units) (units x units) (units x outputs) for each block of 32 px
that the tile sees and each cell side in it, with the channels side by side. One kernel makes the tiles of samples that
do not shrink, another those of the others: what filters need would halve the programs that fit a multiprocessor.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.axes import axis_of, both_axes, shrinks, store_tile
from inrformat.decode.triton.descriptors import CELLS, FAMILY, FIELDS, MIX
from inrformat.families.cells.triton.basis import BLOCK, operator, survey
from inrformat.families.cells.triton.read import shape_of

__all__ = ["TILE", "cells_aligned_kernel", "options"]

TILE = 32


def options(*, shrinks: bool, precision: str) -> dict[str, int]:
    """How to compile the kernel.

    On compute capability 9.0 points take 128 registers, 176 where Triton 3.6 may: held to 128 (8 bytes spilled, 104
    on 8.0) two programs fit a multiprocessor, 16 warps; programs of 4 warps take 249 and make 8. Shrinking takes 202,
    one program. Exact products take 212 and 234.
    """
    return {"num_warps": 8} if shrinks or precision == "ieee" else {"num_warps": 8, "maxnreg": 128}


@triton.jit
def _levels(cover, grid_width, cells_y, cells_x, r, c):
    """Logarithms of the cells' sides at rows ``r`` and columns ``c``, ``(BLOCK, BLOCK)``; 0 beyond the image."""
    exists = ((r >> 3) < cells_y)[:, None] & ((c >> 3) < cells_x)[None, :]
    side = tl.load(cover + (r >> 3)[:, None] * grid_width + (c >> 3)[None, :], mask=exists, other=0) & 255
    return tl.where(side == 32, 5, tl.where(side == 16, 4, tl.where(side == 8, 3, 0)))


@triton.jit
def _coefficients(symbols, dc, quantum, levels, level, r, c, grid_width, grid_size, C: tl.constexpr, CP: tl.constexpr):
    """Coefficients of the cells of a level: ``(BLOCK, CP, BLOCK)``, in 1/255 units; 0 of others."""
    # Planes are whole blocks, so that nothing need be masked; channels beyond the last repeat it and are mixed with 0.
    channel = tl.minimum(tl.arange(0, CP), C - 1)[None, :, None]
    r, c, here = r[:, None, None], c[None, None, :], (levels == level)[:, None, :]
    weights = tl.load(symbols + channel * (64 * grid_size) + r * (8 * grid_width) + c).to(tl.float32)
    origin = here & (((r | c) & ((1 << level) - 1)) == 0)
    means = tl.load(dc + channel * grid_size + (r >> 3) * grid_width + (c >> 3), mask=origin, other=0.0)
    return tl.where(here, quantum * weights, 0.0) + means


@triton.jit
def cells_aligned_kernel(
    out, packed, style, shapes, rows, heads, floats, area, dc, cover, steps,
    records, networks, max_height, max_width, area_size, plane, grid_width, grid_size, point_span,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, CP: tl.constexpr, SIZE: tl.constexpr,
    PADDING_MODE: tl.constexpr, FILTER: tl.constexpr, BYTES: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """``style`` as in ``epilogue.py``. FILTER: of samples that shrink, else of the others. SIZE is TILE."""
    sample, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if (tl.load(head + FAMILY) != CELLS) | (shrinks(packed, sample, point_span) != FILTER):
        return
    symbols = area + sample * area_size + plane
    dc += sample * C * grid_size
    cover += sample * grid_size
    quantum = tl.load(steps + sample)
    cells_y, cells_x = (height + 7) // 8, (width + 7) // 8
    i, j = (tile // tiles_x) * SIZE + tl.arange(0, SIZE), (tile % tiles_x) * SIZE + tl.arange(0, SIZE)
    vertical = axis_of(packed, sample, 1, i, height_out, point_span)
    horizontal = axis_of(packed, sample, 0, j, width_out, point_span)
    total_y, first_y, last_y = survey(vertical, cells_y, PADDING_MODE, FILTER)
    total_x, first_x, last_x = survey(horizontal, cells_x, PADDING_MODE, FILTER)

    k = tl.arange(0, BLOCK)
    sums = tl.zeros((SIZE * CP, SIZE), tl.float32)
    for block_y in tl.range(first_y, last_y + 1, disable_licm=True):  # hoisting what is cheap to make again spills
        for block_x in tl.range(first_x, last_x + 1, disable_licm=True):
            r, c = k + block_y * BLOCK, k + block_x * BLOCK
            levels = _levels(cover, grid_width, cells_y, cells_x, r, c)
            most = tl.max(tl.max(levels, axis=1), axis=0)
            least = tl.min(tl.min(tl.where(levels > 0, levels, most), axis=1), axis=0)
            for level in tl.range(tl.maximum(least, 3), most + 1, disable_licm=True):
                if tl.max(tl.max((levels == level).to(tl.int32), axis=1), axis=0) > 0:
                    weights = _coefficients(symbols, dc, quantum, levels, level, r, c, grid_width, grid_size, C, CP)
                    down = operator(block_y, level, vertical, cells_y, PADDING_MODE, FILTER, PRECISION)
                    across = operator(block_x, level, horizontal, cells_x, PADDING_MODE, FILTER, PRECISION)
                    sums += both_axes(down, weights, across, PRECISION)
    store_tile(
        out + sample * stride_b, sums, floats + tl.load(head + MIX), 128.0 / 255, 1.0 / 255, style,
        vertical, horizontal, total_y, total_x, i, j, (height_out, width_out, stride_c, stride_y, stride_x),
        C, CP, PADDING_MODE, BYTES,
    )  # fmt: skip
