"""Where output pixels look: positions, windows and filters of spec section 8.2, from ``Geometry.packed``.

OUTSIDE is the number of an `Outside` rule. Positions that are no numbers become 0, so that what is read lies inside.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.geometry import PACKED, Outside

__all__ = ["axis_of", "chunks_of", "cover_of", "fold", "lattice_filter", "source_of", "window_share"]

_PACKED = tl.constexpr(PACKED)
_CONSTANT = tl.constexpr(int(Outside.CONSTANT))
_EDGE = tl.constexpr(int(Outside.EDGE))
_REFLECT = tl.constexpr(int(Outside.REFLECT))
_SYMMETRIC = tl.constexpr(int(Outside.SYMMETRIC))
_FARTHEST = tl.constexpr(1e6)


@triton.jit
def _number(x):
    """``x`` within a million pixels of the origin; 0 where it is no number."""
    x = tl.where(x == x, x, 0.0)
    return tl.minimum(tl.maximum(x, -_FARTHEST), _FARTHEST)


@triton.jit
def fold(position, low, high, OUTSIDE: tl.constexpr):
    """Bring positions into the window, as ``geometry.fold``."""
    if OUTSIDE == _REFLECT or OUTSIDE == _EDGE:
        low += 0.5
        high -= 0.5
    if OUTSIDE == _REFLECT or OUTSIDE == _SYMMETRIC:
        extent = tl.maximum(high - low, 1e-6)
        away = position - low
        away = away - 2 * extent * tl.floor(away / (2 * extent))
        return low + tl.maximum(tl.minimum(away, 2 * extent - away), 0.0)
    return tl.minimum(tl.maximum(position, low), high)


@triton.jit
def axis_of(packed, sample, axis: tl.constexpr):
    """Scale, shift, window and softness of one axis of an aligned map, 0 for x."""
    at = packed + sample * _PACKED
    scale, shift = _number(tl.load(at + 4 * axis)), _number(tl.load(at + 3 * axis + 2))
    low, high = _number(tl.load(at + 9 + axis)), _number(tl.load(at + 11 + axis))
    return scale, shift, low, high, tl.maximum(_number(tl.load(at + 13 + axis)), 1e-6)


@triton.jit
def window_share(position, low, high, softness):
    """Share of the window in what is seen at ``position`` along an axis."""
    share = tl.minimum(position - low, high - position) / softness + 0.5
    return tl.minimum(tl.maximum(share, 0.0), 1.0)


@triton.jit
def cover_of(centres, scale, low, high, softness, point):
    """Share of the window in each pixel of an axis of an aligned map."""
    softness = tl.where(point, softness, tl.maximum(softness, tl.abs(scale)))
    return window_share(centres, low, high, softness)


@triton.jit
def chunks_of(centres, span, low, high, point, OUTSIDE: tl.constexpr, SIZE: tl.constexpr):
    """First chunk of SIZE native pixels that the pixels at ``centres`` see, and the one after the last."""
    first, last = tl.min(centres, axis=0) - span, tl.max(centres, axis=0) + span
    if OUTSIDE <= _CONSTANT:
        first, last = tl.maximum(first, low), tl.minimum(last, high)
    begin = tl.floor(tl.ceil(first - 0.5) / SIZE).to(tl.int32)
    end = tl.floor((last - 0.5) / SIZE).to(tl.int32) + 1
    return tl.where(point, 0, begin), tl.where(point, 1, end)


@triton.jit
def lattice_filter(chunk, centres, span, low, high, OUTSIDE: tl.constexpr, SIZE: tl.constexpr):
    """Native pixel centres of a chunk, ``(SIZE,)``, and their weights in each output, ``(len(centres), SIZE)``."""
    at = (tl.arange(0, SIZE) + chunk * SIZE).to(tl.float32) + 0.5
    weight = tl.maximum(1.0 - tl.abs(at[None, :] - centres[:, None]) / span, 0.0)
    if OUTSIDE <= _CONSTANT:
        weight = tl.where(((at >= low) & (at <= high))[None, :], weight, 0.0)
    return at, weight


@triton.jit
def source_of(packed, sample, x, y):
    """Source position of output positions under any matrix."""
    at = packed + sample * _PACKED
    across = tl.load(at) * x + tl.load(at + 1) * y + tl.load(at + 2)
    down = tl.load(at + 3) * x + tl.load(at + 4) * y + tl.load(at + 5)
    depth = tl.load(at + 6) * x + tl.load(at + 7) * y + tl.load(at + 8)
    return _number(across / depth), _number(down / depth)
