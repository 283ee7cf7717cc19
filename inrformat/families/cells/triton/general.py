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
from inrformat.families.cells.triton.basis import fine_node
from inrformat.families.cells.triton.descriptors import COLOUR, FIELDS
from inrformat.families.cells.triton.weights import OFFSET, UNIT, side_and_extent, weights_of

__all__ = ["OPTIONS", "TILE_HEIGHT", "TILE_WIDTH", "cells_general_kernel", "constants"]

TILE_HEIGHT, TILE_WIDTH = 8, 16
OPTIONS = {"num_warps": 4, "maxnreg": 96}
"""Left to itself, the assembler spills a few bytes to fit one more block."""


def constants(*, displaced: bool) -> dict[str, object]:
    """Constants of the kernel."""
    return {"TILE_HEIGHT": TILE_HEIGHT, "TILE_WIDTH": TILE_WIDTH, "DISPLACED": displaced}


@triton.jit
def _outputs(x, y, cells, C: tl.constexpr, C_PAD: tl.constexpr):
    """The network's outputs at native positions ``(P,)``: ``(P, C_PAD)``, in 1/255 units without the offset."""
    channel = tl.arange(0, C_PAD)
    used = (channel < C)[None, :]
    plane_width, plane_size = 8 * cells.plane_columns, 64 * cells.plane_nodes
    row, column = fine_node(y, cells.fine_rows), fine_node(x, cells.fine_columns)
    side, extent = side_and_extent(tl.load(cells.cell_sides + row * cells.plane_columns + column))
    halvings = tl.where(side == 32, 2, tl.where(side == 16, 1, 0))
    row, column = row >> halvings, column >> halvings
    length = side.to(tl.float32)
    v, u = y / length - row.to(tl.float32), x / length - column.to(tl.float32)
    mean = ((row << halvings) * cells.plane_columns + (column << halvings))[:, None]
    mean = mean + channel[None, :] * cells.plane_nodes
    total = tl.load(cells.cell_means + mean, mask=used, other=0.0) / length[:, None]
    corner = (row * side * plane_width + column * side)[:, None] + channel[None, :] * plane_size
    norm_0, norm = tl.sqrt(1.0 / length), tl.sqrt(2.0 / length)
    twice_v, twice_u = 2.0 * cosine(v), 2.0 * cosine(u)
    greatest_extent, longest = tl.max(extent, axis=0), tl.max(side, axis=0)
    # Of units b down and a across: cos(pi b v) and the one before it, cos(pi a u) and the one before it.
    cosine_v, before_v = tl.zeros_like(v) + 1.0, 0.5 * twice_v
    for b in range(0, tl.minimum(greatest_extent, longest)):
        cosine_u, before_u = tl.zeros_like(u) + 1.0, 0.5 * twice_u
        line = tl.zeros_like(total)
        for a in range(0, tl.minimum(greatest_extent - b, longest)):
            kept = (a < side) & (b < side) & (a + b < extent)
            weight = tl.load(cells.symbols + corner + (b * plane_width + a), mask=kept[:, None] & used, other=0)
            line += weight.to(tl.float32) * (cosine_u * tl.where(a == 0, norm_0, norm))[:, None]
            cosine_u, before_u = twice_u * cosine_u - before_u, cosine_u
        total += line * (cells.step * cosine_v * tl.where(b == 0, norm_0, norm))[:, None]
        cosine_v, before_v = twice_v * cosine_v - before_v, cosine_v
    return total


@triton.jit
def _mixed(outputs, colour, C: tl.constexpr, C_PAD: tl.constexpr):
    """Image channels of the network's, ``(P, C_PAD)``, by the ``(C, C)`` matrix at ``colour``."""
    channel = tl.arange(0, C_PAD)
    used = (channel < C)[:, None] & (channel < C)[None, :]
    matrix = tl.load(colour + channel[:, None] * C + channel[None, :], mask=used, other=0.0)
    return tl.sum(outputs[:, :, None] * matrix[None, :, :], axis=1)


@entry(varying=("plane_columns", "plane_nodes"))
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
    floats,
    symbols,
    cell_means,
    cell_sides,
    steps,
    symbol_count,
    plane_start,
    plane_columns,
    plane_nodes,
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
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    cells = weights_of(
        sample, shape, symbols, cell_means, cell_sides, steps, symbol_count, plane_start, plane_columns, plane_nodes, C
    )
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
            total += (weight_x * weight_y) * _outputs(x, y, cells, C, C_PAD)
    colours = (_mixed(total, floats + tl.load(head + COLOUR), C, C_PAD) + OFFSET) * UNIT
    frame = frame_of(sample, out, out_height, out_width, stride_b, stride_c, stride_y, stride_x)
    store_points(frame, colours, packed, sample, channel_style, pixels, C, C_PAD, PADDING_MODE, False, BYTES)
