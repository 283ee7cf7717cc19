"""Maps that are not aligned: source positions, filter taps and shares of the window (spec section 8.2), compiled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.axes import axis_cover, compiled, fold

__all__ = ["Maps", "outer_cover", "shares", "source", "tap"]


class Maps(NamedTuple):
    """A ``Geometry`` as arrays of all B samples.

    Attributes:
        matrices: float64 ``(B, 9)``. windows: float64 ``(B, 4)``. softness: float64 ``(B, 2)``.
        counts: int64 ``(B, 2)``, taps along x and y, reach: float64 ``(B, 2)``; of no sample if aligned.
        displacement: float32 ``(B or 0, H, W, 2)``.
    """

    matrices: NDArray[np.float64]
    windows: NDArray[np.float64]
    softness: NDArray[np.float64]
    counts: NDArray[np.int64]
    reach: NDArray[np.float64]
    displacement: NDArray[np.float32]
    aligned: bool
    outside: int
    constant: bool
    antialias: bool


@compiled
def tap(k: int, count: int) -> tuple[float, float]:
    """Offset, in half widths, and normalised weight of tap k of ``count``."""
    at = (2 * k + 1) / count - 1
    total = 0.0
    for i in range(count):
        total += 1 - abs((2 * i + 1) / count - 1)
    return at, (1 - abs(at)) / total


@compiled
def source(maps: Maps, b: int, x: float, y: float) -> tuple[float, float]:
    """Source position of an output position of sample b."""
    m = maps.matrices[b]
    w = m[6] * x + m[7] * y + m[8]
    return (m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w


@compiled
def output_position(maps: Maps, b: int, row: int, column: int) -> tuple[float, float]:
    """Centre of an output pixel, displaced."""
    x, y = column + 0.5, row + 0.5
    if len(maps.displacement) > 0:
        x += maps.displacement[b, row, column, 0]
        y += maps.displacement[b, row, column, 1]
    return x, y


@compiled
def folded(maps: Maps, b: int, x: float, y: float) -> tuple[float, float]:
    """A source position brought into the window."""
    window = maps.windows[b]
    return fold(x, window[0], window[2], maps.outside), fold(y, window[1], window[3], maps.outside)


@compiled
def _share(position: float, low: float, high: float, softness: float) -> float:
    share = min(position - low, high - position) / softness + 0.5
    return 0.0 if math.isnan(share) else min(max(share, 0.0), 1.0)


@compiled
def shares(maps: Maps, b: int, height: int, width: int) -> Any:
    """Share of the window in every output pixel of a map that is not aligned, float32 ``(height, width)``."""
    cover = np.empty((height, width), np.float32)
    window, soft = maps.windows[b], maps.softness[b]
    for row in range(height):
        for column in range(width):
            x, y = output_position(maps, b, row, column)
            x, y = source(maps, b, x, y)
            cover[row, column] = _share(x, window[0], window[2], soft[0]) * _share(y, window[1], window[3], soft[1])
    return cover


@compiled
def outer_cover(maps: Maps, b: int, height: int, width: int) -> Any:
    """Share of the window in every output pixel of an aligned map, float32 ``(height, width)``."""
    m, window, soft = maps.matrices[b], maps.windows[b], maps.softness[b]
    down = axis_cover(m[4], m[5], window[1], window[3], height, soft[1], maps.antialias)
    across = axis_cover(m[0], m[2], window[0], window[2], width, soft[0], maps.antialias)
    return down.reshape(-1, 1) * across
