"""Sparse `cells` networks to network channels under a map that is not aligned (spec sections 6.2.1 and 8.2), compiled.

Each output position sums over the weights of its cell. Positions are sorted by cell: then a cell's weights are read
once for many of them, and every inner loop runs along positions, eight at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.decode.cpu.sampling import Maps, positions_in_view, tap
from inrformat.families.cells.cpu.basis import cell_of, minus_sine
from inrformat.families.cells.cpu.vectors import LANES, add_product, cosines
from inrformat.jit import relaxed

__all__ = ["evaluate_anywhere"]

_CHUNK = 256
"""Pixels of one cell that are evaluated together; more would leave the nearest cache."""


@relaxed
def evaluate_anywhere(net: Any, sparse: Any, maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under a map that is not aligned; sample b of ``maps``."""
    height, _, width = out.shape
    leaves = sparse[4][4]
    corners, ends = np.empty((leaves, 2), np.int32), np.empty(leaves + 1, np.int64)
    _corners(sparse[0], corners)
    order = np.empty(height * width, np.int32)
    work = (
        np.empty(32 * _CHUNK, np.float32), np.empty(32 * _CHUNK, np.float32), np.empty(_CHUNK, np.float32),
        np.empty(_CHUNK), np.empty(_CHUNK, np.int64),
    )  # fmt: skip
    out[:] = 0
    nx, ny = maps.counts[b]
    for tx in range(nx):
        offset_x, weight_x = tap(tx, nx)
        for ty in range(ny):
            offset_y, weight_y = tap(ty, ny)
            shift = offset_x * maps.reach[b, 0], offset_y * maps.reach[b, 1]
            x, y = positions_in_view(maps, b, shift, height, width)
            _sort(_leaves(x, y, sparse[0]), ends, order)
            for here in range(leaves):
                for first in range(ends[here], ends[here + 1], _CHUNK):
                    chosen = order[first : min(first + _CHUNK, ends[here + 1])]
                    _add_leaf(sparse, here, corners[here], x, y, chosen, np.float32(weight_x * weight_y), work, out)


@relaxed
def _corners(cover: Any, corners: Any) -> None:
    """Column and row of each leaf's top left corner, in native pixels."""
    for row in range(cover.shape[0] - 1, -1, -1):
        for column in range(cover.shape[1] - 1, -1, -1):
            corners[cover[row, column], 0], corners[cover[row, column], 1] = 8 * column, 8 * row


@relaxed
def _leaves(x: Any, y: Any, cover: Any) -> Any:
    """Leaf at every position, int32."""
    rows, columns = cover.shape
    flat, found = cover.reshape(-1), np.empty(len(x), np.int32)
    for i in range(len(x)):
        found[i] = flat[cell_of(y[i], 8, rows) * columns + cell_of(x[i], 8, columns)]
    return found


@relaxed
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


@relaxed
def _add_leaf(
    sparse: Any, leaf: int, corner: Any, x: Any, y: Any, chosen: Any, scale: Any, work: Any, out: Any
) -> None:
    """Add one leaf's colours, times ``scale``, at the output pixels ``chosen``.

    Args:
        x, y: float64, native pixels, of every output pixel. chosen: at most ``_CHUNK`` numbers of output pixels.
        work: room for ``_CHUNK`` pixels: horizontal and vertical hidden units, sums, phases, places in ``out``.
    """
    _, starts, units, weights, ends = sparse
    across, down, total, phase, place = work
    _, channels, width = out.shape
    shift = 5 if leaf < ends[2] else 4 if leaf < ends[3] else 3
    side, count = 1 << shift, len(chosen)
    room = (count + LANES - 1) // LANES * LANES
    most_a = most_b = 0
    for i in range(starts[leaf * channels], starts[(leaf + 1) * channels]):
        most_a, most_b = max(most_a, units[i] & side - 1), max(most_b, units[i] >> shift)
    _waves(x, corner[0], chosen, side, most_a + 1, phase, across)
    _waves(y, corner[1], chosen, side, most_b + 1, phase, down)
    for n in range(count):
        place[n] = chosen[n] // width * channels * width + chosen[n] % width
    flat = out.reshape(-1)
    for k in range(channels):
        total[:room] = 0
        for i in range(starts[leaf * channels + k], starts[leaf * channels + k + 1]):
            a, b = (units[i] & side - 1) * room, (units[i] >> shift) * room
            for n in range(0, room, LANES):
                add_product(total, n, across, a + n, down, b + n, weights[i])
        for n in range(count):
            flat[place[n] + k * width] += scale * total[n]


@relaxed
def _waves(at: Any, corner: int, chosen: Any, side: int, count: int, phase: Any, values: Any) -> None:
    """The first ``count`` hidden units of a cell at the positions ``at[chosen]``.

    Args:
        at: float64, native pixels. corner: where the cell starts. phase: float64, room for the positions.
        values: flat float32, units x positions, these padded to whole vectors.
    """
    room = (len(chosen) + LANES - 1) // LANES * LANES
    phase[len(chosen) : room] = 0
    for n in range(len(chosen)):
        place = (at[chosen[n]] - corner) * (1.0 / side)
        phase[n] = min(max(place, 0.0), 1.0) - 0.5  # whatever the map: what follows is finite
    for n in range(room):
        phase[n] = minus_sine(phase[n])  # the cosine of pi times the position in the cell
    values[:room] = math.sqrt(1 / side)
    for n in range(0, room, LANES):
        cosines(values, n, phase, n, room, count, math.sqrt(2 / side))
