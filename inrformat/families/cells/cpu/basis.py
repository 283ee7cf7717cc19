"""One axis of an aligned map, ready for ``cells``: for every cell, hidden units filtered onto the outputs it reaches.

An output pixel is a weighted sum of evaluations (one, or the native pixels that it covers), and each evaluation falls
into one cell. Because clamping comes after filtering (spec section 8.2), the sum can be taken over the hidden units
beforehand: cell c reaches outputs ``first[c] .. last[c] - 1`` through a small matrix, outputs x hidden units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.families.cells.cpu.vectors import LANES, ROWS, cosines
from inrformat.families.cells.reference import BORDER
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["cell_blocks", "cell_cosines", "cell_of", "minus_sine"]

_SINE = tuple((-1) ** (k + 1) * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(8))
"""Of x, x**3, ... in the series of -sin(pi x)."""


@relaxed_inline
def cell_of(position: float, side: int, cells: int) -> int:
    """Which of ``cells`` of ``side`` px covers a position; one outside all of them goes to the first or the last."""
    return max(min(int((position + BORDER) * (1.0 / side)), cells - 1), 0)


@relaxed
def minus_sine(x: float) -> float:
    """-sin(pi x) for |x| <= 1/2, to 1e-11; the library's cosine does not vectorize."""
    square, series = x * x, 0.0
    for k in range(len(_SINE) - 1, -1, -1):
        series = _SINE[k] + square * series
    return x * series


@relaxed
def cell_cosines(positions: Any, cells: int) -> Any:
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


@relaxed
def cell_blocks(taps: Any, waves: Any, side: int, cells: int, unit_major: bool) -> tuple[Any, ...]:
    """Hidden units of all cells of one side, filtered onto the outputs.

    Args:
        taps: as ``axis_taps`` returns them. waves: of their positions, as ``cell_cosines`` returns them.

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
