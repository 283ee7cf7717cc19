"""Where output pixels look under any map: positions, filter taps, coverage of the window (spec section 8.2).

Kernels read a sample's map from ``Geometry.packed``. Positions that are no numbers become 0, so that what is read lies
inside. PADDING_MODE is the number of a `PaddingMode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from inrformat.decoding.geometry import PACKED, Geometry, PaddingMode
from inrformat.decoding.triton.taps import filter_taps

__all__ = [
    "Maps",
    "OutputPixels",
    "Window",
    "coverage_at",
    "fold",
    "map_number",
    "output_pixels",
    "source_of",
    "tap",
    "taps_of",
    "window_coverage",
    "window_of",
]

_PACKED = tl.constexpr(PACKED)
_WINDOW_LOW, _WINDOW_HIGH, _FEATHER = tl.constexpr(9), tl.constexpr(11), tl.constexpr(13)
"""Where these begin among the packed numbers of a map, x before y; its matrix comes first."""
_EDGE = tl.constexpr(int(PaddingMode.EDGE))
_REFLECT = tl.constexpr(int(PaddingMode.REFLECT))
_SYMMETRIC = tl.constexpr(int(PaddingMode.SYMMETRIC))
_FARTHEST = tl.constexpr(1e6)
_POINT_SPAN = 1 + 1e-6
"""More than 1 by rounding is not minification."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """A `Geometry` of B samples as kernels take it.

    Attributes:
        packed: float32 ``(B, 16)``, ``Geometry.packed``.
        taps: float32 ``(B, 4)``: evaluations along x and y, half widths along x and y. displacement: float32
            ``(B, H, W, 2)``. Where a map has none, something that is not read.
        displaced: whether there is a displacement. aligned, padding_mode, antialias: the geometry's.
    """

    packed: Tensor
    taps: Tensor
    displacement: Tensor
    displaced: bool
    aligned: bool
    padding_mode: PaddingMode
    antialias: bool

    @classmethod
    def of(cls, geometry: Geometry) -> Maps:
        """Computed on the geometry's device."""
        packed = geometry.packed()
        displacement = geometry.displacement
        return cls(
            packed=packed,
            taps=packed if geometry.aligned else filter_taps(geometry),
            displacement=packed if displacement is None else displacement.float().contiguous(),
            displaced=displacement is not None,
            aligned=geometry.aligned,
            padding_mode=geometry.padding_mode,
            antialias=geometry.antialias,
        )

    @property
    def point_span(self) -> float:
        """Native pixels that an output pixel of an aligned map may span and be evaluated at its centre alone."""
        return _POINT_SPAN if self.antialias else float("inf")


class Window(NamedTuple):
    """The window along one axis, in native pixels: its ends, and the length over which its edges fade out."""

    low: Any
    high: Any
    feather: Any


class OutputPixels(NamedTuple):
    """Pixels of a tile, each ``(P,)``: row, column, whether they exist, and their displaced output position x, y."""

    row: Any
    column: Any
    exists: Any
    x: Any
    y: Any


@triton.jit
def _number(x):
    """``x`` within a million pixels of the origin; 0 where it is no number."""
    x = tl.where(x == x, x, 0.0)
    return tl.minimum(tl.maximum(x, -_FARTHEST), _FARTHEST)


@triton.jit
def map_number(packed, sample, number: tl.constexpr):
    """One of the numbers of a sample's map."""
    return _number(tl.load(packed + sample * _PACKED + number))


@triton.jit
def fold(position, window, PADDING_MODE: tl.constexpr):
    """Bring positions along an axis into its `Window`, as ``geometry.fold``."""
    low, high = window.low, window.high
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
    """The `Window` along an axis, 0 for x."""
    return Window(
        low=map_number(packed, sample, _WINDOW_LOW + axis),
        high=map_number(packed, sample, _WINDOW_HIGH + axis),
        feather=tl.maximum(map_number(packed, sample, _FEATHER + axis), 1e-6),
    )


@triton.jit
def window_coverage(position, window, feather):
    """Share of the window, 0 to 1, in what is seen at ``position`` along an axis."""
    coverage = tl.minimum(position - window.low, window.high - position) / feather + 0.5
    return tl.minimum(tl.maximum(coverage, 0.0), 1.0)


@triton.jit
def output_pixels(
    tile,
    tile_columns,
    sample,
    displacement,
    height,
    width,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    DISPLACED: tl.constexpr,
):
    """The `OutputPixels` of a tile, P = TILE_HEIGHT * TILE_WIDTH."""
    p = tl.arange(0, TILE_HEIGHT * TILE_WIDTH)
    row = (tile // tile_columns) * TILE_HEIGHT + p // TILE_WIDTH
    column = (tile % tile_columns) * TILE_WIDTH + p % TILE_WIDTH
    exists = (row < height) & (column < width)
    x, y = column.to(tl.float32) + 0.5, row.to(tl.float32) + 0.5
    if DISPLACED:
        moved = displacement + ((sample * height + row) * width + column) * 2
        x += tl.load(moved, mask=exists, other=0.0)
        y += tl.load(moved + 1, mask=exists, other=0.0)
    return OutputPixels(row=row, column=column, exists=exists, x=x, y=y)


@triton.jit
def taps_of(taps, sample, axis: tl.constexpr):
    """Evaluations of a sample's output pixels along an axis, 0 for x, as float, and the filter's half width."""
    return tl.load(taps + 4 * sample + axis), tl.load(taps + 4 * sample + 2 + axis)


@triton.jit
def tap(number, count, half_width):
    """Offset in output pixels and weight of an evaluation along an axis of the output (spec section 8.2)."""
    at = (number * 2.0 + 1.0) / count - 1.0
    # Of an even count n the weights 1 - |at| add to n / 2; a single one weighs 1.
    return at * half_width, tl.where(count > 1.0, (1.0 - tl.abs(at)) * 2.0 / count, 1.0)


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
    """Share of the window, 0 to 1, in what is seen at output positions under any matrix."""
    x, y = source_of(packed, sample, x, y)
    across, down = window_of(packed, sample, 0), window_of(packed, sample, 1)
    return window_coverage(x, across, across.feather) * window_coverage(y, down, down.feather)
