"""``cells`` under aligned maps: a program makes 32 x 32 output pixels of one sample, all channels.

Of each block that the tile sees, coefficients are multiplied by the operators of both axes (``operators.py``): (outputs
x units) (units x units) (units x outputs). A cell of 32 px adds four blocks, each with its quarter of the units; those
that hold no weight, and there are many, are passed over.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.axes import coverage_of, output_axis
from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import CONSTANT, finished, frame_of
from inrformat.families.cells.triton.basis import BLOCK
from inrformat.families.cells.triton.blocks import OFFSET, holds_weights, side_and_extent
from inrformat.families.cells.triton.descriptors import FIELDS
from inrformat.families.cells.triton.operators import LEVELS, TILE

__all__ = ["cells_aligned_kernel", "constants", "options"]


def constants(*, products: str) -> dict[str, object]:
    """Constants of the kernel."""
    return {"TILE": TILE, "PRECISION": products}


def options(*, channels: int, products: str) -> dict[str, int]:
    """How to compile the kernel: a warp for every three channels, whose sums then stay in registers.

    Exact products are no tensor core's: they need four times as many.
    """
    warps = triton.next_power_of_2(-(-channels // 3))
    return {"num_warps": min(4 * warps if products == "ieee" else warps, 8)}


@triton.jit
def _zeros(count, size):
    """As many planes of zeros: a tuple of ``(size, size)``."""
    planes = ()
    for _ in tl.static_range(count):
        planes += (tl.zeros((size, size), tl.float32),)
    return planes


@triton.jit
def _added(sums, left, coefficients, right, count, precision):
    """``sums``, of each channel, with what a block adds, whose first channel is at the pointers ``coefficients``."""
    planes = ()
    for channel in tl.static_range(count):
        weights = tl.load(coefficients + channel * (BLOCK * BLOCK))
        half = tl.dot(left, weights, input_precision=precision).to(weights.dtype)
        planes += (tl.dot(half, right, acc=sums[channel], input_precision=precision),)
    return planes


@entry(varying=("first_sample", "block_columns", "block_count", "tile_rows", "axis_blocks"))
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
    blocks,
    covers,
    operators,
    spans,
    totals,
    first_sample,
    block_columns,
    block_count,
    axis_blocks,
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
    BYTES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One tile."""
    part, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    sample = first_sample + part
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    if tl.load(heads + shape.network * FIELDS + IN_FAMILY) == 0:
        return
    tile_rows = tile_count // tile_columns
    row, column = tile // tile_columns, tile % tile_columns
    down = part * (tile_rows + tile_columns) + row
    across = part * (tile_rows + tile_columns) + tile_rows + column
    first_y, last_y = tl.load(spans + 2 * down), tl.load(spans + 2 * down + 1)
    first_x, last_x = tl.load(spans + 2 * across), tl.load(spans + 2 * across + 1)
    covers += part * block_count
    blocks += part * block_count * (C * BLOCK * BLOCK)
    down_operators = operators + down * axis_blocks * (LEVELS * TILE * BLOCK)
    across_operators = operators + across * axis_blocks * (LEVELS * TILE * BLOCK)

    k, unit = tl.arange(0, TILE), tl.arange(0, BLOCK)
    place = k[:, None] * BLOCK + unit[None, :]
    transposed = unit[:, None] + k[None, :] * BLOCK
    coefficient = unit[:, None] * BLOCK + unit[None, :]
    sums = _zeros(C, TILE)
    for r in range(first_y & ~1, (last_y | 1) + 1):
        for c in range(first_x & ~1, (last_x | 1) + 1):
            side, extent = side_and_extent(tl.load(covers + r * block_columns + c))
            in_view = (r >= first_y) & (r <= last_y) & (c >= first_x) & (c <= last_x)
            if ((side == 32) | in_view) & holds_weights(side, extent, r, c):
                level = side >> 4  # 0, 1, 2 for 8, 16, 32 px
                left = tl.load(down_operators + (r * LEVELS + level) * (TILE * BLOCK) + place)
                right = tl.load(across_operators + (c * LEVELS + level) * (TILE * BLOCK) + transposed)
                block = blocks + (r * block_columns + c) * (C * BLOCK * BLOCK)
                sums = _added(sums, left, block + coefficient, right, C, PRECISION)

    frame = frame_of(sample, out, out_height, out_width, stride_b, stride_c, stride_y, stride_x)
    y, x = row * TILE + k, column * TILE + k
    exists = (y < out_height)[:, None] & (x < out_width)[None, :]
    at = frame.first + y[:, None] * stride_y + x[None, :] * stride_x
    if PADDING_MODE == CONSTANT:
        coverage_y = coverage_of(output_axis(packed, sample, 1, y, out_height, point_span))
        coverage_x = coverage_of(output_axis(packed, sample, 0, x, out_width, point_span))
        coverage = coverage_y[:, None] * coverage_x[None, :]
        total = tl.load(totals + down * TILE + k)[:, None] * tl.load(totals + across * TILE + k)[None, :]
    for d in tl.static_range(C):
        plane = OFFSET + sums[d]
        if PADDING_MODE == CONSTANT:
            plane = OFFSET * total + sums[d]
            fill = tl.load(channel_style + 2 * C + d)
            plane = fill + (plane - fill) * coverage
        plane = finished(plane, tl.load(channel_style + d), tl.load(channel_style + C + d), BYTES)
        tl.store(at + d * stride_c, plane.to(out.dtype.element_ty), mask=exists)
