"""Weights of ``cells`` to network outputs under an aligned map (spec sections 6.2.1 and 8.2), compiled.

Per cell, weights times the horizontal hidden units, then times the vertical ones, in whole vectors of outputs. Images
are evaluated by strips of 32 px from the top down.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.cpu.basis import AlignedBasis, AxisBasis
from inrformat.families.cells.cpu.read import SparseWeights
from inrformat.families.cells.cpu.vectors import LANES, ROWS, add_products, add_scaled, put_scaled
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["StripRows", "add_strip", "aligned_margin", "strip_rows"]


class StripRows(NamedTuple):
    """Rows of the output that each strip of 32 px reaches: int64 ``(strips,)`` each, never decreasing.

    Attributes:
        complete: rows before this one are complete with the strip. end: the one behind those reached so far.
    """

    complete: NDArray[np.int64]
    end: NDArray[np.int64]


@relaxed_part
def strip_rows(basis: AlignedBasis, height: int) -> StripRows:
    """Those of an output of ``height`` px."""
    first_row, end_row = basis.down[0].first, basis.down[0].end
    strips = len(first_row)
    complete, end = np.empty(strips, np.int64), np.empty(strips, np.int64)
    complete[strips - 1] = height
    for r in range(strips - 1, 0, -1):
        complete[r - 1] = min(complete[r], first_row[r])
    for r in range(strips):
        end[r] = max(end_row[r], end[r - 1] if r else 0)
    return StripRows(complete, end)


@relaxed_inline
def aligned_margin(channels: int, width: int) -> int:
    """How many numbers whole vectors reach beyond an image of ``width`` px."""
    return (ROWS - 1) * channels * width + LANES


@relaxed_part
def add_strip(sparse: SparseWeights, basis: AlignedBasis, strip: int, row: int, out: Any) -> None:
    """Add the cells of a strip of 32 px to the outputs that they reach.

    Args:
        out: float32 ``(H, C, W)``, outputs from ``row`` on, with ``aligned_margin`` elements behind them that may be
            read and written.
    """
    for level in range(1, 4):
        _add_cells(sparse, level, basis.down[level - 1], basis.across[level - 1], strip, row, out)


@relaxed_part
def _add_cells(
    sparse: SparseWeights, level: int, down: AxisBasis, across: AxisBasis, strip: int, row: int, out: Any
) -> None:
    """Add those of one level, as `FlatCells` counts them.

    Each first along x, to a row of ``scratch`` for every vertical unit that has a weight, then along y. All
    in one function, whose arrays are plain names: handing them to another one for every cell counts references.
    """
    cell_at, starts, units, weights = sparse.cell_at, sparse.starts, sparse.units, sparse.weights
    first_cell, end_cell = sparse.level_ends[level - 1], sparse.level_ends[level]
    first_y, end_y, base_y, units_y = down.first, down.end, down.base, down.units
    first_x, end_x, base_x, units_x = across.first, across.end, across.base, across.units
    side, shift, span = 64 >> level, np.uint64(6 - level), 8 >> level
    low = np.uint64(side - 1)
    _, channels, width = out.shape
    pitch = len(units_x) // side
    scratch = np.empty(side * (width + LANES), np.float32)
    used, row_of = np.empty(side, np.int64), np.full(side, -1, np.int64)
    for r in range(strip << (level - 1), min((strip + 1) << (level - 1), len(first_y))):
        for c in range(len(first_x)):
            cell, reach = cell_at[r * span, c * span], end_x[c] - first_x[c]
            if cell < first_cell or cell >= end_cell or reach <= 0:
                continue
            wide = (reach + LANES - 1) // LANES * LANES
            for k in range(channels):
                count = 0
                begin, end = starts[cell * channels + k], starts[cell * channels + k + 1]
                for i in range(np.uint64(begin), np.uint64(end)):
                    unit = np.uint64(units[i])
                    b, source = unit >> shift, base_x[c] + np.int64(unit & low) * pitch
                    place = row_of[b]
                    if place < 0:
                        row_of[b], used[count] = count * wide, b
                        for x in range(0, wide, LANES):
                            put_scaled(scratch, count * wide + x, units_x, source + x, weights[i])
                        count += 1
                    else:
                        for x in range(0, wide, LANES):
                            add_scaled(scratch, place + x, units_x, source + x, weights[i])
                for g in range(count):
                    row_of[used[g]] = -1
                for y in range(first_y[r], end_y[r], ROWS):
                    at, factors = ((y - row) * channels + k) * width + first_x[c], (base_y[r] + y - first_y[r]) * side
                    for x in range(0, wide, LANES):
                        add_products(
                            out, at + x, channels * width, units_y, factors, side, used, count, scratch, x, wide
                        )
