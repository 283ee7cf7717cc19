"""``siren`` under any map: a program takes a tile of one sample through all layers in registers.

Parameters of a network (42 KB in float32 for 10 layers of 28 units, padded to 32) are read a layer at a time and stay
in the first-level cache of the multiprocessor that works on the image. The first layer is computed in float32, because
rounding a coordinate moves the image; the others as ``tl.dot`` on float16 or, for exact work, float32.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.axes import axis_of, both_axes, lattice_filter, pixels_of, shrinks, store_tile
from inrformat.decode.triton.descriptors import FAMILY, FIELDS, LAYERS, MIX, SIREN
from inrformat.decode.triton.epilogue import store_points
from inrformat.decode.triton.sampling import fold, output_pixels, source_of, tap, window_of
from inrformat.decode.triton.trigonometry import sine
from inrformat.families.cells.triton.read import shape_of

__all__ = ["shrinking", "siren_points_kernel", "siren_shrinking_kernel", "tiling"]

_HALF_MOST = tl.constexpr(65504.0)


def tiling(pad: int, *, aligned: bool, half: bool) -> dict[str, int]:
    """Constants of ``siren_points_kernel`` for networks padded to ``pad`` units: pixels of a side, and warps.

    Registers a thread on compute capability 9.0, of 65,536, and warps, of 64, that fit a multiprocessor at once:

    ===  =============  ============================  ============================
    pad  pixels, warps  aligned                       other maps
    ===  =============  ============================  ============================
    32   16, 8          72 registers, 24 warps        130 registers, 8 warps
    32   8, 4           52 registers, 36 warps        75 registers, 24 warps
    64   16, 8          142 registers, 8 warps        more, 8 warps
    64   8, 4           79 registers, 20 warps        105 registers, 16 warps
    ===  =============  ============================  ============================

    Large tiles read the parameters less often: they are taken where enough of them fit. ``half``: as the kernel's.
    """
    if aligned and pad <= 32:
        return {"SIZE": 16, "num_warps": 8}
    # Left to itself, the assembler spills a few bytes of exact work to fit one more program.
    return {"SIZE": 8, "num_warps": 4} if half else {"SIZE": 8, "num_warps": 4, "maxnreg": 128}


def shrinking(pad: int) -> dict[str, int]:
    """Constants of ``siren_shrinking_kernel``: pixels of a side evaluated at once, of its tile, and warps.

    Neighbouring tiles evaluate the native pixels between them anew: tiles are as large as fit without spilling. At 32
    units 16 warps take 107 registers; 8 take 134, of which no two programs fit. At 64 units 16 warps would spill.
    """
    return {"SIZE": 16, "TILE": 32 if pad <= 32 else 16, "num_warps": 16 if pad == 32 else 8}


@triton.jit
def _evaluate(
    x, y, height, width, parameters, layers, most_layers,
    C: tl.constexpr, CP: tl.constexpr, PAD: tl.constexpr, HALF: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Outputs of the last layer at native positions ``(P,)``: ``(P, CP)``."""
    unit = tl.arange(0, PAD)
    biases = parameters + most_layers * PAD * PAD
    x, y = 2.0 * x / width - 1.0, 2.0 * y / height - 1.0
    z = x[:, None] * tl.load(parameters + unit * PAD)[None, :] + y[:, None] * tl.load(parameters + unit * PAD + 1)[None]
    z += tl.load(biases + unit)[None, :]
    for layer in range(1, layers):
        h = sine(z)
        # Read as (inputs, outputs): contiguous along the inputs.
        w = tl.load(parameters + layer * PAD * PAD + unit[:, None] + unit[None, :] * PAD)
        if HALF:
            h = h.to(tl.float16)
            w = tl.minimum(tl.maximum(w, -_HALF_MOST), _HALF_MOST).to(tl.float16)
        z = tl.dot(h, w, input_precision=PRECISION) + tl.load(biases + layer * PAD + unit)[None, :]
    channel = tl.arange(0, CP)
    colours = tl.zeros((x.shape[0], CP), tl.float32)
    for c in tl.static_range(C):
        one = tl.sum(tl.where(unit[None, :] == c, z, 0.0), axis=1)
        colours += tl.where(channel[None, :] == c, one[:, None], 0.0)
    return colours


@triton.jit
def siren_points_kernel(
    out, packed, taps, displacement, style, shapes, rows, heads, floats, parameters,
    records, networks, max_height, max_width, padded, most_layers, point_span,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, CP: tl.constexpr, PAD: tl.constexpr, SIZE: tl.constexpr,
    PADDING_MODE: tl.constexpr, ALIGNED: tl.constexpr, DISPLACED: tl.constexpr, BYTES: tl.constexpr,
    HALF: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """SIZE x SIZE output pixels, each at its own position: aligned maps that do not shrink, or others at all taps."""
    sample, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != SIREN:
        return
    if ALIGNED:  # noqa: SIM102  (a constant, and what a program finds out)
        if shrinks(packed, sample, point_span):
            return
    parameters += sample * padded
    layers = tl.load(head + LAYERS)
    i, j, inside, x, y = output_pixels(
        tile, tiles_x, sample, displacement, height_out, width_out, SIZE, SIZE, DISPLACED
    )  # fmt: skip
    low_x, high_x, _ = window_of(packed, sample, 0)
    low_y, high_y, _ = window_of(packed, sample, 1)
    if ALIGNED:
        at_x, at_y = source_of(packed, sample, x, y)
        at_x, at_y = fold(at_x, low_x, high_x, PADDING_MODE), fold(at_y, low_y, high_y, PADDING_MODE)
        total = _evaluate(at_x, at_y, height, width, parameters, layers, most_layers, C, CP, PAD, HALF, PRECISION)
    else:
        count_x, count_y = tl.load(taps + 4 * sample), tl.load(taps + 4 * sample + 1)
        reach_x, reach_y = tl.load(taps + 4 * sample + 2), tl.load(taps + 4 * sample + 3)
        total = tl.zeros((SIZE * SIZE, CP), tl.float32)
        taps_x = count_x.to(tl.int32)
        # One loop, out of which nothing is moved: it would fill registers.
        for k in tl.range(0, count_y.to(tl.int32) * taps_x, disable_licm=True):
            offset_y, weight_y = tap(k // taps_x, count_y, reach_y)
            offset_x, weight_x = tap(k % taps_x, count_x, reach_x)
            at_x, at_y = source_of(packed, sample, x + offset_x, y + offset_y)
            at_x, at_y = fold(at_x, low_x, high_x, PADDING_MODE), fold(at_y, low_y, high_y, PADDING_MODE)
            total += (weight_x * weight_y) * _evaluate(
                at_x, at_y, height, width, parameters, layers, most_layers, C, CP, PAD, HALF, PRECISION
            )
    store_points(
        out + sample * stride_b, 0.5 + 0.5 * total, packed, sample, style, i, j, x, y, inside,
        stride_c, stride_y, stride_x, C, CP, PADDING_MODE, ALIGNED, BYTES,
    )  # fmt: skip


@triton.jit
def _positions(number, first, axis, PADDING_MODE: tl.constexpr, SIZE: tl.constexpr):
    """Where a chunk of an axis is evaluated, ``(SIZE,)``: native pixels from ``first`` on, or the outputs' centres."""
    centres, _, low, high, _, point = axis
    at = (tl.arange(0, SIZE) + (first + number * SIZE)).to(tl.float32) + 0.5
    if point:
        at = tl.sum(_same(number, axis, SIZE) * centres[:, None], axis=0)
    return fold(at, low, high, PADDING_MODE)


@triton.jit
def _weights(number, first, axis, PADDING_MODE: tl.constexpr, SIZE: tl.constexpr):
    """What a chunk's evaluations weigh in each output of the axis, ``(n, SIZE)``."""
    weight = _same(number, axis, SIZE)
    if axis[5] == 0:
        weight = lattice_filter(first + number * SIZE, axis, PADDING_MODE, SIZE)[1]
    return weight


@triton.jit
def _same(number, axis, SIZE: tl.constexpr):
    """1 where an output is one of a chunk of outputs: ``(n, SIZE)``."""
    output = tl.arange(0, axis[0].shape[0])
    return (output[:, None] == (number * SIZE + tl.arange(0, SIZE))[None, :]).to(tl.float32)


@triton.jit
def _totals(chunks, first, axis, PADDING_MODE: tl.constexpr, SIZE: tl.constexpr):
    """Sums of the weights in each output."""
    total = tl.zeros_like(axis[0])
    for number in range(0, chunks):
        total += tl.sum(_weights(number, first, axis, PADDING_MODE, SIZE), axis=1)
    return total


@triton.jit
def siren_shrinking_kernel(
    out, packed, style, shapes, rows, heads, floats, parameters,
    records, networks, max_height, max_width, padded, most_layers, point_span,
    height_out, width_out, tiles_x, tiles, stride_b, stride_c, stride_y, stride_x,
    C: tl.constexpr, CP: tl.constexpr, PAD: tl.constexpr, SIZE: tl.constexpr, TILE: tl.constexpr,
    PADDING_MODE: tl.constexpr, BYTES: tl.constexpr, HALF: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """TILE x TILE output pixels of an aligned map that shrinks: native pixels, SIZE x SIZE at a time, and a filter."""
    sample, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    _, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if (tl.load(head + FAMILY) != SIREN) | (shrinks(packed, sample, point_span) == 0):
        return
    parameters += sample * padded
    layers = tl.load(head + LAYERS)
    i, j = (tile // tiles_x) * TILE + tl.arange(0, TILE), (tile % tiles_x) * TILE + tl.arange(0, TILE)
    vertical = axis_of(packed, sample, 1, i, height_out, point_span)
    horizontal = axis_of(packed, sample, 0, j, width_out, point_span)
    first_y, last_y = pixels_of(vertical, PADDING_MODE)
    first_x, last_x = pixels_of(horizontal, PADDING_MODE)
    chunks_y = tl.where(vertical[5], TILE // SIZE, (last_y - first_y + SIZE) // SIZE)
    chunks_x = tl.where(horizontal[5], TILE // SIZE, (last_x - first_x + SIZE) // SIZE)
    sums = tl.zeros((TILE * CP, TILE), tl.float32)
    # One loop, out of which nothing is moved: it would fill registers.
    for chunk in tl.range(0, tl.maximum(chunks_y, 0) * tl.maximum(chunks_x, 0), disable_licm=True):
        y = _positions(chunk // chunks_x, first_y, vertical, PADDING_MODE, SIZE)
        x = _positions(chunk % chunks_x, first_x, horizontal, PADDING_MODE, SIZE)
        at_y = tl.reshape(tl.broadcast_to(y[:, None], (SIZE, SIZE)), (SIZE * SIZE,))
        at_x = tl.reshape(tl.broadcast_to(x[None, :], (SIZE, SIZE)), (SIZE * SIZE,))
        seen = _evaluate(at_x, at_y, height, width, parameters, layers, most_layers, C, CP, PAD, HALF, PRECISION)
        planes = tl.permute(tl.reshape(seen, (SIZE, SIZE, CP)), (0, 2, 1))
        down = _weights(chunk // chunks_x, first_y, vertical, PADDING_MODE, SIZE)
        across = _weights(chunk % chunks_x, first_x, horizontal, PADDING_MODE, SIZE)
        sums += both_axes(down, planes, across, PRECISION)
    total_y = _totals(chunks_y, first_y, vertical, PADDING_MODE, SIZE)
    total_x = _totals(chunks_x, first_x, horizontal, PADDING_MODE, SIZE)
    store_tile(
        out + sample * stride_b, sums, floats + tl.load(head + MIX), 0.5, 0.5, style,
        vertical, horizontal, total_y, total_x, i, j,
        (height_out, width_out, stride_c, stride_y, stride_x), C, CP, PADDING_MODE, BYTES,
    )  # fmt: skip
