"""Sparse `cells` networks to network channels under a map that is not aligned (spec sections 6.2.1 and 8.2), compiled.

Each output position sums over the weights of its cell.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.decode.cpu.axes import cell_of, compiled
from inrformat.decode.cpu.sampling import Maps, folded, output_position, source, tap

__all__ = ["evaluate_anywhere"]

_CHUNK = 256
"""Pixels of one cell that are evaluated together; more would leave the nearest cache."""


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
