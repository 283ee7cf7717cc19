"""Sparse `cells` networks to network channels under an aligned map (spec sections 6.2.1 and 8.2), compiled.

Per cell, weights times the horizontal hidden units, then times the vertical ones; every inner loop runs along a row of
pixels. Other maps: ``cells_anywhere.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.decode.cpu.axes import cell_blocks, compiled
from inrformat.decode.cpu.vectors import LANES, add_scaled

__all__ = ["evaluate_aligned"]


@compiled
def evaluate_aligned(net: Any, sparse: Any, taps_y: Any, taps_x: Any, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, with the network's channels; taps as ``axis_taps`` returns them."""
    cover, starts, units, weights, ends = sparse
    out[:] = 0
    leaves = np.empty(cover.shape[1], np.int64)
    # Where each channel's list of each leaf starts and ends.
    lists = np.empty((net.channels, ends[4], 2), np.int32)
    for k in range(net.channels):
        lists[k, :, 0], lists[k, :, 1] = starts[k : -1 : net.channels], starts[k + 1 :: net.channels]
    first = 0
    for level in range(3):
        last = ends[2 + level]
        if last <= first:
            continue
        side = 32 >> level
        span = side // 8
        cells_y, cells_x = (cover.shape[0] + span - 1) // span, (cover.shape[1] + span - 1) // span
        blocks_y = cell_blocks(taps_y[0], taps_y[1], taps_y[2], side, cells_y, False)
        blocks_x = cell_blocks(taps_x[0], taps_x[1], taps_x[2], side, cells_x, True)
        scratch = np.empty((side + 3, out.shape[2] + LANES), np.float32)
        for r in range(cells_y):
            if blocks_y[1][r] <= blocks_y[0][r]:
                continue
            for c in range(cells_x):
                leaf = cover[r * span, c * span]
                leaves[c] = leaf if first <= leaf < last and blocks_x[1][c] > blocks_x[0][c] else -1
            for k in range(net.channels):
                _add_strip(leaves[:cells_x], lists[k], units, weights, blocks_y, r, blocks_x, scratch, k, out)
        first = last


@compiled
def _add_strip(
    leaves: Any, lists: Any, units: Any, weights: Any, blocks_y: Any, r: int, blocks_x: Any, scratch: Any, k: int,
    out: Any,
) -> None:  # fmt: skip
    """Add channel ``k`` of a row of cells of one side to the outputs that it reaches.

    First along x, into one row of ``scratch`` for every vertical unit that has a weight somewhere; then along y, whole
    rows at a time, four units a pass, because short loops are several times slower.

    Args:
        leaves: int64, the leaf of each column, -1 for none. lists: int32 ``(leaves, 2)``, where the channel's list of
            each leaf starts and ends. scratch: float32 ``(side + 3, W + LANES)``. out: float32 ``(H, C, W)``.
    """
    side = len(scratch) - 3
    shift = 3 if side == 8 else 4 if side == 16 else 5  # divisions would take longer than the rest
    rows, row_of = np.zeros(side + 3, np.int64), np.full(side, -1, np.int64)
    used, left, right = 0, out.shape[2], 0
    for c in range(len(leaves)):
        if leaves[c] < 0:
            continue
        x0, x1 = blocks_x[0][c], blocks_x[1][c]
        left, right = min(left, x0), max(right, x1)
        at, n = blocks_x[2][c], (x1 - x0 + LANES - 1) // LANES * LANES
        for i in range(lists[leaves[c], 0], lists[leaves[c], 1]):
            b, a = units[i] >> shift, units[i] & side - 1
            if row_of[b] < 0:
                row_of[b], rows[used] = used, b
                scratch[used] = 0
                used += 1
            for x in range(0, n, LANES):
                add_scaled(scratch[row_of[b]], x0 + x, blocks_x[3], at + a * n + x, weights[i])
    scratch[used : used + 3] = 0
    for y in range(blocks_y[0][r], blocks_y[1][r]):
        at = blocks_y[2][r] + (y - blocks_y[0][r]) * side
        factors, row = blocks_y[3][at : at + side], out[y, k, left:right]
        for g in range(0, used, 4):
            f0, f1, f2, f3 = factors[rows[g]], factors[rows[g + 1]], factors[rows[g + 2]], factors[rows[g + 3]]
            p0, p1, p2, p3 = scratch[g], scratch[g + 1], scratch[g + 2], scratch[g + 3]
            p0, p1, p2, p3 = p0[left:right], p1[left:right], p2[left:right], p3[left:right]
            for x in range(right - left):
                row[x] += f0 * p0[x] + f1 * p1[x] + f2 * p2[x] + f3 * p3[x]
