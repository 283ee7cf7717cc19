"""A `cells` record to a sparse list of readout weights (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.decode.cpu.rans import OK
from inrformat.families.cells.cpu.symbols import level_of, read_symbols
from inrformat.families.cells.cpu.vectors import LANES, ORDERS, append_nonzero
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["read_cells"]

_ORDERS = ORDERS.ravel()


@relaxed
def read_cells(
    net: Any, slots: Any, words: Any, height: int, width: int, lanes: int, seen: tuple[float, float, float, float]
) -> tuple[int, tuple[Any, Any, Any, Any, Any]]:
    """Decode one record.

    Args:
        words: uint16, the whole record. seen: least and greatest y, least and greatest x of the positions that will be
            evaluated; leaves beyond them are left empty.

    Returns:
        Status, 0 where all is well, and the sparse network ``(cover, starts, units, weights, ends)``: int32 ``(rows,
        columns)`` of the 8 px grid, the leaf there; for each leaf and channel where its list starts, int64 ``(leaves *
        C + 1,)``; unit b * side + a and weight in 1/255 units of the list; leaves of 32, 16 and 8 px end at ``ends[1 +
        level]``. Not to be used where the status is not 0.
    """
    status, scale, (grids, classes, details, weights) = read_symbols(net, slots, words, height, width, lanes)
    leaves = _leaves(net, grids, classes) if status == OK else 0
    most = leaves * net.channels + len(weights) + LANES
    sparse = (
        np.zeros(((height + 7) // 8, (width + 7) // 8), np.int32), np.zeros(leaves * net.channels + 1, np.int64),
        np.empty(most, np.int32), np.empty(most, np.float32), np.zeros(5, np.int64),
    )  # fmt: skip
    if status != OK:
        return status, sparse
    step = np.float32(net.step * 2.0 ** (scale / SCALES_PER_OCTAVE))
    start: Any = np.int64(0)  # a plain 0 would be compiled for on its own
    at = grids[1, 2] * net.channels
    means = np.empty((grids[0, 0], grids[0, 1], net.channels), np.float32)
    flat = means.reshape(-1)
    for k in range(at):
        flat[k] = step * details[k]
    for i in range(len(grids) - 1):
        level = level_of(i, grids)
        if level > 0:
            start = _collect(net, grids[i], classes, level, weights, start, step, means, seen, sparse)
        if level < 3:
            means, at = _children(means, grids[i : i + 2], classes, net.cells[level], details, at, step)
    return OK, sparse


@relaxed_inline
def _leaves(net: Any, grids: Any, classes: Any) -> int:
    count = 0
    for i in range(len(grids) - 1):
        for node in range(grids[i, 2], grids[i + 1, 2]):
            count += 0 <= classes[node] < net.cells[level_of(i, grids)]
    return count


@relaxed
def _children(means: Any, grids: Any, classes: Any, cells: int, details: Any, at: int, step: Any) -> tuple[Any, int]:
    """Means of the nodes one grid below (spec section 6.2.4) and where the next grid's details start.

    Args:
        means: of the parents, ``(rows, columns, C)``. grids: theirs and that below, as ``read_symbols`` returns them.
        classes: of all nodes; a node splits if its class is at least ``cells``. details: all of segment 5.
    """
    above, across, channels = means.shape
    rows, columns, first = grids[1, 0], grids[1, 1], grids[0, 2]
    out = np.empty((rows, columns, channels), np.float32)
    eighth, half = np.float32(1 / 8), np.float32(1 / 2)
    for r in range(above):
        up, down, last_row = max(r - 1, 0), min(r + 1, above - 1), min(2 * r + 1, rows - 1)
        for c in range(across):
            left, right, last_column = max(c - 1, 0), min(c + 1, across - 1), min(2 * c + 1, columns - 1)
            for k in range(channels):
                here = means[r, c, k]
                h = (means[r, left, k] - means[r, right, k]) * eighth
                v = (means[up, c, k] - means[down, c, k]) * eighth
                x = np.float32(0)
                if classes[first + r * across + c] >= cells:
                    h += step * np.float32(details[at])
                    v += step * np.float32(details[at + 1])
                    x = step * np.float32(details[at + 2])
                    at += 3
                # Written from the last to the first: at an odd edge, where there is no second child, the first stays.
                out[last_row, last_column, k] = (here - h - v + x) * half
                out[last_row, 2 * c, k] = (here + h - v - x) * half
                out[2 * r, last_column, k] = (here - h + v - x) * half
                out[2 * r, 2 * c, k] = (here + h + v + x) * half
    return out, at


@relaxed
def _collect(
    net: Any, grid: Any, classes: Any, level: int, values: Any, at: Any, step: Any, means: Any, seen: Any, sparse: Any
) -> Any:
    """Append the cells of one grid to ``sparse``; returns where the next grid's weights start in ``values``."""
    cover, starts, units, weights, fill = sparse
    side, channels = 64 >> level, net.channels
    span = side // 8
    rows, columns, nodes = grid
    leaf, n = fill[0], fill[1]
    for r in range(rows):
        beyond = (r + 1) * side <= seen[0] or r * side > seen[1]
        for c in range(columns):
            k = classes[nodes + r * columns + c]
            if k < 0 or k >= net.cells[level]:
                continue
            for y in range(r * span, min((r + 1) * span, cover.shape[0])):
                for x in range(c * span, min((c + 1) * span, cover.shape[1])):
                    cover[y, x] = leaf
            known = (net.first_cell[level] + k) * channels
            if beyond or (c + 1) * side <= seen[2] or c * side > seen[3]:
                starts[leaf * channels + 1 : (leaf + 1) * channels + 1] = n
                at += net.lists[known + channels] - net.lists[known]
            else:
                for channel in range(channels):
                    units[n], weights[n] = 0, means[r, c, channel]
                    n += 1
                    first, last = net.lists[known + channel], net.lists[known + channel + 1]
                    for i in range(0, last - first, LANES):
                        n = append_nonzero(
                            values, at + i, net.units, first + i, last - first - i, step, units, weights, n, _ORDERS
                        )
                    at += last - first
                    starts[leaf * channels + channel + 1] = n
            leaf += 1
    fill[0], fill[1], fill[1 + level] = leaf, n, leaf  # the last also where the image has no cell of this size
    return at
