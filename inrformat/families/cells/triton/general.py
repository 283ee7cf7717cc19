"""``cells`` under any map: a program makes 8 x 16 output pixels of one sample, each at its own position.

Units grow by the cosine recurrence, whose rounding stays under 1e-4 for the 32 units there are. Only coefficients up to
the extent of the cells that a tile sees are read: smooth cells keep few.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import frame_of, store_points
from inrformat.decoding.triton.sampling import fold, output_pixels, source_of, tap, taps_of, window_of
from inrformat.decoding.triton.trigonometry import cosine
from inrformat.families.cells.triton.basis import BLOCK, fine_node
from inrformat.families.cells.triton.blocks import OFFSET, side_and_extent
from inrformat.families.cells.triton.descriptors import FIELDS

__all__ = ["OPTIONS", "TILE_HEIGHT", "TILE_WIDTH", "cells_general_kernel", "constants"]

TILE_HEIGHT, TILE_WIDTH = 8, 16
OPTIONS = {"num_warps": 4, "maxnreg": 96}
"""Left to itself, the assembler spills a few bytes to fit one more block."""


def constants(*, displaced: bool) -> dict[str, object]:
    """Constants of the kernel."""
    return {"TILE_HEIGHT": TILE_HEIGHT, "TILE_WIDTH": TILE_WIDTH, "DISPLACED": displaced}


@triton.jit
def _outputs(x, y, blocks, covers, fine_rows, fine_columns, block_columns, C: tl.constexpr, C_PAD: tl.constexpr):
    """The image's channels at native positions ``(P,)``: ``(P, C_PAD)``, without the offset."""
    channel = tl.arange(0, C_PAD)
    used = (channel < C)[None, :]
    row, column = fine_node(y, fine_rows), fine_node(x, fine_columns)
    side, extent = side_and_extent(tl.load(covers + (row >> 1) * block_columns + (column >> 1)))
    first_row, first_column = (row * 8) & -side, (column * 8) & -side
    length = side.to(tl.float32)
    v, u = (y - first_row.to(tl.float32)) / length, (x - first_column.to(tl.float32)) / length
    norm_0, norm = tl.sqrt(1.0 / length), tl.sqrt(2.0 / length)
    twice_v, twice_u = 2.0 * cosine(v), 2.0 * cosine(u)
    longest, total = tl.max(extent, axis=0), tl.zeros((x.shape[0], C_PAD), tl.float32)
    # Of units b down and a across: cos(pi b v) and the one before it, cos(pi a u) and the one before it.
    cosine_v, before_v = tl.zeros_like(v) + 1.0, 0.5 * twice_v
    for b in range(0, tl.minimum(longest, tl.max(side, axis=0))):
        cosine_u, before_u = tl.zeros_like(u) + 1.0, 0.5 * twice_u
        line = tl.zeros_like(total)
        coefficient_row = first_row + b
        block_row = (coefficient_row >> 4) * block_columns
        for a in range(0, tl.minimum(longest - b, tl.max(side, axis=0))):
            kept = (a < side) & (b < side) & (a + b < extent)
            coefficient_column = first_column + a
            block = (block_row + (coefficient_column >> 4)) * (C * BLOCK * BLOCK)
            at = block + (coefficient_row & 15) * BLOCK + (coefficient_column & 15)
            at = at[:, None] + channel[None, :] * (BLOCK * BLOCK)
            weight = tl.load(blocks + at, mask=kept[:, None] & used, other=0.0)
            line += weight.to(tl.float32) * (cosine_u * tl.where(a == 0, norm_0, norm))[:, None]
            cosine_u, before_u = twice_u * cosine_u - before_u, cosine_u
        total += line * (cosine_v * tl.where(b == 0, norm_0, norm))[:, None]
        cosine_v, before_v = twice_v * cosine_v - before_v, cosine_v
    return total


@entry(varying=("block_columns",))
def cells_general_kernel(
    out,
    packed,
    taps,
    displacement,
    channel_style,
    shapes,
    rows,
    record_count,
    network_count,
    max_height,
    max_width,
    heads,
    blocks,
    covers,
    block_columns,
    block_count,
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
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    DISPLACED: tl.constexpr,
    BYTES: tl.constexpr,
):
    """TILE_HEIGHT x TILE_WIDTH output pixels, each at all its taps."""
    sample, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    if tl.load(heads + shape.network * FIELDS + IN_FAMILY) == 0:
        return
    fine_rows, fine_columns = (shape.height + 7) // 8, (shape.width + 7) // 8
    covers += sample * block_count
    blocks += sample * block_count * (C * BLOCK * BLOCK)
    pixels = output_pixels(
        tile, tile_columns, sample, displacement, out_height, out_width, TILE_HEIGHT, TILE_WIDTH, DISPLACED
    )
    window_x, window_y = window_of(packed, sample, 0), window_of(packed, sample, 1)
    count_x, half_width_x = taps_of(taps, sample, 0)
    count_y, half_width_y = taps_of(taps, sample, 1)
    total = tl.zeros((TILE_HEIGHT * TILE_WIDTH, C_PAD), tl.float32)
    for k in range(0, count_y.to(tl.int32)):
        offset_y, weight_y = tap(k, count_y, half_width_y)
        for m in range(0, count_x.to(tl.int32)):
            offset_x, weight_x = tap(m, count_x, half_width_x)
            x, y = source_of(packed, sample, pixels.x + offset_x, pixels.y + offset_y)
            x, y = fold(x, window_x, PADDING_MODE), fold(y, window_y, PADDING_MODE)
            outputs = _outputs(x, y, blocks, covers, fine_rows, fine_columns, block_columns, C, C_PAD)
            total += (weight_x * weight_y) * outputs
    frame = frame_of(sample, out, out_height, out_width, stride_b, stride_c, stride_y, stride_x)
    store_points(frame, total + OFFSET, packed, sample, channel_style, pixels, C, C_PAD, PADDING_MODE, False, BYTES)
