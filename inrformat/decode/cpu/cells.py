"""Sparse `cells` networks to network channels under a map (spec sections 6.2.1 and 8.2), compiled.

Aligned maps: per cell, weights times the horizontal hidden units, then times the vertical ones; every inner loop runs
along a row of pixels. Other maps: each output position sums over the weights of its cell.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.decode.cpu.axes import cell_blocks, compiled
from inrformat.decode.cpu.sampling import Maps, folded, output_position, source, tap
from inrformat.networks.cells_render import BORDER

__all__ = ["evaluate_aligned", "evaluate_anywhere"]

_CHUNK = 256
"""Pixels of one cell that are evaluated together; more would leave the nearest cache."""


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
    shift = 3 if side == 8 else 4 if side == 16 else 5  # divisions would take longer than the rest
    rows, row_of = np.zeros(side + 3, np.int64), np.full(side, -1, np.int64)
    used, left, right = 0, out.shape[2], 0
    for c in range(len(leaves)):
        if leaves[c] < 0:
            continue
        x0, x1 = blocks_x[0][c], blocks_x[1][c]
        left, right = min(left, x0), max(right, x1)
        across = blocks_x[3][blocks_x[2][c] : blocks_x[2][c] + side * (x1 - x0)].reshape(side, x1 - x0)
        for i in range(lists[leaves[c], 0], lists[leaves[c], 1]):
            b, a = units[i] >> shift, units[i] & side - 1
            if row_of[b] < 0:
                row_of[b], rows[used] = used, b
                scratch[used] = 0
                used += 1
            row, wave, weight = scratch[row_of[b], x0:x1], across[a], weights[i]
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
def evaluate_anywhere(net: Any, sparse: Any, maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under a map that is not aligned; sample b of ``maps``.

    Output pixels are sorted by the cell they look into: then each cell's weights are taken once, for many pixels at a
    time.
    """
    height, _, width = out.shape
    leaves = sparse[4][4]
    x, y = np.empty(height * width), np.empty(height * width)
    leaf, column_of, row_of = np.empty(height * width, np.int32), np.empty(leaves, np.int32), np.empty(leaves, np.int32)
    _corners(sparse[0], column_of, row_of)
    out[:] = 0
    nx, ny = maps.counts[b]
    for tx in range(nx):
        offset_x, weight_x = tap(tx, nx)
        for ty in range(ny):
            offset_y, weight_y = tap(ty, ny)
            shift = offset_x * maps.reach[b, 0], offset_y * maps.reach[b, 1]
            _locate(maps, b, shift, width, sparse[0], x, y, leaf)
            order = np.argsort(leaf, kind="mergesort")
            first = 0
            while first < len(order):
                here = leaf[order[first]]
                last = first + 1
                while last < len(order) and last < first + _CHUNK and leaf[order[last]] == here:
                    last += 1
                corner = column_of[here], row_of[here]
                _add_leaf(sparse, here, corner, x, y, order[first:last], np.float32(weight_x * weight_y), out)
                first = last


@compiled
def _corners(cover: Any, columns: Any, rows: Any) -> None:
    """Column and row of each leaf's top left 8 px block."""
    for row in range(cover.shape[0] - 1, -1, -1):
        for column in range(cover.shape[1] - 1, -1, -1):
            columns[cover[row, column]], rows[cover[row, column]] = column, row


@compiled
def _locate(maps: Maps, b: int, shift: tuple[float, float], width: int, cover: Any, x: Any, y: Any, leaf: Any) -> None:
    """Source position and leaf of every output pixel, moved by ``shift`` output pixels."""
    for i in range(len(leaf)):
        at_x, at_y = output_position(maps, b, i // width, i % width)
        at_x, at_y = source(maps, b, at_x + shift[0], at_y + shift[1])
        x[i], y[i] = folded(maps, b, at_x, at_y)
        row = min(max(int((y[i] + BORDER) // 8), 0), cover.shape[0] - 1)
        leaf[i] = cover[row, min(max(int((x[i] + BORDER) // 8), 0), cover.shape[1] - 1)]


@compiled
def _add_leaf(
    sparse: Any, leaf: int, corner: tuple[int, int], x: Any, y: Any, chosen: Any, scale: float, out: Any
) -> None:
    """Add one leaf's colours, times ``scale``, at the output pixels ``chosen``."""
    _, starts, units, weights, ends = sparse
    _, channels, width = out.shape
    shift = 5 if leaf < ends[2] else 4 if leaf < ends[3] else 3
    side, count = 1 << shift, len(chosen)
    across, down = np.empty((side, count), np.float32), np.empty((side, count), np.float32)
    u, v = np.empty(count), np.empty(count)
    for i in range(count):
        u[i], v[i] = x[chosen[i]] / side - corner[0] * 8 / side, y[chosen[i]] / side - corner[1] * 8 / side
    highest = 0
    for i in range(starts[leaf * channels], starts[(leaf + 1) * channels]):
        highest = max(highest, units[i] >> shift, units[i] & side - 1)
    _waves(u, side, highest + 1, across)
    _waves(v, side, highest + 1, down)
    total = np.empty(count, np.float32)
    for k in range(channels):
        total[:] = 0
        for i in range(starts[leaf * channels + k], starts[leaf * channels + k + 1]):
            wave, factor, weight = across[units[i] & side - 1], down[units[i] >> shift], weights[i]
            for n in range(count):
                total[n] += weight * wave[n] * factor[n]
        for n in range(count):
            out[chosen[n] // width, k, chosen[n] % width] += scale * total[n]


@compiled
def _waves(u: Any, side: int, count: int, values: Any) -> None:
    """The first ``count`` hidden units at cell coordinates ``u (n,)``, by the cosine's recurrence."""
    norm = math.sqrt(2 / side)
    values[0] = math.sqrt(1 / side)
    twice, before, here = 2 * np.cos(math.pi * u), np.full(len(u), norm), norm * np.cos(math.pi * u)
    for k in range(1, count):
        row = values[k]
        for n in range(len(u)):
            row[n] = here[n]
            following = twice[n] * here[n] - before[n]
            before[n] = here[n]
            here[n] = following
