"""What the kernels of aligned maps share: each axis alone, then both as products of small matrices (spec section 8.2).

An *axis* is a tuple of what a program knows of one: ``centres``, where its output pixels look, native px, ``(n,)``;
``span``, native px an output pixel spans; window ``low`` and ``high`` and its ``feather``; ``point``, whether pixels
are evaluated at their centres, which holds up to a span of ``point_span``, else at the native pixels around, filtered.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.epilogue import CONSTANT, finished
from inrformat.decode.triton.sampling import number_at, window_coverage, window_of

__all__ = ["axis_of", "both_axes", "lattice_filter", "pixels_of", "shrinks", "store_tile"]


@triton.jit
def shrinks(packed, sample, point_span):
    """Whether an axis of an aligned map is filtered."""
    return tl.maximum(tl.abs(number_at(packed, sample, 0)), tl.abs(number_at(packed, sample, 4))) > point_span


@triton.jit
def axis_of(packed, sample, axis: tl.constexpr, pixel, count, point_span):
    """The axis, 0 for x, of the output pixels ``pixel`` ``(n,)``, of which the last exists ``count`` of."""
    scale, shift = number_at(packed, sample, 4 * axis), number_at(packed, sample, 3 * axis + 2)
    centres = scale * (tl.minimum(pixel, count - 1).to(tl.float32) + 0.5) + shift
    low, high, feather = window_of(packed, sample, axis)
    span = tl.abs(scale)
    return centres, span, low, high, feather, span <= point_span


@triton.jit
def pixels_of(axis, PADDING_MODE: tl.constexpr):
    """Numbers of the first and the last native pixel that a filtered axis sees, before folding."""
    centres, span, low, high, _, _ = axis
    first, last = tl.min(centres, axis=0) - span, tl.max(centres, axis=0) + span
    if PADDING_MODE <= CONSTANT:
        first, last = tl.maximum(first, low), tl.minimum(last, high)
    return tl.ceil(first - 0.5).to(tl.int32), tl.floor(last - 0.5).to(tl.int32)


@triton.jit
def lattice_filter(first, axis, PADDING_MODE: tl.constexpr, SIZE: tl.constexpr):
    """Centres of SIZE native pixels, ``(SIZE,)``, and their weights in each output, ``(n, SIZE)``."""
    centres, span, low, high, _, _ = axis
    at = (tl.arange(0, SIZE) + first).to(tl.float32) + 0.5
    weight = tl.maximum(1.0 - tl.abs(at[None, :] - centres[:, None]) / span, 0.0)
    if PADDING_MODE <= CONSTANT:
        weight = tl.where(((at >= low) & (at <= high))[None, :], weight, 0.0)
    return at, weight


@triton.jit
def both_axes(down, planes, across, PRECISION: tl.constexpr):
    """``down`` ``(n, k)`` and ``across`` ``(m, l)`` applied to ``planes`` ``(k, channels, l)``: ``(n channels, m)``."""
    half = tl.dot(
        down, tl.reshape(planes, (planes.shape[0], planes.shape[1] * planes.shape[2])), input_precision=PRECISION
    )  # fmt: skip
    half = tl.reshape(half, (down.shape[0] * planes.shape[1], planes.shape[2]))
    return tl.dot(half, tl.trans(across), input_precision=PRECISION)


@triton.jit
def _coverage(axis):
    """Share of the window in each output of an axis."""
    centres, span, low, high, feather, point = axis
    return window_coverage(centres, low, high, tl.where(point, feather, tl.maximum(feather, span)))


@triton.jit
def store_tile(
    out, sums, mix, offset, gain, style, rows, columns, total_y, total_x, i, j, frame,
    C: tl.constexpr, CP: tl.constexpr, PADDING_MODE: tl.constexpr, BYTES: tl.constexpr,
):  # fmt: skip
    """Normalise, mix channels, blend with the fill and store a tile.

    ``sums`` ``(rows CP, columns)`` of the network's channels, filtered by weights that add to the totals of the axes
    ``rows`` and ``columns``; ``mix`` ``(C, C)``: image channels, the columns, of those; a colour is ``gain`` times that
    plus ``offset``. ``i`` and ``j``: rows and columns of the tile; ``frame``: height, width, strides of channel, y, x.
    """
    height, width, stride_c, stride_y, stride_x = frame
    # A pixel far outside the window weighs nothing, but must not divide by nothing.
    inverse_y, inverse_x = 1.0 / tl.maximum(total_y, 1e-9), 1.0 / tl.maximum(total_x, 1e-9)
    offset *= (total_y * inverse_y)[:, None] * (total_x * inverse_x)[None, :]
    gain *= inverse_y[:, None] * inverse_x[None, :]
    planes = tl.reshape(sums, (i.shape[0], CP, j.shape[0]))
    channel = tl.arange(0, CP)
    inside = (i < height)[:, None] & (j < width)[None, :]
    at = out + i[:, None] * stride_y + j[None, :] * stride_x
    for c in tl.static_range(C):
        weight = tl.load(mix + channel * C + c, mask=channel < C, other=0.0)
        plane = offset + gain * tl.sum(planes * weight[None, :, None], axis=1)
        if PADDING_MODE == CONSTANT:
            fill = tl.load(style + 2 * C + c)
            plane = fill + (plane - fill) * _coverage(rows)[:, None] * _coverage(columns)[None, :]
        plane = finished(plane, tl.load(style + c), tl.load(style + C + c), BYTES)
        tl.store(at + c * stride_c, plane.to(out.dtype.element_ty), mask=inside)
