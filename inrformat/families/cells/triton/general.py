"""``cells`` under any map: a program makes 8 x 16 output pixels of one sample, each at its own position.

Units grow by the cosine recurrence, whose rounding stays under 1e-4 for the 32 units there are. Only coefficients up to
the extent of the cells that a tile sees are read: smooth cells keep few.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.descriptors import CELLS, FAMILY, FIELDS, MIX
from inrformat.decode.triton.epilogue import store_points
from inrformat.decode.triton.sampling import fold, output_pixels, source_of, tap, window_of
from inrformat.decode.triton.trigonometry import cosine
from inrformat.families.cells.triton.basis import fine_cell
from inrformat.families.cells.triton.read import shape_of

__all__ = ["OPTIONS", "TILE_HEIGHT", "TILE_WIDTH", "cells_general_kernel"]

TILE_HEIGHT, TILE_WIDTH = 8, 16
OPTIONS = {"num_warps": 4, "maxnreg": 96}
"""Left to itself, the assembler spills a few bytes to fit one more block."""
_OFFSET = tl.constexpr(128.0)


@triton.jit
def _outputs(
    x, y, height, width, symbols, dc, cover, quantum, grid_width, grid_size, C: tl.constexpr, CP: tl.constexpr
):
    """The network's outputs at native positions ``(P,)``: ``(P, CP)``, in 1/255 units without the offset."""
    channel = tl.arange(0, CP)
    used = (channel < C)[None, :]
    plane_width, plane_size = 8 * grid_width, 64 * grid_size
    row, column = fine_cell(y, (height + 7) // 8), fine_cell(x, (width + 7) // 8)
    what = tl.load(cover + row * grid_width + column)
    side, extent = what & 255, what >> 8
    level = tl.where(side == 32, 2, tl.where(side == 16, 1, 0))
    row, column = row >> level, column >> level
    length = side.to(tl.float32)
    v, u = y / length - row.to(tl.float32), x / length - column.to(tl.float32)
    mean = ((row << level) * grid_width + (column << level))[:, None] + channel[None, :] * grid_size
    total = tl.load(dc + mean, mask=used, other=0.0) / length[:, None]
    corner = (row * side * plane_width + column * side)[:, None] + channel[None, :] * plane_size
    norm_0, norm = tl.sqrt(1.0 / length), tl.sqrt(2.0 / length)
    twice_v, twice_u = 2.0 * cosine(v), 2.0 * cosine(u)
    most, longest = tl.max(extent, axis=0), tl.max(side, axis=0)
    wave_v, before_v = tl.zeros_like(v) + 1.0, 0.5 * twice_v
    for b in range(0, tl.minimum(most, longest)):
        wave_u, before_u = tl.zeros_like(u) + 1.0, 0.5 * twice_u
        line = tl.zeros_like(total)
        for a in range(0, tl.minimum(most - b, longest)):
            kept = (a < side) & (b < side) & (a + b < extent)
            weight = tl.load(symbols + corner + (b * plane_width + a), mask=kept[:, None] & used, other=0)
            line += weight.to(tl.float32) * (wave_u * tl.where(a == 0, norm_0, norm))[:, None]
            wave_u, before_u = twice_u * wave_u - before_u, wave_u
        total += line * (quantum * wave_v * tl.where(b == 0, norm_0, norm))[:, None]
        wave_v, before_v = twice_v * wave_v - before_v, wave_v
    return total


@triton.jit
def cells_general_kernel(
    out, packed, taps, displacement, style, shapes, rows, heads, floats, area, dc, cover, steps,
    records, networks, max_height, max_width, area_size, plane, grid_width, grid_size,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, CP: tl.constexpr, TILE_H: tl.constexpr, TILE_W: tl.constexpr,
    PADDING_MODE: tl.constexpr, DISPLACED: tl.constexpr, BYTES: tl.constexpr,
):  # fmt: skip
    """``taps`` float32 ``(B, 4)``: evaluations and half widths along x and y; ``style`` as in ``epilogue.py``."""
    sample, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != CELLS:
        return
    symbols = area + sample * area_size + plane
    dc += sample * C * grid_size
    cover += sample * grid_size
    quantum = tl.load(steps + sample)
    i, j, inside, x, y = output_pixels(
        tile, tiles_x, sample, displacement, height_out, width_out, TILE_H, TILE_W, DISPLACED
    )  # fmt: skip
    low_x, high_x, _ = window_of(packed, sample, 0)
    low_y, high_y, _ = window_of(packed, sample, 1)
    count_x, count_y = tl.load(taps + 4 * sample), tl.load(taps + 4 * sample + 1)
    reach_x, reach_y = tl.load(taps + 4 * sample + 2), tl.load(taps + 4 * sample + 3)
    total = tl.zeros((TILE_H * TILE_W, CP), tl.float32)
    for k in range(0, count_y.to(tl.int32)):
        offset_y, weight_y = tap(k, count_y, reach_y)
        for m in range(0, count_x.to(tl.int32)):
            offset_x, weight_x = tap(m, count_x, reach_x)
            at_x, at_y = source_of(packed, sample, x + offset_x, y + offset_y)
            at_x, at_y = fold(at_x, low_x, high_x, PADDING_MODE), fold(at_y, low_y, high_y, PADDING_MODE)
            total += (weight_x * weight_y) * _outputs(
                at_x, at_y, height, width, symbols, dc, cover, quantum, grid_width, grid_size, C, CP
            )
    channel = tl.arange(0, CP)
    colour = tl.load(
        floats + tl.load(head + MIX) + channel[:, None] * C + channel[None, :],
        mask=(channel < C)[:, None] & (channel < C)[None, :], other=0.0,
    )  # fmt: skip
    colours = (tl.sum(total[:, :, None] * colour[None, :, :], axis=1) + _OFFSET) * (1.0 / 255.0)
    store_points(
        out + sample * stride_b, colours, packed, sample, style, i, j, x, y, inside,
        stride_c, stride_y, stride_x, C, CP, PADDING_MODE, False, BYTES,
    )  # fmt: skip
