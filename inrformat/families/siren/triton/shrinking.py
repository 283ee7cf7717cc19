"""``siren`` under aligned maps that shrink: native pixels of a tile, a chunk at a time, filtered axis by axis."""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.axes import (
    both_axes,
    first_and_last_pixel,
    lattice_filter,
    output_axis,
    shrinks,
    store_tile,
)
from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import frame_of
from inrformat.decoding.triton.sampling import fold
from inrformat.families.siren.triton.descriptors import COLOUR, FIELDS
from inrformat.families.siren.triton.mlp import evaluate, network_of

__all__ = ["Tiling", "constants", "siren_shrinking_kernel", "tiling"]


class Tiling(NamedTuple):
    """Pixels of a tile's side, of a chunk's, which is evaluated at once, and options of the compiler."""

    side: int
    chunk: int
    options: dict[str, int]


def tiling(units: int) -> Tiling:
    """Of networks padded to ``units`` units per layer.

    Neighbouring tiles evaluate the native pixels between them anew: tiles are as large as fit without spilling. At 32
    units 16 warps take 107 registers; 8 take 134, of which no two programs fit. At 64 units 16 warps would spill.
    """
    return Tiling(side=32 if units <= 32 else 16, chunk=16, options={"num_warps": 16 if units == 32 else 8})


def constants(tiling: Tiling) -> dict[str, object]:
    """Constants of the kernel."""
    return {"TILE": tiling.side, "CHUNK": tiling.chunk}


@triton.jit
def _is_same(number, axis, CHUNK: tl.constexpr):
    """1 where an output is one of a chunk of outputs: ``(n, CHUNK)``."""
    output = tl.arange(0, axis.centres.shape[0])
    return (output[:, None] == (number * CHUNK + tl.arange(0, CHUNK))[None, :]).to(tl.float32)


@triton.jit
def _positions(number, first, axis, PADDING_MODE: tl.constexpr, CHUNK: tl.constexpr):
    """Where a chunk of an axis is evaluated, ``(CHUNK,)``: native pixels from ``first`` on, or the outputs' centres."""
    at = (tl.arange(0, CHUNK) + (first + number * CHUNK)).to(tl.float32) + 0.5
    if axis.at_points:
        at = tl.sum(_is_same(number, axis, CHUNK) * axis.centres[:, None], axis=0)
    return fold(at, axis.window, PADDING_MODE)


@triton.jit
def _weights(number, first, axis, PADDING_MODE: tl.constexpr, CHUNK: tl.constexpr):
    """What a chunk's evaluations weigh in each output of the axis, ``(n, CHUNK)``."""
    weight = _is_same(number, axis, CHUNK)
    if axis.at_points == 0:
        _, weight = lattice_filter(first + number * CHUNK, axis, PADDING_MODE, CHUNK)
    return weight


@triton.jit
def _totals(chunks, first, axis, PADDING_MODE: tl.constexpr, CHUNK: tl.constexpr):
    """Sums of the weights in each output."""
    total = tl.zeros_like(axis.centres)
    for number in range(0, chunks):
        total += tl.sum(_weights(number, first, axis, PADDING_MODE, CHUNK), axis=1)
    return total


@entry(varying=("most_layers",))
def siren_shrinking_kernel(
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
    floats,
    parameters,
    padded_count,
    most_layers,
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
    UNITS: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    BYTES: tl.constexpr,
    HALF: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """TILE x TILE output pixels from native pixels, CHUNK x CHUNK at a time."""
    sample, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if (tl.load(head + IN_FAMILY) == 0) | (shrinks(packed, sample, point_span) == 0):
        return
    network = network_of(sample, shape, head, parameters, padded_count, most_layers, UNITS)
    k = tl.arange(0, TILE)
    vertical = output_axis(packed, sample, 1, (tile // tile_columns) * TILE + k, out_height, point_span)
    horizontal = output_axis(packed, sample, 0, (tile % tile_columns) * TILE + k, out_width, point_span)
    first_y, last_y = first_and_last_pixel(vertical, PADDING_MODE)
    first_x, last_x = first_and_last_pixel(horizontal, PADDING_MODE)
    chunks_y = tl.where(vertical.at_points, TILE // CHUNK, (last_y - first_y + CHUNK) // CHUNK)
    chunks_x = tl.where(horizontal.at_points, TILE // CHUNK, (last_x - first_x + CHUNK) // CHUNK)
    sums = tl.zeros((TILE * C_PAD, TILE), tl.float32)
    # One loop, out of which nothing is moved: it would fill registers.
    for chunk in tl.range(0, tl.maximum(chunks_y, 0) * tl.maximum(chunks_x, 0), disable_licm=True):
        y = _positions(chunk // chunks_x, first_y, vertical, PADDING_MODE, CHUNK)
        x = _positions(chunk % chunks_x, first_x, horizontal, PADDING_MODE, CHUNK)
        at_y = tl.reshape(tl.broadcast_to(y[:, None], (CHUNK, CHUNK)), (CHUNK * CHUNK,))
        at_x = tl.reshape(tl.broadcast_to(x[None, :], (CHUNK, CHUNK)), (CHUNK * CHUNK,))
        outputs = evaluate(at_x, at_y, network, C, C_PAD, UNITS, HALF, PRECISION)
        planes = tl.permute(tl.reshape(outputs, (CHUNK, CHUNK, C_PAD)), (0, 2, 1))
        down = _weights(chunk // chunks_x, first_y, vertical, PADDING_MODE, CHUNK)
        across = _weights(chunk % chunks_x, first_x, horizontal, PADDING_MODE, CHUNK)
        sums += both_axes(down, planes, across, PRECISION)
    total_y = _totals(chunks_y, first_y, vertical, PADDING_MODE, CHUNK)
    total_x = _totals(chunks_x, first_x, horizontal, PADDING_MODE, CHUNK)
    frame = frame_of(sample, out, out_height, out_width, stride_b, stride_c, stride_y, stride_x)
    colour = floats + tl.load(head + COLOUR)
    store_tile(
        frame,
        sums,
        colour,
        0.5,
        0.5,
        channel_style,
        vertical,
        horizontal,
        total_y,
        total_x,
        C,
        C_PAD,
        PADDING_MODE,
        BYTES,
    )
