"""One axis of an aligned map, ready for evaluation: for every cell, hidden units filtered onto the outputs it reaches.

An output pixel is a weighted sum of evaluations (one, or the native pixels that it covers), and each evaluation falls
into one cell. Because clamping comes after filtering (spec section 8.2), the sum can be taken over the hidden units
beforehand: cell c reaches outputs ``first[c] .. last[c] - 1`` through a small matrix, outputs x hidden units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from inrformat.decode.cpu.vectors import LANES
from inrformat.decode.geometry import Outside
from inrformat.networks.cells_render import BORDER

__all__ = ["axis_cover", "axis_taps", "cell_blocks", "cell_of", "fold", "hidden_units"]

_EXTEND, _CONSTANT, _EDGE = int(Outside.EXTEND), int(Outside.CONSTANT), int(Outside.EDGE)
_REFLECT, _SYMMETRIC = int(Outside.REFLECT), int(Outside.SYMMETRIC)
_PI = math.pi

compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})


@compiled
def fold(position: float, low: float, high: float, outside: int) -> float:
    """See ``geometry.fold``; anything that is not a number goes to ``low``."""
    if outside in (_EDGE, _REFLECT):
        low, high = low + 0.5, high - 0.5
    if outside in (_REFLECT, _SYMMETRIC):
        extent = max(high - low, 1e-6)
        away = (position - low) % (2 * extent)
        position = low + min(away, 2 * extent - away)
    if not position > low:
        return low
    return min(position, high)


@compiled
def axis_taps(
    scale: float,
    shift: float,
    low: float,
    high: float,
    count: int,
    outside: int,
    antialias: bool,
) -> tuple[Any, Any, Any]:
    """Evaluations of every output of one axis (spec section 8.2).

    Returns:
        Where each output's taps start, int32 ``(count + 1,)``; positions in native pixels, float64; weights, float32.
    """
    span = abs(scale)
    starts = np.zeros(count + 1, np.int32)
    if not antialias or not span > 1 + 1e-6:
        positions, weights = np.empty(count), np.ones(count, np.float32)
        for j in range(count):
            positions[j] = fold(scale * (j + 0.5) + shift, low, high, outside)
            starts[j + 1] = j + 1
        return starts, positions, weights
    most = int(2 * span) + 2
    positions, weights = np.empty(count * most), np.empty(count * most, np.float32)
    bounded = outside in (_EXTEND, _CONSTANT)
    at = 0
    for j in range(count):
        centre = scale * (j + 0.5) + shift
        first, last = centre - span, centre + span
        if bounded:
            first, last = max(first, low), min(last, high)
        total, begin = 0.0, at
        for k in range(most):
            p = math.ceil(first - 0.5) + k + 0.5
            weight = 1 - abs(p - centre) / span
            if p <= last and weight > 0:
                positions[at], weights[at] = fold(p, low, high, outside), weight
                total += weight
                at += 1
        for t in range(begin, at):
            weights[t] /= max(total, 1e-9)
        starts[j + 1] = at
    return starts, positions[:at], weights[:at]


@compiled
def axis_cover(
    scale: float,
    shift: float,
    low: float,
    high: float,
    count: int,
    softness: float,
    antialias: bool,
) -> Any:
    """Share of the window in each output, float32 ``(count,)``."""
    if antialias and abs(scale) > 1 + 1e-6:
        softness = max(softness, abs(scale))
    cover = np.empty(count, np.float32)
    for j in range(count):
        centre = scale * (j + 0.5) + shift
        cover[j] = min(max(min(centre - low, high - centre) / softness + 0.5, 0.0), 1.0)
    return cover


@compiled
def hidden_units(u: float, count: int, side: int, values: Any) -> None:
    """The first ``count`` hidden units of a cell of ``side`` px at ``u`` in the cell, by the cosine's recurrence."""
    norm = math.sqrt(2 / side)
    values[0] = math.sqrt(1 / side)
    before, here = norm, norm * math.cos(_PI * u)
    twice = 2 * math.cos(_PI * u)
    for k in range(1, count):
        values[k] = here
        before, here = here, twice * here - before


@compiled
def cell_of(position: float, side: int, cells: int) -> int:
    """Which of ``cells`` of ``side`` px covers a position that is not negative."""
    return min(int((position + BORDER) * (1.0 / side)), cells - 1)


@compiled
def _padded(reach: int, unit_major: bool) -> int:
    return (reach + LANES - 1) // LANES * LANES if unit_major else reach


@compiled
def cell_blocks(starts: Any, positions: Any, weights: Any, side: int, cells: int, unit_major: bool) -> tuple[Any, ...]:
    """Hidden units of all cells of one side, filtered onto the outputs.

    Returns:
        first, last: int32 ``(cells,)``, outputs that each cell reaches, none where last is 0. base: int64 ``(cells,)``,
        where its block starts in the flat float32 ``blocks``: units x outputs, padded to whole
        vectors with zeros, if ``unit_major``, else outputs x units.
    """
    first, last = np.full(cells, 1 << 30, np.int32), np.zeros(cells, np.int32)
    count = len(starts) - 1
    for j in range(count):
        for t in range(starts[j], starts[j + 1]):
            c = cell_of(positions[t], side, cells)
            first[c], last[c] = min(first[c], j), max(last[c], j + 1)
    base = np.zeros(cells, np.int64)
    total = 0
    for c in range(cells):
        base[c] = total
        if last[c] > first[c]:
            total += _padded(last[c] - first[c], unit_major) * side
    blocks = np.zeros(total, np.float32)
    units = np.empty(side)
    for j in range(count):
        for t in range(starts[j], starts[j + 1]):
            c = cell_of(positions[t], side, cells)
            hidden_units(positions[t] / side - c, side, side, units)
            reach, i = _padded(last[c] - first[c], unit_major), j - first[c]
            for k in range(side):
                place = base[c] + (k * reach + i if unit_major else i * side + k)
                blocks[place] += weights[t] * units[k]
    return first, last, base, blocks
