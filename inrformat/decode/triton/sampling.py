"""Where output pixels look: positions, windows and filters of spec section 8.2, from ``Geometry.packed``.

PADDING_MODE is the number of a `PaddingMode`. Positions that are no numbers become 0, so that what is read lies inside.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.geometry import PACKED, PaddingMode

__all__ = ["coverage_at", "fold", "number_at", "output_pixels", "source_of", "tap", "window_coverage", "window_of"]

_PACKED = tl.constexpr(PACKED)
_CONSTANT = tl.constexpr(int(PaddingMode.CONSTANT))
_EDGE = tl.constexpr(int(PaddingMode.EDGE))
_REFLECT = tl.constexpr(int(PaddingMode.REFLECT))
_SYMMETRIC = tl.constexpr(int(PaddingMode.SYMMETRIC))
_FARTHEST = tl.constexpr(1e6)


@triton.jit
def _number(x):
    """``x`` within a million pixels of the origin; 0 where it is no number."""
    x = tl.where(x == x, x, 0.0)
    return tl.minimum(tl.maximum(x, -_FARTHEST), _FARTHEST)


@triton.jit
def number_at(packed, sample, place: tl.constexpr):
    """One of the numbers of a sample's map."""
    return _number(tl.load(packed + sample * _PACKED + place))


@triton.jit
def fold(position, low, high, PADDING_MODE: tl.constexpr):
    """Bring positions into the window, as ``geometry.fold``."""
    if PADDING_MODE == _REFLECT or PADDING_MODE == _EDGE:
        low += 0.5
        high -= 0.5
    if PADDING_MODE == _REFLECT or PADDING_MODE == _SYMMETRIC:
        extent = tl.maximum(high - low, 1e-6)
        away = position - low
        away = away - 2 * extent * tl.floor(away / (2 * extent))
        return low + tl.maximum(tl.minimum(away, 2 * extent - away), 0.0)
    return tl.minimum(tl.maximum(position, low), high)


@triton.jit
def window_of(packed, sample, axis: tl.constexpr):
    """Window and softness along an axis, 0 for x."""
    low, high = number_at(packed, sample, 9 + axis), number_at(packed, sample, 11 + axis)
    return low, high, tl.maximum(number_at(packed, sample, 13 + axis), 1e-6)


@triton.jit
def window_coverage(position, low, high, feather):
    """Share of the window in what is seen at ``position`` along an axis."""
    coverage = tl.minimum(position - low, high - position) / feather + 0.5
    return tl.minimum(tl.maximum(coverage, 0.0), 1.0)


@triton.jit
def output_pixels(
    tile, tiles_x, sample, displacement, height, width, TILE_H: tl.constexpr, TILE_W: tl.constexpr,
    DISPLACED: tl.constexpr,
):  # fmt: skip
    """Pixels of a tile, ``(TILE_H * TILE_W,)``: row, column, whether they exist, and their displaced position x, y."""
    p = tl.arange(0, TILE_H * TILE_W)
    i, j = (tile // tiles_x) * TILE_H + p // TILE_W, (tile % tiles_x) * TILE_W + p % TILE_W
    inside = (i < height) & (j < width)
    x, y = j.to(tl.float32) + 0.5, i.to(tl.float32) + 0.5
    if DISPLACED:
        moved = displacement + ((sample * height + i) * width + j) * 2
        x += tl.load(moved, mask=inside, other=0.0)
        y += tl.load(moved + 1, mask=inside, other=0.0)
    return i, j, inside, x, y


@triton.jit
def tap(number, count, reach):
    """Offset in output pixels and weight of an evaluation along an axis of the output (spec section 8.2)."""
    at = (number * 2.0 + 1.0) / count - 1.0
    # Of an even count n the weights 1 - |at| add to n / 2; a single one weighs 1.
    return at * reach, tl.where(count > 1.0, (1.0 - tl.abs(at)) * 2.0 / count, 1.0)


@triton.jit
def source_of(packed, sample, x, y):
    """Source position of output positions under any matrix."""
    at = packed + sample * _PACKED
    across = tl.load(at) * x + tl.load(at + 1) * y + tl.load(at + 2)
    down = tl.load(at + 3) * x + tl.load(at + 4) * y + tl.load(at + 5)
    depth = tl.load(at + 6) * x + tl.load(at + 7) * y + tl.load(at + 8)
    return _number(across / depth), _number(down / depth)


@triton.jit
def coverage_at(packed, sample, x, y):
    """Share of the window in what is seen at output positions under any matrix."""
    x, y = source_of(packed, sample, x, y)
    low_x, high_x, feather_x = window_of(packed, sample, 0)
    low_y, high_y, feather_y = window_of(packed, sample, 1)
    return window_coverage(x, low_x, high_x, feather_x) * window_coverage(y, low_y, high_y, feather_y)
