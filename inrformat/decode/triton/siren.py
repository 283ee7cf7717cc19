"""``siren`` under any map: a program takes 16 x 16 positions of one sample through all layers in registers.

Parameters of a network (42 KB in float32 for 10 layers of 28 units, padded to 32) are read a layer at a time and stay
in the first-level cache of the multiprocessor that works on the image. The first layer is computed in float32, because
rounding a coordinate moves the image; the others as ``tl.dot`` on float16 or, for exact work, float32.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.geometry import Outside
from inrformat.decode.triton.cells_general import tap
from inrformat.decode.triton.descriptors import FAMILY, FIELDS, FLOATS, LAYERS, SIREN
from inrformat.decode.triton.epilogue import finished
from inrformat.decode.triton.place import (
    axis_of,
    chunks_of,
    cover_of,
    fold,
    lattice_filter,
    source_of,
    window_share,
)
from inrformat.decode.triton.read_cells import shape_of
from inrformat.decode.triton.waves import sine

__all__ = ["OPTIONS", "TILE", "siren_aligned_kernel", "siren_general_kernel"]

TILE = 16
OPTIONS = {"num_warps": 8}
_CONSTANT = tl.constexpr(int(Outside.CONSTANT))
_INVERSE_PI = tl.constexpr(0.3183098861837907)
_HALF_MOST = tl.constexpr(65504.0)


@triton.jit
def _narrowed(x, HALF: tl.constexpr):
    """``x`` as an operand of a product: float16, within its range, or as it is."""
    if HALF:
        x = tl.minimum(tl.maximum(x, -_HALF_MOST), _HALF_MOST).to(tl.float16)
    return x


@triton.jit
def _evaluate(
    x, y, height, width, parameters, layers, most_layers, half_turns,
    PAD: tl.constexpr, HALF: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Outputs of the last layer at native positions ``(P,)``: ``(P, PAD)``."""
    unit = tl.arange(0, PAD)
    biases = parameters + most_layers * PAD * PAD
    x, y = 2.0 * x / width - 1.0, 2.0 * y / height - 1.0
    z = x[:, None] * tl.load(parameters + unit * PAD)[None, :] + y[:, None] * tl.load(parameters + unit * PAD + 1)[None]
    z += tl.load(biases + unit)[None, :]
    for layer in range(1, layers):
        h = _narrowed(sine(z * half_turns), HALF)
        # Read as (inputs, outputs): contiguous along the inputs.
        w = tl.load(parameters + layer * PAD * PAD + unit[:, None] + unit[None, :] * PAD)
        z = tl.dot(h, _narrowed(w, HALF), input_precision=PRECISION) + tl.load(biases + layer * PAD + unit)[None, :]
    return z


@triton.jit
def _axis_chunk(chunk, centres, span, low, high, total, point, OUTSIDE: tl.constexpr, SIZE: tl.constexpr):
    """Positions of one chunk of an axis, ``(SIZE,)``, and their normalised weights, ``(SIZE outputs, SIZE)``."""
    at, weight = lattice_filter(chunk, centres, span, low, high, OUTSIDE, SIZE)
    k = tl.arange(0, SIZE)
    same = (k[:, None] == k[None, :]).to(tl.float32)
    weight = tl.where(point, same, weight / tl.maximum(total, 1e-9)[:, None])
    return fold(tl.where(point, centres, at), low, high, OUTSIDE), weight


@triton.jit
def _totals(centres, span, low, high, begin, end, point, OUTSIDE: tl.constexpr, SIZE: tl.constexpr):
    total = tl.zeros_like(centres)
    if point:
        total += 1.0
    else:
        for chunk in range(begin, end):
            _, weight = lattice_filter(chunk, centres, span, low, high, OUTSIDE, SIZE)
            total += tl.sum(weight, axis=1)
    return total


@triton.jit
def siren_aligned_kernel(
    out, packed, style, shapes, rows, heads, floats, parameters,
    records, networks, max_height, max_width, padded, most_layers,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, CP: tl.constexpr, PAD: tl.constexpr, SIZE: tl.constexpr,
    OUTSIDE: tl.constexpr, ANTIALIAS: tl.constexpr, BYTES: tl.constexpr, HALF: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """16 x 16 output pixels of an aligned map; where it shrinks, native pixels in chunks of 16 x 16 and a filter."""
    sample, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != SIREN:
        return
    parameters += sample * padded
    layers, half_turns = tl.load(head + LAYERS), tl.load(floats + tl.load(head + FLOATS)) * _INVERSE_PI
    scale_y, shift_y, low_y, high_y, soft_y = axis_of(packed, sample, 1)
    scale_x, shift_x, low_x, high_x, soft_x = axis_of(packed, sample, 0)
    span_y, span_x = tl.abs(scale_y), tl.abs(scale_x)
    point_y, point_x = span_y <= 1.000001, span_x <= 1.000001
    if not ANTIALIAS:
        point_y, point_x = span_y >= 0.0, span_x >= 0.0
    i, j = (tile // tiles_x) * SIZE + tl.arange(0, SIZE), (tile % tiles_x) * SIZE + tl.arange(0, SIZE)
    centre_y = scale_y * (tl.minimum(i, height_out - 1).to(tl.float32) + 0.5) + shift_y
    centre_x = scale_x * (tl.minimum(j, width_out - 1).to(tl.float32) + 0.5) + shift_x
    begin_y, end_y = chunks_of(centre_y, span_y, low_y, high_y, point_y, OUTSIDE, SIZE)
    begin_x, end_x = chunks_of(centre_x, span_x, low_x, high_x, point_x, OUTSIDE, SIZE)
    total_y = _totals(centre_y, span_y, low_y, high_y, begin_y, end_y, point_y, OUTSIDE, SIZE)
    total_x = _totals(centre_x, span_x, low_x, high_x, begin_x, end_x, point_x, OUTSIDE, SIZE)

    channel, unit = tl.arange(0, CP), tl.arange(0, PAD)
    acc = tl.zeros((SIZE, CP, SIZE), tl.float32)
    for chunk_y in range(begin_y, end_y):
        y, down = _axis_chunk(chunk_y, centre_y, span_y, low_y, high_y, total_y, point_y, OUTSIDE, SIZE)
        for chunk_x in range(begin_x, end_x):
            x, across = _axis_chunk(chunk_x, centre_x, span_x, low_x, high_x, total_x, point_x, OUTSIDE, SIZE)
            at_y = tl.reshape(tl.broadcast_to(y[:, None], (SIZE, SIZE)), (SIZE * SIZE,))
            at_x = tl.reshape(tl.broadcast_to(x[None, :], (SIZE, SIZE)), (SIZE * SIZE,))
            z = _evaluate(
                at_x, at_y, height, width, parameters, layers, most_layers, half_turns, PAD, HALF, PRECISION
            )  # fmt: skip
            for c in tl.static_range(C):
                plane = tl.reshape(tl.sum(tl.where(unit[None, :] == c, z, 0.0), axis=1), (SIZE, SIZE))
                if (end_y - begin_y > 1) | (end_x - begin_x > 1) | (point_y == 0) | (point_x == 0):
                    plane = tl.dot(down, plane, input_precision=PRECISION)
                    plane = tl.dot(plane, tl.trans(across), input_precision=PRECISION)
                acc += plane[:, None, :] * (channel == c).to(tl.float32)[None, :, None]
    seen_y, seen_x = total_y / tl.maximum(total_y, 1e-9), total_x / tl.maximum(total_x, 1e-9)
    v = 0.5 * seen_y[:, None, None] * seen_x[None, None, :] + 0.5 * acc
    if OUTSIDE == _CONSTANT:
        share_y = cover_of(centre_y, scale_y, low_y, high_y, soft_y, point_y)
        share_x = cover_of(centre_x, scale_x, low_x, high_x, soft_x, point_x)
        fill = tl.load(style + 2 * C + channel, mask=channel < C, other=0.0)[None, :, None]
        v = fill + (v - fill) * share_y[:, None, None] * share_x[None, None, :]
    scale = tl.load(style + channel, mask=channel < C, other=0.0)[None, :, None]
    shift = tl.load(style + C + channel, mask=channel < C, other=0.0)[None, :, None]
    at = i[:, None, None] * stride_y + channel[None, :, None] * stride_c + j[None, None, :] * stride_x
    inside = (i < height_out)[:, None, None] & (channel < C)[None, :, None] & (j < width_out)[None, None, :]
    v = finished(v, scale, shift, BYTES)
    tl.store(out + sample * stride_b + at, v.to(out.dtype.element_ty), mask=inside)


@triton.jit
def siren_general_kernel(
    out, packed, taps, displacement, style, shapes, rows, heads, floats, parameters,
    records, networks, max_height, max_width, padded, most_layers,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, PAD: tl.constexpr, SIZE: tl.constexpr,
    OUTSIDE: tl.constexpr, DISPLACED: tl.constexpr, BYTES: tl.constexpr, HALF: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """16 x 16 output pixels, each at its own position, evaluated at every tap."""
    sample, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != SIREN:
        return
    parameters += sample * padded
    layers, half_turns = tl.load(head + LAYERS), tl.load(floats + tl.load(head + FLOATS)) * _INVERSE_PI
    p = tl.arange(0, SIZE * SIZE)
    i, j = (tile // tiles_x) * SIZE + p // SIZE, (tile % tiles_x) * SIZE + p % SIZE
    inside = (i < height_out) & (j < width_out)
    x, y = j.to(tl.float32) + 0.5, i.to(tl.float32) + 0.5
    if DISPLACED:
        moved = displacement + ((sample * height_out + i) * width_out + j) * 2
        x += tl.load(moved, mask=inside, other=0.0)
        y += tl.load(moved + 1, mask=inside, other=0.0)
    _, _, low_x, high_x, soft_x = axis_of(packed, sample, 0)
    _, _, low_y, high_y, soft_y = axis_of(packed, sample, 1)
    count_x, count_y = tl.load(taps + 4 * sample), tl.load(taps + 4 * sample + 1)
    reach_x, reach_y = tl.load(taps + 4 * sample + 2), tl.load(taps + 4 * sample + 3)
    total = tl.zeros((SIZE * SIZE, PAD), tl.float32)
    for k in range(0, count_y.to(tl.int32)):
        offset_y, weight_y = tap(k, count_y, reach_y)
        for m in range(0, count_x.to(tl.int32)):
            offset_x, weight_x = tap(m, count_x, reach_x)
            at_x, at_y = source_of(packed, sample, x + offset_x, y + offset_y)
            at_x, at_y = fold(at_x, low_x, high_x, OUTSIDE), fold(at_y, low_y, high_y, OUTSIDE)
            total += (weight_x * weight_y) * _evaluate(
                at_x, at_y, height, width, parameters, layers, most_layers, half_turns, PAD, HALF, PRECISION
            )
    v, unit = 0.5 + 0.5 * total, tl.arange(0, PAD)
    if OUTSIDE == _CONSTANT:
        at_x, at_y = source_of(packed, sample, x, y)
        share = window_share(at_x, low_x, high_x, soft_x) * window_share(at_y, low_y, high_y, soft_y)
        fill = tl.load(style + 2 * C + unit, mask=unit < C, other=0.0)[None, :]
        v = fill + (share[:, None] * v - fill) * share[:, None]
    scale = tl.load(style + unit, mask=unit < C, other=0.0)[None, :]
    shift = tl.load(style + C + unit, mask=unit < C, other=0.0)[None, :]
    at = (i * stride_y + j * stride_x)[:, None] + unit[None, :] * stride_c
    v = finished(v, scale, shift, BYTES)
    tl.store(out + sample * stride_b + at, v.to(out.dtype.element_ty), mask=inside[:, None] & (unit < C)[None, :])
