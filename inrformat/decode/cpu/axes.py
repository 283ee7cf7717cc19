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

from inrformat.decode.cpu.vectors import LANES, ROWS, cosines
from inrformat.decode.geometry import Outside
from inrformat.networks.cells_render import BORDER

__all__ = ["axis_cover", "axis_taps", "cell_blocks", "cell_of", "cell_waves", "fold", "minus_sine"]

_EXTEND, _CONSTANT, _EDGE = int(Outside.EXTEND), int(Outside.CONSTANT), int(Outside.EDGE)
_REFLECT, _SYMMETRIC = int(Outside.REFLECT), int(Outside.SYMMETRIC)
_SINE = tuple((-1) ** (k + 1) * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(8))
"""Of x, x**3, ... in the series of -sin(pi x)."""

inlined: Any = njit(inline="always", nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})


@inlined
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


@inlined
def cell_of(position: float, side: int, cells: int) -> int:
    """Which of ``cells`` of ``side`` px covers a position; one outside all of them goes to the first or the last."""
    return max(min(int((position + BORDER) * (1.0 / side)), cells - 1), 0)


@compiled
def minus_sine(x: float) -> float:
    """-sin(pi x) for |x| <= 1/2, to 1e-11; the library's cosine does not vectorize."""
    square, series = x * x, 0.0
    for k in range(len(_SINE) - 1, -1, -1):
        series = _SINE[k] + square * series
    return x * series


@compiled
def cell_waves(positions: Any, cells: int) -> Any:
    """cos(pi k u) for all k < 32, u being the place in its 32 px cell, of ``cells``: float32 ``(32, n or a few more)``.

    A smaller cell has waves of its own frequencies among these, but for a sign: every axis needs no other cosines.
    """
    count = len(positions)
    room = (count + LANES - 1) // LANES * LANES
    phase, waves = np.zeros(room), np.ones(32 * room, np.float32)
    for i in range(count):
        place = positions[i] * (1 / 32) - cell_of(positions[i], 32, cells)
        phase[i] = min(max(place, 0.0), 1.0) - 0.5  # whatever the map: what follows is finite
    for i in range(room):
        phase[i] = minus_sine(phase[i])  # the cosine of pi u
    for i in range(0, room, LANES):
        cosines(waves, i, phase, i, room, 32, 1.0)
    return waves.reshape(32, room)


@compiled
def cell_blocks(taps: Any, waves: Any, side: int, cells: int, unit_major: bool) -> tuple[Any, ...]:
    """Hidden units of all cells of one side, filtered onto the outputs.

    Args:
        taps: as ``axis_taps`` returns them. waves: of their positions, as ``cell_waves`` returns them.

    Returns:
        first, last: int32 ``(cells,)``, outputs that each cell reaches, none where last is 0. base: int64 ``(cells,)``,
        where these begin among the outputs of all cells, each cell's padded with zeros. blocks: flat float32, units x
        these outputs, whole vectors of a cell, if ``unit_major``; else outputs x units, whole ``ROWS``.
    """
    starts, positions, weights = taps
    count = len(positions)
    first, last = np.full(cells, 1 << 30, np.int32), np.zeros(cells, np.int32)
    cell_at = np.empty(count, np.int64)
    for j in range(len(starts) - 1):
        for t in range(starts[j], starts[j + 1]):
            c = cell_of(positions[t], side, cells)
            cell_at[t] = c
            first[c], last[c] = min(first[c], j), max(last[c], j + 1)
    base, total, multiple = np.zeros(cells, np.int64), 0, LANES if unit_major else ROWS
    for c in range(cells):
        base[c] = total
        total += (max(last[c] - first[c], 0) + multiple - 1) // multiple * multiple
    ratio, mean, wave = 32 // side, np.float32(math.sqrt(1 / side)), np.float32(math.sqrt(2 / side))
    # Unsigned, because a signed index costs a test for counting from the end.
    blocks, place = np.zeros(total * side, np.float32), np.empty(count, np.uint64)
    factor = np.empty((2, count), np.float32)  # of even and of odd waves
    for j in range(len(starts) - 1):
        for t in range(starts[j], starts[j + 1]):
            c = cell_at[t]
            place[t] = (base[c] + j - first[c]) * (1 if unit_major else side)
            factor[0, t] = wave * weights[t]
            # Odd waves of every other cell inside one of 32 px start with the opposite sign.
            opposite = (c - ratio * cell_of(positions[t], 32, (cells * side + 31) // 32)) & 1
            factor[1, t] = -factor[0, t] if opposite else factor[0, t]
            blocks[place[t]] += mean * weights[t]
    for k in range(1, side):
        row, scaled, unit = waves[ratio * k], factor[k & 1], np.uint64(k * total if unit_major else k)
        for t in range(count):
            blocks[place[t] + unit] += scaled[t] * row[t]
    return first, last, base, blocks
