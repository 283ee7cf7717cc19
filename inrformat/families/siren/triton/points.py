"""``siren`` at points: a program makes a tile of output pixels of one sample, each at its own position.

Aligned maps that do not shrink are evaluated at pixel centres, maps that are not aligned at all taps of each pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import triton.language as tl

from inrformat.decoding.triton.axes import shrinks
from inrformat.decoding.triton.batch import shape_of
from inrformat.decoding.triton.descriptors import IN_FAMILY
from inrformat.decoding.triton.entry import entry
from inrformat.decoding.triton.epilogue import frame_of, store_points
from inrformat.decoding.triton.sampling import fold, output_pixels, source_of, tap, taps_of, window_of
from inrformat.families.siren.triton.descriptors import FIELDS
from inrformat.families.siren.triton.mlp import evaluate, network_of

__all__ = ["Tiling", "constants", "siren_points_kernel", "tiling"]


class Tiling(NamedTuple):
    """Pixels of a tile's side, and options of the compiler."""

    side: int
    options: dict[str, int]


def tiling(units: int, *, aligned: bool, half: bool) -> Tiling:
    """Of networks padded to ``units`` units per layer; ``half``: as the kernel's HALF.

    What fast work takes on compute capability 9.0: registers per thread, of 65,536, warps, of 64, that fit a
    multiprocessor at once, and instructions of a warp per layer and 32 pixels. There sines alone keep their unit busy
    for 8 clocks per unit of the layer: 256 at 32 units.

    =====  =============  ===============================  ===============================
    units  pixels, warps  aligned                          other maps
    =====  =============  ===============================  ===============================
    32     16, 4          128 registers, 16 warps, 180     215 registers, 8 warps, 180
    32     16, 8          77 registers, 24 warps, 214      128 registers, 16 warps, 213
    32     8, 4           56 registers, 36 warps, 364      127 registers, 16 warps, 360
    64     8, 4           96 registers, 20 warps, 852      175 registers, 8 warps, 852
    =====  =============  ===============================  ===============================

    Large tiles read the parameters less often: they are taken where enough of them fit.
    """
    if units <= 32 and aligned:
        return Tiling(side=16, options={"num_warps": 4 if half else 8})
    if units <= 32 and half:
        # Left to itself, the compiler takes 159 registers, of which no two programs fit.
        return Tiling(side=16, options={"num_warps": 8, "maxnreg": 128})
    # Left to itself, the assembler spills a few bytes of exact work to fit one more program.
    return Tiling(side=8, options={"num_warps": 4} if half else {"num_warps": 4, "maxnreg": 128})


def constants(side: int, *, aligned: bool, displaced: bool) -> dict[str, object]:
    """Constants of the kernel for tiles of that ``side``."""
    return {"TILE": side, "ALIGNED": aligned, "DISPLACED": displaced}


@entry(varying=("most_layers",))
def siren_points_kernel(
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
    TILE: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    ALIGNED: tl.constexpr,
    DISPLACED: tl.constexpr,
    BYTES: tl.constexpr,
    HALF: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """TILE x TILE output pixels. ALIGNED: of samples of an aligned map that do not shrink."""
    sample, tile = (tl.program_id(0) // tile_count).to(tl.int64), tl.program_id(0) % tile_count
    shape = shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width)
    head = heads + shape.network * FIELDS
    if tl.load(head + IN_FAMILY) == 0:
        return
    if ALIGNED:  # noqa: SIM102  (a constant, and what a program finds out)
        if shrinks(packed, sample, point_span):
            return
    network = network_of(sample, shape, head, parameters, padded_count, most_layers, UNITS)
    pixels = output_pixels(tile, tile_columns, sample, displacement, out_height, out_width, TILE, TILE, DISPLACED)
    window_x, window_y = window_of(packed, sample, 0), window_of(packed, sample, 1)
    if ALIGNED:
        x, y = source_of(packed, sample, pixels.x, pixels.y)
        x, y = fold(x, window_x, PADDING_MODE), fold(y, window_y, PADDING_MODE)
        total = evaluate(x, y, network, C, C_PAD, UNITS, HALF, PRECISION)
    else:
        count_x, half_width_x = taps_of(taps, sample, 0)
        count_y, half_width_y = taps_of(taps, sample, 1)
        total = tl.zeros((TILE * TILE, C_PAD), tl.float32)
        taps_x = count_x.to(tl.int32)
        # One loop, out of which nothing is moved: it would fill registers.
        for k in tl.range(0, count_y.to(tl.int32) * taps_x, disable_licm=True):
            offset_y, weight_y = tap(k // taps_x, count_y, half_width_y)
            offset_x, weight_x = tap(k % taps_x, count_x, half_width_x)
            x, y = source_of(packed, sample, pixels.x + offset_x, pixels.y + offset_y)
            x, y = fold(x, window_x, PADDING_MODE), fold(y, window_y, PADDING_MODE)
            total += (weight_x * weight_y) * evaluate(x, y, network, C, C_PAD, UNITS, HALF, PRECISION)
    frame = frame_of(sample, out, out_height, out_width, stride_b, stride_c, stride_y, stride_x)
    colours = 0.5 + 0.5 * total
    store_points(frame, colours, packed, sample, channel_style, pixels, C, C_PAD, PADDING_MODE, ALIGNED, BYTES)
