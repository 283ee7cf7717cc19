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
    leaf = 0
    for level in range(3):
        if ends[2 + level] <= leaf:
            continue
        side = 32 >> level
        span = side // 8
        cells_y, cells_x = (cover.shape[0] + span - 1) // span, (cover.shape[1] + span - 1) // span
        blocks_y = cell_blocks(taps_y[0], taps_y[1], taps_y[2], side, cells_y, False)
        blocks_x = cell_blocks(taps_x[0], taps_x[1], taps_x[2], side, cells_x, True)
        widest = max((blocks_x[1] - blocks_x[0]).max(), 1)
        scratch = np.empty((side, net.channels * widest), np.float32)
        for r in range(cells_y):
            for c in range(cells_x):
                if leaf < ends[2 + level] and cover[r * span, c * span] == leaf:
                    if blocks_y[1][r] > blocks_y[0][r] and blocks_x[1][c] > blocks_x[0][c]:
                        lists = starts[leaf * net.channels : (leaf + 1) * net.channels + 1]
                        _add_cell(lists, units, weights, side, blocks_y, r, blocks_x, c, scratch, out)
                    leaf += 1


@compiled
def _add_cell(
    lists: Any, units: Any, weights: Any, side: int, blocks_y: Any, r: int, blocks_x: Any, c: int, scratch: Any, out: Any
) -> None:
    """Add one cell's part to the outputs that it reaches."""
    channels = len(lists) - 1
    y0, y1, x0, x1 = blocks_y[0][r], blocks_y[1][r], blocks_x[0][c], blocks_x[1][c]
    n = x1 - x0
    across = blocks_x[3][blocks_x[2][c] : blocks_x[2][c] + side * n]  # (units, n), flat
    down = blocks_y[3][blocks_y[2][r] : blocks_y[2][r] + (y1 - y0) * side]  # (outputs, units), flat
    used = np.zeros(side, np.bool_)
    for k in range(channels):
        for i in range(lists[k], lists[k + 1]):
            b, a = units[i] // side, units[i] % side
            if not used[b]:
                used[b] = True
                scratch[b, : channels * n] = 0
            row, wave, weight = scratch[b, k * n : (k + 1) * n], across[a * n : (a + 1) * n], weights[i]
            for x in range(n):
                row[x] += weight * wave[x]
    for b in range(side):
        if used[b]:
            for y in range(y0, y1):
                factor = down[(y - y0) * side + b]
                for k in range(channels):
                    row, part = out[y, k, x0:x1], scratch[b, k * n : (k + 1) * n]
                    for x in range(n):
                        row[x] += factor * part[x]


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
