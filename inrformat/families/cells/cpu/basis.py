"""Hidden units of ``cells`` along one axis of an aligned map, filtered onto the outputs (spec section 6.2.1); compiled.

An output pixel is a weighted sum of evaluations (one, or the native pixels that it covers), and each evaluation falls
into one cell. Because clamping comes after filtering (spec section 8.3), the sum can be taken over the hidden units
beforehand: cell c reaches outputs ``first[c] .. end[c] - 1`` through a small matrix, outputs x hidden units.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.axes import AxisTaps
from inrformat.families.cells.cpu.vectors import LANES, ROWS, cosines
from inrformat.families.cells.reference import BORDER
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["AlignedBasis", "AxisBasis", "aligned_basis", "cell_of", "minus_sine"]

_SINE = tuple((-1) ** (k + 1) * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(8))
"""Of x, x**3, ... in the series of -sin(pi x)."""


class AxisBasis(NamedTuple):
    """Filtered hidden units of all cells of one side, along one axis.

    Attributes:
        first, end: int32 ``(cells,)``, outputs that each cell reaches, none where ``end`` is 0.
        base: int64 ``(cells,)``, where these begin among the outputs of all cells, each cell's padded with zeros.
        units: float32, flat. Down: outputs x units, in whole ``ROWS`` of outputs for each cell. Across: units x
            outputs, in whole vectors of outputs for each cell.
    """

    first: NDArray[np.int32]
    end: NDArray[np.int32]
    base: NDArray[np.int64]
    units: NDArray[np.float32]


class AlignedBasis(NamedTuple):
    """Both axes; each of cells of 32, 16 and 8 px."""

    down: tuple[AxisBasis, AxisBasis, AxisBasis]
    across: tuple[AxisBasis, AxisBasis, AxisBasis]


@relaxed_part
def aligned_basis(cell_at: Any, down: AxisTaps, across: AxisTaps) -> AlignedBasis:
    """That of an image under an aligned map; ``cell_at`` as in `SparseWeights`."""
    bases = []
    for axis in range(2):  # loops, because a number or truth written out would be compiled for on its own
        taps, places = (down, across)[axis], cell_at.shape[axis]
        table = _cosine_table(taps.positions, (places + 3) // 4)
        for level in range(1, 4):
            span = 8 >> level
            bases.append(_axis_basis(taps, table, 8 * span, (places + span - 1) // span, axis == 1))
    return AlignedBasis((bases[0], bases[1], bases[2]), (bases[3], bases[4], bases[5]))


@relaxed_inline
def cell_of(position: float, side: int, cells: int) -> int:
    """Which of ``cells`` of ``side`` px covers a position; one outside all of them goes to the first or the last."""
    return max(min(int((position + BORDER) * (1.0 / side)), cells - 1), 0)


@relaxed_part
def minus_sine(x: float) -> float:
    """-sin(pi x) for |x| <= 1/2, to 1e-11; the library's cosine does not vectorize."""
    square, series = x * x, 0.0
    for k in range(len(_SINE) - 1, -1, -1):
        series = _SINE[k] + square * series
    return x * series


@relaxed_part
def _cosine_table(positions: Any, cells: int) -> Any:
    """cos(pi k u) for all k < 32, u being the place in its 32 px cell, of ``cells``: float32 ``(32, n or a few more)``.

    The cosines of a smaller cell are among these, but for a sign: every axis needs no others.
    """
    count = len(positions)
    room = (count + LANES - 1) // LANES * LANES
    phase, table = np.zeros(room), np.ones(32 * room, np.float32)
    for i in range(count):
        place = positions[i] * (1 / 32) - cell_of(positions[i], 32, cells)
        phase[i] = min(max(place, 0.0), 1.0) - 0.5  # whatever the map: what follows is finite
    for i in range(room):
        phase[i] = minus_sine(phase[i])  # the cosine of pi u
    for i in range(0, room, LANES):
        cosines(table, i, phase, i, room, 32, 1.0)
    return table.reshape(32, room)


@relaxed_part
def _axis_basis(taps: AxisTaps, table: Any, side: int, cells: int, unit_major: bool) -> AxisBasis:
    """That of ``cells`` of one side along one axis.

    Args:
        table: ``_cosine_table`` of the positions. unit_major: whether units come before outputs, as they do across.
    """
    starts, positions, weights = taps.starts, taps.positions, taps.weights
    count = len(positions)
    first, end = np.full(cells, 1 << 30, np.int32), np.zeros(cells, np.int32)
    cell_at = np.empty(count, np.int64)
    for j in range(len(starts) - 1):
        for t in range(starts[j], starts[j + 1]):
            c = cell_of(positions[t], side, cells)
            cell_at[t] = c
            first[c], end[c] = min(first[c], j), max(end[c], j + 1)
    base, total, multiple = np.zeros(cells, np.int64), 0, LANES if unit_major else ROWS
    for c in range(cells):
        base[c] = total
        total += (max(end[c] - first[c], 0) + multiple - 1) // multiple * multiple
    ratio, mean_norm, cosine_norm = 32 // side, np.float32(math.sqrt(1 / side)), np.float32(math.sqrt(2 / side))
    # Unsigned, because a signed index costs a test for counting from the end.
    units, place = np.zeros(total * side, np.float32), np.empty(count, np.uint64)
    factor = np.empty((2, count), np.float32)  # of even and of odd units
    for j in range(len(starts) - 1):
        for t in range(starts[j], starts[j + 1]):
            c = cell_at[t]
            place[t] = (base[c] + j - first[c]) * (1 if unit_major else side)
            factor[0, t] = cosine_norm * weights[t]
            # Odd cosines of every other cell inside one of 32 px start with the opposite sign.
            opposite = (c - ratio * cell_of(positions[t], 32, (cells * side + 31) // 32)) & 1
            factor[1, t] = -factor[0, t] if opposite else factor[0, t]
            units[place[t]] += mean_norm * weights[t]
    for k in range(1, side):
        row, scaled, unit = table[ratio * k], factor[k & 1], np.uint64(k * total if unit_major else k)
        for t in range(count):
            units[place[t] + unit] += scaled[t] * row[t]
    return AxisBasis(first, end, base, units)
