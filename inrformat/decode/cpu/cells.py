"""Sparse `cells` networks to network channels under an aligned map (spec sections 6.2.1 and 8.2), compiled.

Per cell, weights times the horizontal hidden units, then times the vertical ones, in whole vectors of outputs. Other
maps: ``cells_anywhere.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.decode.cpu.axes import cell_blocks, cell_waves, compiled, inlined
from inrformat.decode.cpu.vectors import LANES, ROWS, add_products, add_scaled

__all__ = ["aligned_margin", "evaluate_aligned"]


@compiled
def evaluate_aligned(net: Any, sparse: Any, taps_y: Any, taps_x: Any, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, with the network's channels.

    Args:
        taps_y, taps_x: as ``axis_taps`` returns them. out: with ``aligned_margin`` elements behind it that may be read
            and written.
    """
    cover, starts, units, weights, ends = sparse
    out[:] = 0
    waves_y = cell_waves(taps_y[1], (cover.shape[0] + 3) // 4)
    waves_x = cell_waves(taps_x[1], (cover.shape[1] + 3) // 4)
    for level in range(3):
        first, last = ends[1 + level] if level else 0, ends[2 + level]
        if last <= first:
            continue
        side = 32 >> level
        span = side // 8
        cells_y, cells_x = (cover.shape[0] + span - 1) // span, (cover.shape[1] + span - 1) // span
        blocks_y = cell_blocks(taps_y, waves_y, side, cells_y, ROWS, False)
        blocks_x = cell_blocks(taps_x, waves_x, side, cells_x, LANES, True)
        scratch = np.empty(side * (out.shape[2] + LANES), np.float32)
        for r in range(cells_y):
            for c in range(cells_x):
                leaf = cover[r * span, c * span]
                if first <= leaf < last:
                    lists = starts[leaf * net.channels : (leaf + 1) * net.channels + 1]
                    _add_cell(side, lists, units, weights, blocks_y, r, blocks_x, c, scratch, out)


@inlined
def aligned_margin(channels: int, width: int) -> int:
    """How far whole vectors reach beyond an image of ``width`` px."""
    return (ROWS - 1) * channels * width + LANES


@compiled
def _add_cell(
    side: int, lists: Any, units: Any, weights: Any, blocks_y: Any, r: int, blocks_x: Any, c: int, scratch: Any,
    out: Any,
) -> None:  # fmt: skip
    """Add the cell in row r and column c of its grid to the outputs that it reaches.

    First along x, into one row of ``scratch`` for every vertical unit that has a weight, then along y.

    Args:
        lists: int32 ``(C + 1,)``, where the list of each channel starts in ``units`` and ``weights``.
        blocks_y, blocks_x: as ``cell_blocks`` returns them.
    """
    first_y, last_y, base_y, waves_y = blocks_y
    first_x, last_x, base_x, waves_x = blocks_x
    reach = last_x[c] - first_x[c]
    if reach <= 0 or last_y[r] <= first_y[r]:
        return
    shift = 3 if side == 8 else 4 if side == 16 else 5  # divisions would take longer than the rest
    wide = (reach + LANES - 1) // LANES * LANES
    _, channels, width = out.shape
    used, row_of = np.empty(side, np.int64), np.empty(side, np.int64)
    for k in range(channels):
        count = 0
        row_of[:] = -1
        for i in range(lists[k], lists[k + 1]):
            b, a = units[i] >> shift, units[i] & side - 1
            if row_of[b] < 0:
                row_of[b], used[count] = count * wide, b
                scratch[count * wide : (count + 1) * wide] = 0
                count += 1
            for x in range(0, wide, LANES):
                add_scaled(scratch, row_of[b] + x, waves_x, base_x[c] + a * wide + x, weights[i])
        for x in range(0, wide, LANES):
            for y in range(first_y[r], last_y[r], ROWS):
                add_products(
                    out, (y * channels + k) * width + first_x[c] + x, channels * width,
                    waves_y, base_y[r] + (y - first_y[r]) * side, side, used, count, scratch, x, wide,
                )  # fmt: skip
