"""Sparse `cells` networks to network channels under a map (spec sections 6.2.1 and 8.2), compiled.

Aligned maps: per cell, weights times the horizontal hidden units, then times the vertical ones; every inner loop runs
along a row of pixels. Other maps: each output position sums over the weights of its cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.decode.cpu.axes import cell_blocks, compiled, hidden_units
from inrformat.decode.cpu.sampling import Maps, folded, output_position, source, tap
from inrformat.networks.cells_render import BORDER

__all__ = ["evaluate_aligned", "evaluate_anywhere"]


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
        scratch = np.empty((side + 3, out.shape[2]), np.float32)
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
            each leaf starts and ends. scratch: float32 ``(side + 3, W)``. out: float32 ``(H, C, W)``.
    """
    side = len(scratch) - 3
    rows, row_of = np.zeros(side + 3, np.int64), np.full(side, -1, np.int64)
    used, left, right = 0, out.shape[2], 0
    for c in range(len(leaves)):
        if leaves[c] < 0:
            continue
        x0, x1 = blocks_x[0][c], blocks_x[1][c]
        left, right = min(left, x0), max(right, x1)
        across = blocks_x[3][blocks_x[2][c] : blocks_x[2][c] + side * (x1 - x0)].reshape(side, x1 - x0)
        for i in range(lists[leaves[c], 0], lists[leaves[c], 1]):
            b = units[i] // side
            if row_of[b] < 0:
                row_of[b], rows[used] = used, b
                scratch[used] = 0
                used += 1
            row, wave, weight = scratch[row_of[b], x0:x1], across[units[i] % side], weights[i]
            for x in range(x1 - x0):
                row[x] += weight * wave[x]
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


@compiled
def _add_at(net: Any, sparse: Any, x: float, y: float, weight: float, waves: Any, outputs: Any) -> None:
    """Network channels at one position inside the image, times ``weight``, added to ``outputs (C,)``.

    ``waves``: float64 ``(2, 32)``, scratch.
    """
    cover, starts, units, weights, ends = sparse
    row = min(max(int((y + BORDER) // 8), 0), cover.shape[0] - 1)
    column = min(max(int((x + BORDER) // 8), 0), cover.shape[1] - 1)
    leaf = cover[row, column]
    side = 32 if leaf < ends[2] else 16 if leaf < ends[3] else 8
    first, last = starts[leaf * net.channels], starts[(leaf + 1) * net.channels]
    highest = 0
    for i in range(first, last):
        highest = max(highest, units[i] // side, units[i] % side)
    span = side // 8
    hidden_units(x / side - column // span, highest + 1, side, waves[0])
    hidden_units(y / side - row // span, highest + 1, side, waves[1])
    for k in range(net.channels):
        total = 0.0
        for i in range(starts[leaf * net.channels + k], starts[leaf * net.channels + k + 1]):
            total += weights[i] * waves[1, units[i] // side] * waves[0, units[i] % side]
        outputs[k] += weight * total


@compiled
def evaluate_anywhere(net: Any, sparse: Any, maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under a map that is not aligned; sample b of ``maps``."""
    height, channels, width = out.shape
    waves, outputs = np.empty((2, 32)), np.empty(channels)
    nx, ny = maps.counts[b]
    for row in range(height):
        for column in range(width):
            outputs[:] = 0
            centre_x, centre_y = output_position(maps, b, row, column)
            for tx in range(nx):
                offset_x, weight_x = tap(tx, nx)
                for ty in range(ny):
                    offset_y, weight_y = tap(ty, ny)
                    x, y = source(
                        maps, b, centre_x + offset_x * maps.reach[b, 0], centre_y + offset_y * maps.reach[b, 1]
                    )
                    x, y = folded(maps, b, x, y)
                    _add_at(net, sparse, x, y, weight_x * weight_y, waves, outputs)
            for k in range(channels):
                out[row, k, column] = outputs[k]
