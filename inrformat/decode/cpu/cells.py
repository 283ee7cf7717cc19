"""Sparse `cells` networks to network channels under a map (spec sections 6.2.1 and 8.2), compiled.

Aligned maps: per cell, weights times the horizontal hidden units, then times the vertical ones, in whole vectors of
outputs. Other maps: each output position sums over the weights of its cell.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.decode.cpu.axes import cell_blocks, cell_of, cell_waves, compiled
from inrformat.decode.cpu.sampling import Maps, folded, output_position, source, tap
from inrformat.decode.cpu.vectors import LANES, ROWS, add_products, add_scaled

__all__ = ["aligned_margin", "evaluate_aligned", "evaluate_anywhere"]

_CHUNK = 256
"""Pixels of one cell that are evaluated together; more would leave the nearest cache."""


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


@compiled
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


@compiled
def evaluate_anywhere(net: Any, sparse: Any, maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under a map that is not aligned; sample b of ``maps``.

    Output pixels are sorted by the cell they look into: then each cell's weights are taken once, for many pixels at a
    time.
    """
    height, _, width = out.shape
    leaves = sparse[4][4]
    x, y, leaf = np.empty(height * width), np.empty(height * width), np.empty(height * width, np.int32)
    corners, ends = np.empty((leaves, 2), np.int32), np.empty(leaves + 1, np.int64)
    _corners(sparse[0], corners)
    order = np.empty(height * width, np.int32)
    out[:] = 0
    nx, ny = maps.counts[b]
    for tx in range(nx):
        offset_x, weight_x = tap(tx, nx)
        for ty in range(ny):
            offset_y, weight_y = tap(ty, ny)
            _locate(
                maps, b, (offset_x * maps.reach[b, 0], offset_y * maps.reach[b, 1]), (height, width), sparse[0],
                x, y, leaf,
            )  # fmt: skip
            _sort(leaf, ends, order)
            for here in range(leaves):
                for first in range(ends[here], ends[here + 1], _CHUNK):
                    chosen = order[first : min(first + _CHUNK, ends[here + 1])]
                    _add_leaf(sparse, here, corners[here], x, y, chosen, np.float32(weight_x * weight_y), out)


@compiled
def _corners(cover: Any, corners: Any) -> None:
    """Column and row of each leaf's top left corner, in native pixels."""
    for row in range(cover.shape[0] - 1, -1, -1):
        for column in range(cover.shape[1] - 1, -1, -1):
            corners[cover[row, column], 0], corners[cover[row, column], 1] = 8 * column, 8 * row


@compiled
def _locate(
    maps: Maps, b: int, shift: tuple[float, float], size: tuple[int, int], cover: Any, x: Any, y: Any, leaf: Any
) -> None:
    """Source position and leaf of every output pixel, moved by ``shift`` output pixels."""
    i = 0
    for row in range(size[0]):
        for column in range(size[1]):
            at_x, at_y = output_position(maps, b, row, column)
            at_x, at_y = source(maps, b, at_x + shift[0], at_y + shift[1])
            x[i], y[i] = folded(maps, b, at_x, at_y)
            leaf[i] = cover[cell_of(y[i], 8, cover.shape[0]), cell_of(x[i], 8, cover.shape[1])]
            i += 1


@compiled
def _sort(leaf: Any, ends: Any, order: Any) -> None:
    """``order``: numbers of pixels by leaf; those of leaf k are at ``ends[k] .. ends[k + 1] - 1``."""
    ends[:] = 0
    for k in leaf:
        ends[k] += 1
    total = 0
    for k in range(len(ends)):
        count = ends[k]
        ends[k] = total
        total += count
    for i in range(len(leaf)):
        order[ends[leaf[i]]] = i
        ends[leaf[i]] += 1
    for k in range(len(ends) - 1, 0, -1):
        ends[k] = ends[k - 1]
    ends[0] = 0


@compiled
def _add_leaf(sparse: Any, leaf: int, corner: Any, x: Any, y: Any, chosen: Any, scale: float, out: Any) -> None:
    """Add one leaf's colours, times ``scale``, at the output pixels ``chosen``."""
    _, starts, units, weights, ends = sparse
    _, channels, width = out.shape
    shift = 5 if leaf < ends[2] else 4 if leaf < ends[3] else 3
    side, count = 1 << shift, len(chosen)
    across, down = np.empty((side, count), np.float32), np.empty((side, count), np.float32)
    u, v, places = np.empty(count), np.empty(count), np.empty(count, np.int64)
    for i in range(count):
        u[i], v[i] = (x[chosen[i]] - corner[0]) / side, (y[chosen[i]] - corner[1]) / side
        places[i] = chosen[i] // width * channels * width + chosen[i] % width
    highest = 0
    for i in range(starts[leaf * channels], starts[(leaf + 1) * channels]):
        highest = max(highest, units[i] >> shift, units[i] & side - 1)
    _waves(u, side, highest + 1, across)
    _waves(v, side, highest + 1, down)
    total, flat = np.empty(count, np.float32), out.reshape(-1)
    for k in range(channels):
        total[:] = 0
        for i in range(starts[leaf * channels + k], starts[leaf * channels + k + 1]):
            wave, factor, weight = across[units[i] & side - 1], down[units[i] >> shift], weights[i]
            for n in range(count):
                total[n] += weight * wave[n] * factor[n]
        for n in range(count):
            flat[places[n] + k * width] += scale * total[n]


@compiled
def _waves(u: Any, side: int, count: int, values: Any) -> None:
    """The first ``count`` hidden units at cell coordinates ``u (n,)``, by the cosine's recurrence."""
    norm = math.sqrt(2 / side)
    values[0] = math.sqrt(1 / side)
    cosine = np.cos(math.pi * u)
    twice, before, here = 2 * cosine, np.full(len(u), norm), norm * cosine
    for k in range(1, count):
        row = values[k]
        for n in range(len(u)):
            row[n] = here[n]
            following = twice[n] * here[n] - before[n]
            before[n] = here[n]
            here[n] = following
