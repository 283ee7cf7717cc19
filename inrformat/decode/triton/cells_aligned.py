"""``cells`` under aligned maps: a program makes one channel of 32 x 32 output pixels of one sample.

Both axes are products of small matrices: (outputs x units) (units x units) (units x outputs) for each block of 32 px
that the tile sees and each cell side in it. The colour matrix is applied to the coefficients, which are fewer. To make
the bases again in the program of each channel is cheap, and leaves each a third of the registers to fill.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.geometry import Outside
from inrformat.decode.triton.cells_basis import BLOCK, operator, survey
from inrformat.decode.triton.descriptors import CELLS, FAMILY, FIELDS, FLOATS
from inrformat.decode.triton.epilogue import finished
from inrformat.decode.triton.place import axis_of, chunks_of, cover_of
from inrformat.decode.triton.read_cells import shape_of

__all__ = ["OPTIONS", "TILE", "cells_aligned_kernel", "coefficients"]

TILE = 32
OPTIONS = {"num_warps": 4, "maxnreg": 240}
_CONSTANT = tl.constexpr(int(Outside.CONSTANT))
_OFFSET = tl.constexpr(128.0)


@triton.jit
def coefficients(
    symbols, dc, colour, quantum, here, rows, columns, level, plane_width, plane_size, grid_width, grid_size,
    C: tl.constexpr,
):  # fmt: skip
    """Coefficients of a channel of the image where ``here``: ``(BLOCK, BLOCK)``, in 1/255 units."""
    inside = (1 << level) - 1
    origin = here & ((rows & inside) == 0)[:, None] & ((columns & inside) == 0)[None, :]
    at = rows[:, None] * plane_width + columns[None, :]
    mean = (rows >> 3)[:, None] * grid_width + (columns >> 3)[None, :]
    mixed = tl.zeros((BLOCK, BLOCK), tl.float32)
    for c in range(C):
        weight = quantum * tl.load(symbols + c * plane_size + at, mask=here, other=0).to(tl.float32)
        weight += tl.load(dc + c * grid_size + mean, mask=origin, other=0.0)
        mixed += weight * tl.load(colour + c * C)
    return mixed


@triton.jit
def cells_aligned_kernel(
    out, packed, style, shapes, rows, heads, floats, area, dc, cover, steps,
    records, networks, max_height, max_width, area_size, plane, plane_width, plane_size,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, SIZE: tl.constexpr,
    OUTSIDE: tl.constexpr, ANTIALIAS: tl.constexpr, BYTES: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """``style`` float32 ``(3, C)``: scale, shift and fill of each channel. SIZE is TILE."""
    channel, tile = tl.program_id(0) % C, tl.program_id(0) // C
    sample, tile = (tile // tiles).to(tl.int64), tile % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != CELLS:
        return
    grid_width, grid_size = plane_width // 8, plane_size // 64
    symbols = area + sample * area_size + plane
    dc += sample * C * grid_size
    cover += sample * grid_size
    colour = floats + tl.load(head + FLOATS) + 1 + channel
    quantum = tl.load(steps + sample)
    cells_y, cells_x = (height + 7) // 8, (width + 7) // 8

    scale_y, shift_y, low_y, high_y, soft_y = axis_of(packed, sample, 1)
    scale_x, shift_x, low_x, high_x, soft_x = axis_of(packed, sample, 0)
    span_y, span_x = tl.abs(scale_y), tl.abs(scale_x)
    point_y, point_x = span_y <= 1.000001, span_x <= 1.000001
    if not ANTIALIAS:
        point_y, point_x = span_y >= 0.0, span_x >= 0.0
    i, j = (tile // tiles_x) * SIZE + tl.arange(0, SIZE), (tile % tiles_x) * SIZE + tl.arange(0, SIZE)
    centre_y = scale_y * (tl.minimum(i, height_out - 1).to(tl.float32) + 0.5) + shift_y
    centre_x = scale_x * (tl.minimum(j, width_out - 1).to(tl.float32) + 0.5) + shift_x
    begin_y, end_y = chunks_of(centre_y, span_y, low_y, high_y, point_y, OUTSIDE, BLOCK)
    begin_x, end_x = chunks_of(centre_x, span_x, low_x, high_x, point_x, OUTSIDE, BLOCK)
    total_y, first_y, last_y = survey(centre_y, span_y, low_y, high_y, cells_y, begin_y, end_y, point_y, OUTSIDE)
    total_x, first_x, last_x = survey(centre_x, span_x, low_x, high_x, cells_x, begin_x, end_x, point_x, OUTSIDE)

    k = tl.arange(0, BLOCK)
    acc = tl.zeros((SIZE, SIZE), tl.float32)
    for block_y in tl.range(first_y, last_y + 1, disable_licm=True):  # hoisting what is cheap to make again spills
        for block_x in tl.range(first_x, last_x + 1, disable_licm=True):
            r, c = k + block_y * BLOCK, k + block_x * BLOCK
            exists = ((r >> 3) < cells_y)[:, None] & ((c >> 3) < cells_x)[None, :]
            side = tl.load(cover + (r >> 3)[:, None] * grid_width + (c >> 3)[None, :], mask=exists, other=0) & 255
            levels = tl.where(side == 32, 5, tl.where(side == 16, 4, tl.where(side == 8, 3, 0)))
            most = tl.max(tl.max(levels, axis=1), axis=0)
            least = tl.min(tl.min(tl.where(levels > 0, levels, most), axis=1), axis=0)
            for level in tl.range(least, most + 1, disable_licm=True):
                here = levels == level
                if (level > 0) & (tl.max(tl.max(here.to(tl.int32), axis=1), axis=0) > 0):
                    weights = coefficients(
                        symbols, dc, colour, quantum, here, r, c, level, plane_width, plane_size, grid_width, grid_size,
                        C,
                    )  # fmt: skip
                    down = operator(
                        block_y, level, centre_y, span_y, low_y, high_y, cells_y, begin_y, end_y, point_y,
                        OUTSIDE, PRECISION,
                    )  # fmt: skip
                    across = operator(
                        block_x, level, centre_x, span_x, low_x, high_x, cells_x, begin_x, end_x, point_x,
                        OUTSIDE, PRECISION,
                    )  # fmt: skip
                    half = tl.dot(down, weights, input_precision=PRECISION)
                    acc += tl.dot(half, tl.trans(across), input_precision=PRECISION)

    inverse_y, inverse_x = 1.0 / tl.maximum(total_y, 1e-9), 1.0 / tl.maximum(total_x, 1e-9)
    seen = (total_y * inverse_y)[:, None] * (total_x * inverse_x)[None, :]
    v = (acc * inverse_y[:, None] * inverse_x[None, :] + _OFFSET * seen) * (1.0 / 255.0)
    if OUTSIDE == _CONSTANT:
        share_y = cover_of(centre_y, scale_y, low_y, high_y, soft_y, point_y)
        share_x = cover_of(centre_x, scale_x, low_x, high_x, soft_x, point_x)
        fill = tl.load(style + 2 * C + channel)
        v = fill + (v - fill) * share_y[:, None] * share_x[None, :]
    v = finished(v, tl.load(style + channel), tl.load(style + C + channel), BYTES)
    at = sample * stride_b + channel * stride_c + i[:, None] * stride_y + j[None, :] * stride_x
    tl.store(out + at, v.to(out.dtype.element_ty), mask=(i < height_out)[:, None] & (j < width_out)[None, :])
