"""Maps that are not aligned: source positions, filter taps and window coverage (spec section 8.2); compiled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.axes import fold
from inrformat.decoding.cpu.batch import Maps
from inrformat.decoding.geometry import PaddingMode
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["Taps", "general_coverage", "positions_in_window", "taps_of"]

_CONSTANT = int(PaddingMode.CONSTANT)
_REFLECT, _SYMMETRIC = int(PaddingMode.REFLECT), int(PaddingMode.SYMMETRIC)


class Taps(NamedTuple):
    """Evaluations of every output pixel of one sample.

    Attributes:
        shifts: float64 ``(n, 2)``, along x and y, of the output position in output pixels.
        weights: float64 ``(n,)``, which add to 1.
    """

    shifts: NDArray[np.float64]
    weights: NDArray[np.float64]


@relaxed_inline
def _axis_tap(k: int, count: int) -> tuple[float, float]:
    """Offset, in half widths, and normalised weight of evaluation k of ``count`` along an axis."""
    offset = (2 * k + 1) / count - 1
    total = 0.0
    for i in range(count):
        total += 1 - abs((2 * i + 1) / count - 1)
    return offset, (1 - abs(offset)) / total


@relaxed_part
def taps_of(maps: Maps, b: int) -> Taps:
    """The filter of sample b."""
    count_x, count_y = maps.counts[b]
    reach_x, reach_y = maps.reach[b]
    shifts, weights = np.empty((count_x * count_y, 2)), np.empty(count_x * count_y)
    at = 0
    for i in range(count_x):
        offset_x, weight_x = _axis_tap(i, count_x)
        for j in range(count_y):
            offset_y, weight_y = _axis_tap(j, count_y)
            shifts[at, 0], shifts[at, 1] = offset_x * reach_x, offset_y * reach_y
            weights[at] = weight_x * weight_y
            at += 1
    return Taps(shifts, weights)


@relaxed_part
def _positions(maps: Maps, b: int, shift_x: float, shift_y: float) -> tuple[Any, Any]:
    """Source positions of all output pixels of sample b, moved by ``shift_x`` and ``shift_y`` output pixels.

    The loops work on plain numbers and rows: looking into ``maps`` for every pixel would take longer than the rest.

    Returns:
        x and y, float64 ``(height * width,)``, native px.
    """
    height, width = maps.height, maps.width
    x, y = np.empty(height * width), np.empty(height * width)
    m0, m1, m2, m3, m4, m5, m6, m7, m8 = maps.matrices[b]
    displaced = len(maps.displacement) > 0
    for row in range(height):
        across, down = x[row * width : (row + 1) * width], y[row * width : (row + 1) * width]
        for column in range(width):
            across[column], down[column] = column + 0.5 + shift_x, row + 0.5 + shift_y
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


@relaxed_part
def _fold_all(positions: Any, low: float, high: float, padding_mode: int) -> None:
    """``fold`` every one of ``positions``, in place."""
    if padding_mode in (_REFLECT, _SYMMETRIC):
        for i in range(len(positions)):
            positions[i] = fold(positions[i], low, high, padding_mode)
        return
    low, high = fold(-math.inf, low, high, padding_mode), fold(math.inf, low, high, padding_mode)
    for i in range(len(positions)):
        # Not a number goes to ``low``.
        position = positions[i] if positions[i] > low else low
        positions[i] = min(position, high)


@relaxed_part
def positions_in_window(maps: Maps, b: int, shift_x: float, shift_y: float) -> tuple[Any, Any]:
    """Where sample b is evaluated: source positions of all its output pixels, moved by a tap, brought into the window.

    Returns:
        x and y, float64 ``(height * width,)``, native px.
    """
    x, y = _positions(maps, b, shift_x, shift_y)
    left, top, right, bottom = maps.windows[b]
    _fold_all(x, left, right, maps.padding_mode)
    _fold_all(y, top, bottom, maps.padding_mode)
    return x, y


@relaxed_part
def _coverage_at(position: float, low: float, high: float, feather: float) -> float:
    """How much of the window is seen at a position of one axis, in [0, 1]."""
    coverage = min(position - low, high - position) / feather + 0.5
    return 0.0 if math.isnan(coverage) else min(max(coverage, 0.0), 1.0)


@relaxed_part
def general_coverage(maps: Maps, b: int) -> Any:
    """See ``axes.aligned_coverage``."""
    if maps.padding_mode != _CONSTANT:
        return np.empty((0, 0), np.float32)
    x, y = _positions(maps, b, 0.0, 0.0)
    left, top, right, bottom = maps.windows[b]
    feather_x, feather_y = maps.feather[b]
    coverage = np.empty(len(x), np.float32)
    for i in range(len(x)):
        coverage[i] = _coverage_at(x[i], left, right, feather_x) * _coverage_at(y[i], top, bottom, feather_y)
    return coverage.reshape(maps.height, maps.width)
