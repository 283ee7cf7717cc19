"""Sparse `cells` networks to network channels under an aligned map (spec sections 6.2.1 and 8.2), compiled.

Per cell, weights times the horizontal hidden units, then times the vertical ones, in whole vectors of outputs. Other
maps: ``cells_anywhere.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.families.cells.cpu.basis import cell_blocks, cell_cosines
from inrformat.families.cells.cpu.vectors import LANES, ROWS, add_products, add_scaled, put_scaled
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["add_strip", "aligned_margin", "cell_grids", "strip_rows"]


@relaxed
def cell_grids(cover: Any, taps_y: Any, taps_x: Any) -> tuple[Any, Any]:
    """What ``add_strip`` needs of an aligned map: ``cell_blocks`` of cells of 32, 16 and 8 px, down and across.

    Args:
        cover: int32, the leaf at each place of the 8 px grid. taps_y, taps_x: as ``axis_taps`` returns them.
    """
    blocks = []
    for axis in range(2):  # loops, because a number or truth written out would be compiled for on its own
        taps, places = (taps_y, taps_x)[axis], cover.shape[axis]
        waves = cell_cosines(taps[1], (places + 3) // 4)
        for level in range(1, 4):
            span = 8 >> level
            blocks.append(cell_blocks(taps, waves, 8 * span, (places + span - 1) // span, axis == 1))
    return (blocks[0], blocks[1], blocks[2]), (blocks[3], blocks[4], blocks[5])


@relaxed
def strip_rows(grids: Any, height: int) -> Any:
    """For each strip of 32 px: the row before which outputs are complete with it, and the one behind those reached.

    Returns:
        int64 ``(strips, 2)``, both never decreasing.
    """
    first, last = grids[0][0][0], grids[0][0][1]
    strips = len(first)
    rows = np.empty((strips, 2), np.int64)
    rows[strips - 1, 0] = height
    for r in range(strips - 1, 0, -1):
        rows[r - 1, 0] = min(rows[r, 0], first[r])
    for r in range(strips):
        rows[r, 1] = max(last[r], rows[r - 1, 1] if r else 0)
    return rows


@relaxed_inline
def aligned_margin(channels: int, width: int) -> int:
    """How far whole vectors reach beyond an image of ``width`` px."""
    return (ROWS - 1) * channels * width + LANES


@relaxed
def add_strip(sparse: Any, grids: Any, strip: int, row: int, out: Any) -> None:
    """Add the cells of a strip of 32 px to the outputs that they reach.

    Args:
        sparse: as ``read_cells`` returns it. grids: ``cell_grids``. out: float32 ``(H, C, W)``, outputs from ``row``
            on, with ``aligned_margin`` elements behind them that may be read and written.
    """
    for level in range(1, 4):
        _add_cells(sparse, level, grids[0][level - 1], grids[1][level - 1], strip, row, out)


@relaxed
def _add_cells(sparse: Any, level: int, blocks_y: Any, blocks_x: Any, strip: int, row: int, out: Any) -> None:
    """Add those of one level, as ``CellNetwork`` counts them.

    Each first along x, to a row of ``scratch`` for every vertical unit that has a weight, then along y. All
    in one function, whose arrays are plain names: handing them to another one for every cell counts references.
    """
    cover, starts, units, weights, ends = sparse
    first_leaf, last_leaf = ends[level] if level > 1 else 0, ends[1 + level]
    first_y, last_y, base_y, waves_y = blocks_y
    first_x, last_x, base_x, waves_x = blocks_x
    side, shift, span = 64 >> level, np.uint64(6 - level), 8 >> level
    low = np.uint64(side - 1)
    _, channels, width = out.shape
    pitch = len(waves_x) // side
    scratch = np.empty(side * (width + LANES), np.float32)
    used, row_of = np.empty(side, np.int64), np.full(side, -1, np.int64)
    for r in range(strip << (level - 1), min((strip + 1) << (level - 1), len(first_y))):
        for c in range(len(first_x)):
            leaf, reach = cover[r * span, c * span], last_x[c] - first_x[c]
            if leaf < first_leaf or leaf >= last_leaf or reach <= 0:
                continue
            wide = (reach + LANES - 1) // LANES * LANES
            for k in range(channels):
                count = 0
                begin, end = starts[leaf * channels + k], starts[leaf * channels + k + 1]
                for i in range(np.uint64(begin), np.uint64(end)):
                    unit = np.uint64(units[i])
                    b, wave = unit >> shift, base_x[c] + np.int64(unit & low) * pitch
                    place = row_of[b]
                    if place < 0:
                        row_of[b], used[count] = count * wide, b
                        for x in range(0, wide, LANES):
                            put_scaled(scratch, count * wide + x, waves_x, wave + x, weights[i])
                        count += 1
                    else:
                        for x in range(0, wide, LANES):
                            add_scaled(scratch, place + x, waves_x, wave + x, weights[i])
                for g in range(count):
                    row_of[used[g]] = -1
                for y in range(first_y[r], last_y[r], ROWS):
                    at, factors = ((y - row) * channels + k) * width + first_x[c], (base_y[r] + y - first_y[r]) * side
                    for x in range(0, wide, LANES):
                        add_products(
                            out, at + x, channels * width, waves_y, factors, side, used, count, scratch, x, wide
                        )
