"""Maps that are not aligned: source positions, filter taps and shares of the window (spec section 8.2), compiled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.axes import axis_coverage, fold
from inrformat.decode.geometry import PaddingMode
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["Maps", "aligned_coverage", "coverages", "positions_in_view", "tap"]

_REFLECT, _SYMMETRIC = int(PaddingMode.REFLECT), int(PaddingMode.SYMMETRIC)


class Maps(NamedTuple):
    """A ``Geometry`` as arrays of all B samples.

    Attributes:
        matrices: float64 ``(B, 9)``. windows: float64 ``(B, 4)``. softness: float64 ``(B, 2)``.
        counts: int64 ``(B, 2)``, taps along x and y, reach: float64 ``(B, 2)``; of no sample if aligned.
        displacement: float32 ``(B or 0, H, W, 2)``.
    """

    matrices: NDArray[np.float64]
    windows: NDArray[np.float64]
    feather: NDArray[np.float64]
    counts: NDArray[np.int64]
    reach: NDArray[np.float64]
    displacement: NDArray[np.float32]
    aligned: bool
    padding_mode: int
    constant: bool
    antialias: bool


@relaxed_inline
def tap(k: int, count: int) -> tuple[float, float]:
    """Offset, in half widths, and normalised weight of tap k of ``count``."""
    at = (2 * k + 1) / count - 1
    total = 0.0
    for i in range(count):
        total += 1 - abs((2 * i + 1) / count - 1)
    return at, (1 - abs(at)) / total


@relaxed
def positions(maps: Maps, b: int, shift: tuple[float, float], height: int, width: int) -> tuple[Any, Any]:
    """Source positions of all output pixels of sample b, moved by ``shift`` output pixels.

    The loops work on plain numbers and rows: looking into ``maps`` for every pixel would take longer than the rest.

    Returns:
        x and y, float64 ``(height * width,)``.
    """
    x, y = np.empty(height * width), np.empty(height * width)
    m0, m1, m2, m3, m4, m5, m6, m7, m8 = maps.matrices[b]
    displaced = len(maps.displacement) > 0
    for row in range(height):
        across, down = x[row * width : (row + 1) * width], y[row * width : (row + 1) * width]
        for column in range(width):
            across[column], down[column] = column + 0.5 + shift[0], row + 0.5 + shift[1]
        if displaced:
            move = maps.displacement[b, row]
            for column in range(width):
                across[column] += move[column, 0]
                down[column] += move[column, 1]
        for column in range(width):
            at_x, at_y = across[column], down[column]
            w = m6 * at_x + m7 * at_y + m8
            across[column], down[column] = (m0 * at_x + m1 * at_y + m2) / w, (m3 * at_x + m4 * at_y + m5) / w
    return x, y


@relaxed
def fold_all(places: Any, low: float, high: float, padding_mode: int) -> None:
    """``fold`` every one of ``places``, in place."""
    if padding_mode in (_REFLECT, _SYMMETRIC):
        for i in range(len(places)):
            places[i] = fold(places[i], low, high, padding_mode)
        return
    low, high = fold(-math.inf, low, high, padding_mode), fold(math.inf, low, high, padding_mode)
    for i in range(len(places)):
        # Not a number goes to ``low``.
        place = places[i] if places[i] > low else low
        places[i] = min(place, high)


@relaxed
def positions_in_view(maps: Maps, b: int, shift: tuple[float, float], height: int, width: int) -> tuple[Any, Any]:
    """``positions`` brought into the window."""
    x, y = positions(maps, b, shift, height, width)
    left, top, right, bottom = maps.windows[b]
    fold_all(x, left, right, maps.padding_mode)
    fold_all(y, top, bottom, maps.padding_mode)
    return x, y


@relaxed
def _coverage_at(position: float, low: float, high: float, feather: float) -> float:
    coverage = min(position - low, high - position) / feather + 0.5
    return 0.0 if math.isnan(coverage) else min(max(coverage, 0.0), 1.0)


@relaxed
def coverages(maps: Maps, b: int, height: int, width: int) -> Any:
    """Share of the window in every output pixel of a map that is not aligned, float32 ``(height, width)``."""
    x, y = positions(maps, b, (0.0, 0.0), height, width)
    left, top, right, bottom = maps.windows[b]
    feather_x, feather_y = maps.feather[b]
    cover = np.empty(height * width, np.float32)
    for i in range(height * width):
        cover[i] = _coverage_at(x[i], left, right, feather_x) * _coverage_at(y[i], top, bottom, feather_y)
    return cover.reshape(height, width)


@relaxed
def aligned_coverage(maps: Maps, b: int, height: int, width: int) -> Any:
    """Share of the window in every output pixel of an aligned map, float32 ``(height, width)``."""
    m, window, soft = maps.matrices[b], maps.windows[b], maps.feather[b]
    down = axis_coverage(m[4], m[5], window[1], window[3], height, soft[1], maps.antialias)
    across = axis_coverage(m[0], m[2], window[0], window[2], width, soft[0], maps.antialias)
    return down.reshape(-1, 1) * across
