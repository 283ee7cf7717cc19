"""Aligned maps: each axis alone, then both as products of small matrices (spec section 8.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.epilogue import CONSTANT, finished
from inrformat.decoding.triton.sampling import map_number, window_coverage, window_of

__all__ = [
    "Axis",
    "both_axes",
    "coverage_of",
    "first_and_last_pixel",
    "lattice_filter",
    "output_axis",
    "shrinks",
    "store_tile",
]

_NOWHERE = tl.constexpr(1e9)
"""A position that no filter reaches."""


class Axis(NamedTuple):
    """What a program knows of one axis of its output pixels.

    Attributes:
        pixels: int32 ``(n,)``, which output pixels; ones beyond the output's end look where the last one looks.
        centres: float32 ``(n,)``, where they look, in native pixels. span: native pixels from one to the next.
        window: the `Window`. at_points: whether they are evaluated at their centres; else the network is evaluated at
            the native pixels around, and filtered.
    """

    pixels: Any
    centres: Any
    span: Any
    window: Any
    at_points: Any


@triton.jit
def shrinks(packed, sample, point_span):
    """Whether an axis of an aligned map is filtered."""
    return tl.maximum(tl.abs(map_number(packed, sample, 0)), tl.abs(map_number(packed, sample, 4))) > point_span


@triton.jit
def output_axis(packed, sample, axis: tl.constexpr, pixels, count, point_span):
    """The `Axis`, 0 for x, of the output pixels ``pixels`` ``(n,)``, of which those below ``count`` exist."""
    scale, shift = map_number(packed, sample, 4 * axis), map_number(packed, sample, 3 * axis + 2)
    centres = scale * (tl.minimum(pixels, count - 1).to(tl.float32) + 0.5) + shift
    span = tl.abs(scale)
    return Axis(
        pixels=pixels,
        centres=centres,
        span=span,
        window=window_of(packed, sample, axis),
        at_points=span <= point_span,
    )


@triton.jit
def first_and_last_pixel(axis, PADDING_MODE: tl.constexpr):
    """Numbers of the first and the last native pixel that a filtered axis sees, before folding."""
    first, last = tl.min(axis.centres, axis=0) - axis.span, tl.max(axis.centres, axis=0) + axis.span
    if PADDING_MODE <= CONSTANT:  # what lies beyond the window has no part
        first, last = tl.maximum(first, axis.window.low), tl.minimum(last, axis.window.high)
    return tl.ceil(first - 0.5).to(tl.int32), tl.floor(last - 0.5).to(tl.int32)


@triton.jit
def lattice_filter(first, axis, PADDING_MODE: tl.constexpr, SIZE: tl.constexpr):
    """Centres of SIZE native pixels, ``(SIZE,)``, and their weights in each output, ``(n, SIZE)``."""
    at = (tl.arange(0, SIZE) + first).to(tl.float32) + 0.5
    seen = at
    if PADDING_MODE <= CONSTANT:  # what lies beyond the window has no part
        seen = tl.where((at >= axis.window.low) & (at <= axis.window.high), at, _NOWHERE)
    per_pixel = 1.0 / axis.span
    return at, tl.maximum(1.0 - tl.abs((seen[None, :] - axis.centres[:, None]) * per_pixel), 0.0)


@triton.jit
def both_axes(down, planes, across, PRECISION: tl.constexpr):
    """``down`` ``(n, k)`` and ``across`` ``(m, l)`` applied to ``planes`` ``(k, channels, l)``: ``(n channels, m)``."""
    rows = tl.reshape(planes, (planes.shape[0], planes.shape[1] * planes.shape[2]))
    half = tl.dot(down, rows, input_precision=PRECISION)
    half = tl.reshape(half, (down.shape[0] * planes.shape[1], planes.shape[2]))
    return tl.dot(half, tl.trans(across), input_precision=PRECISION)


@triton.jit
def coverage_of(axis):
    """Share of the window in each output of an axis."""
    feather = tl.where(axis.at_points, axis.window.feather, tl.maximum(axis.window.feather, axis.span))
    return window_coverage(axis.centres, axis.window, feather)


@triton.jit
def store_tile(
    frame,
    sums,
    colour,
    offset,
    gain,
    channel_style,
    vertical,
    horizontal,
    total_y,
    total_x,
    C: tl.constexpr,
    C_PAD: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    BYTES: tl.constexpr,
):
    """Normalise, mix channels, blend with the fill and store a tile: the outputs of two axes.

    ``sums`` ``(rows C_PAD, columns)`` of the network's channels, filtered by weights that add to ``total_y`` in each
    row and ``total_x`` in each column; ``colour`` ``(C, C)``: image channels, the columns, of those; a colour is
    ``gain`` times that plus ``offset``. ``frame``, ``channel_style``: see ``epilogue.py``.
    """
    # A pixel far outside the window weighs nothing, but must not divide by nothing.
    inverse_y, inverse_x = 1.0 / tl.maximum(total_y, 1e-9), 1.0 / tl.maximum(total_x, 1e-9)
    offset *= (total_y * inverse_y)[:, None] * (total_x * inverse_x)[None, :]
    gain *= inverse_y[:, None] * inverse_x[None, :]
    row, column = vertical.pixels, horizontal.pixels
    planes = tl.reshape(sums, (row.shape[0], C_PAD, column.shape[0]))
    channel = tl.arange(0, C_PAD)
    exists = (row < frame.height)[:, None] & (column < frame.width)[None, :]
    at = frame.first + row[:, None] * frame.stride_y + column[None, :] * frame.stride_x
    for c in tl.static_range(C):
        weight = tl.load(colour + channel * C + c, mask=channel < C, other=0.0)
        plane = offset + gain * tl.sum(planes * weight[None, :, None], axis=1)
        if PADDING_MODE == CONSTANT:
            fill = tl.load(channel_style + 2 * C + c)
            plane = fill + (plane - fill) * coverage_of(vertical)[:, None] * coverage_of(horizontal)[None, :]
        plane = finished(plane, tl.load(channel_style + c), tl.load(channel_style + C + c), BYTES)
        tl.store(at + c * frame.stride_c, plane.to(frame.first.dtype.element_ty), mask=exists)
