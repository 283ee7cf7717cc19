"""``cells`` under any map: a program makes 8 x 8 output pixels of one sample, each at its own position.

Each pixel reads the coefficients of its cell eight at a time, up to the greatest extent of the cells that the tile
sees: smooth cells keep few.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import CONSTANT, finished
from inrformat.decoding.triton.sampling import coverage_at, fold, output_pixels, source_of, tap, taps_of, window_of
from inrformat.decoding.triton.trigonometry import approximate_cosine, cosine
from inrformat.families.cells.triton.basis import BLOCK, fine_node
from inrformat.families.cells.triton.blocks import OFFSET, side_and_extent
from inrformat.families.cells.triton.descriptors import FIELDS

__all__ = ["OPTIONS", "TILE", "cells_general_kernel", "constants"]

TILE = 8
OPTIONS = {"num_warps": 1}
_CHUNK = tl.constexpr(8)
"""Coefficients of a row that are read at a time: 16 bytes."""
_PI = tl.constexpr(math.pi)
_SQRT_HALF = tl.constexpr(math.sqrt(0.5))


def constants(*, displaced: bool, products: str) -> dict[str, object]:
    """Constants of the kernel."""
    return {"TILE": TILE, "DISPLACED": displaced, "EXACT": products == "ieee"}


class Position(NamedTuple):
    """Where pixels ``(P,)`` look: their cell's first row and column and side, in px, its extent, and where in it."""

    row: Any
    column: Any
    side: Any
    extent: Any
    v: Any
    u: Any


@triton.jit
def _position(x, y, covers, fine_rows, fine_columns, block_columns):
    """The `Position` of pixels that look at native positions ``(P,)``."""
    row, column = fine_node(y, fine_rows), fine_node(x, fine_columns)
    side, extent = side_and_extent(tl.load(covers + (row >> 1) * block_columns + (column >> 1)))
    row, column, length = (row * 8) & -side, (column * 8) & -side, side.to(tl.float32)
    v, u = (y - row.to(tl.float32)) / length, (x - column.to(tl.float32)) / length
    return Position(row=row, column=column, side=side, extent=extent, v=v, u=u)


@triton.jit
def _unit(number, u, EXACT: tl.constexpr):
    """A hidden unit at cell coordinates ``u``, times sqrt(side / 2)."""
    wave = cosine(u * number) if EXACT else approximate_cosine((u * _PI) * number)
    return tl.where(number == 0, _SQRT_HALF, wave)


@triton.jit
def _zeros(like, count):
    """A tuple of as many zeros of ``like``'s shape."""
    zeros = ()
    for _ in tl.static_range(count):
        zeros += (tl.zeros_like(like),)
    return zeros


@triton.jit
def _scaled_sum(sums, scale, added, count):
    """``sums + scale * added``, of tuples."""
    result = ()
    for channel in tl.static_range(count):
        result += (sums[channel] + scale * added[channel],)
    return result


@triton.jit
def _chunk_sum(sums, coefficients, units, mask, count):
    """``sums`` with ``units`` ``(P, _CHUNK)`` times the coefficients of each channel, the first at those pointers."""
    result = ()
    for channel in tl.static_range(count):
        weights = tl.load(coefficients + channel * (BLOCK * BLOCK), mask=mask, other=0.0).to(tl.float32)
        result += (sums[channel] + tl.sum(weights * units, axis=1),)
    return result


@triton.jit
def _outputs(at, blocks, block_columns, C: tl.constexpr, EXACT: tl.constexpr):
    """The image's channels at `Position` ``at``: a tuple of ``(P,)``, without the offset."""
    k = tl.arange(0, _CHUNK)
    extent, longest = tl.max(at.extent, axis=0), tl.max(at.side, axis=0)
    sums = _zeros(at.v, C)
    for b in range(0, tl.minimum(extent, longest)):
        row = at.row + b
        line = (row >> 4) * block_columns * (C * BLOCK * BLOCK) + (row & 15) * BLOCK
        lines = _zeros(at.v, C)
        for first in range(0, tl.minimum(extent - b, longest), _CHUNK):
            # What lies beyond a cell's extent in a chunk that begins before it is 0.
            mask = (b < at.side) & (first < at.side) & (b + first < at.extent)
            column = at.column + first
            start = tl.multiple_of(line + (column >> 4) * (C * BLOCK * BLOCK) + (column & 8), _CHUNK)
            units = _unit((first + k).to(tl.float32)[None, :], at.u[:, None], EXACT)
            lines = _chunk_sum(lines, blocks + start[:, None] + k[None, :], units, mask[:, None], C)
        sums = _scaled_sum(sums, _unit(b * 1.0, at.v, EXACT), lines, C)
    return _scaled_sum(_zeros(at.v, C), 2.0 / at.side.to(tl.float32), sums, C)


@entry(varying=("first_sample", "block_columns"))
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
    first_sample,
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
    TILE: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    DISPLACED: tl.constexpr,
    BYTES: tl.constexpr,
    EXACT: tl.constexpr,
):
    """TILE x TILE output pixels, each at all its taps."""
    part, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    sample = first_sample + part
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    if tl.load(heads + shape.network * FIELDS + IN_FAMILY) == 0:
        return
    fine_rows, fine_columns = (shape.height + 7) // 8, (shape.width + 7) // 8
    covers += part * block_count
    blocks += part * block_count * (C * BLOCK * BLOCK)
    pixels = output_pixels(tile, tile_columns, sample, displacement, out_height, out_width, TILE, TILE, DISPLACED)
    window_x, window_y = window_of(packed, sample, 0), window_of(packed, sample, 1)
    count_x, half_width_x = taps_of(taps, sample, 0)
    count_y, half_width_y = taps_of(taps, sample, 1)
    sums = _zeros(pixels.x, C)
    for k in range(0, count_y.to(tl.int32)):
        offset_y, weight_y = tap(k, count_y, half_width_y)
        for m in range(0, count_x.to(tl.int32)):
            offset_x, weight_x = tap(m, count_x, half_width_x)
            x, y = source_of(packed, sample, pixels.x + offset_x, pixels.y + offset_y)
            x, y = fold(x, window_x, PADDING_MODE), fold(y, window_y, PADDING_MODE)
            at = _position(x, y, covers, fine_rows, fine_columns, block_columns)
            sums = _scaled_sum(sums, weight_x * weight_y, _outputs(at, blocks, block_columns, C, EXACT), C)

    if PADDING_MODE == CONSTANT:
        coverage = coverage_at(packed, sample, pixels.x, pixels.y)
    to = out + sample * stride_b + pixels.row * stride_y + pixels.column * stride_x
    for channel in tl.static_range(C):
        plane = OFFSET + sums[channel]
        if PADDING_MODE == CONSTANT:
            fill = tl.load(channel_style + 2 * C + channel)
            # What was sampled is weighed by the window as well (spec section 8.2).
            plane = fill + (coverage * plane - fill) * coverage
        plane = finished(plane, tl.load(channel_style + channel), tl.load(channel_style + C + channel), BYTES)
        tl.store(to + channel * stride_c, plane.to(out.dtype.element_ty), mask=pixels.exists)
