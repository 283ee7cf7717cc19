"""A `cells` record to a sparse list of readout weights (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.rans_numba import decode_segment
from inrformat.decode.cpu.axes import compiled
from inrformat.networks.cells import STEP_SCALES_PER_OCTAVE
from inrformat.networks.cells_record import SCALE_LIMIT

__all__ = ["FAULTS", "LENGTH", "OK", "STATE", "SYMBOLS", "first_states", "read_cells"]

OK, LENGTH, SYMBOLS, STATE, _SCALE, _CLASS = range(6)
FAULTS = {
    LENGTH: ("RECORD-LENGTH", "a record is too short for its rANS lanes, or of odd length"),
    SYMBOLS: ("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need"),
    STATE: ("RECORD-STATE", "a rANS lane did not end in its initial state"),
    _SCALE: ("CELLS-SCALE", f"cells record: step scale is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"),
    _CLASS: ("CELLS-CLASS", "cells record: a node has a class that does not exist"),
}
"""Rule and text of each status above 0."""

_TOP_LIMIT = 256


@compiled
def first_states(words: Any, lanes: int) -> tuple[Any, Any]:
    """The lanes' states at a record's head, uint32, and the words behind them."""
    states = np.empty(lanes, np.uint32)
    for i in range(lanes):
        states[i] = np.uint32(words[2 * i]) | np.uint32(words[2 * i + 1]) << np.uint32(16)
    return states, words[2 * lanes :]


@compiled
def _segment(ids: Any, slots: Any, states: Any, words: Any, following: int) -> tuple[Any, int]:
    values = np.empty(len(ids), np.int32)
    return values, decode_segment(ids, slots, states, words, following, values)


@compiled
def _exist(classes: Any, known: int) -> bool:
    """Whether all ``classes`` are in 0 .. known - 1."""
    return classes.size == 0 or bool(classes.min() >= 0 and classes.max() < known)


@compiled
def _read_classes(
    net: Any, level: int, shape: tuple[int, int], parents: Any, slots: Any, states: Any, words: Any, following: int
) -> tuple[bool, Any, int]:
    """Classes of the nodes of 16 px (level 1) or 8 px (2) inside split ``parents``; -1 elsewhere."""
    rows, columns = shape
    cells = len(net.kept[level - 1])
    count = 0
    for r in range(rows):
        for c in range(columns):
            count += parents[r // 2, c // 2] >= cells
    ids = np.full(count, net.class_tables[level], np.int32)
    values, following = _segment(ids, slots, states, words, following)
    classes = np.full((rows, columns), -1, np.int32)
    at = 0
    for r in range(rows):
        for c in range(columns):
            if parents[r // 2, c // 2] >= cells:
                classes[r, c] = values[at]
                at += 1
    splits = net.splits[level] if level == 1 else 0
    return _exist(values, len(net.kept[level]) + splits), classes, following


@compiled
def _children(
    means: Any, classes: Any, cells: int, details: Any, at: int, step: float, shape: tuple[int, int]
) -> tuple[Any, int]:
    """Means of the nodes one grid below (spec section 6.2.4) and where the next grid's details start.

    Args:
        means, classes: of the parents, ``(rows, columns, C)`` and ``(rows, columns)``; a node splits if its class is at
            least ``cells``. details: all of segment 5 behind the roots.
    """
    above, across, channels = means.shape
    rows, columns = shape
    out = np.empty((rows, columns, channels), np.float32)
    for r in range(above):
        for c in range(across):
            split = classes[r, c] >= cells
            for k in range(channels):
                here = means[r, c, k]
                h = (means[r, max(c - 1, 0), k] - means[r, min(c + 1, across - 1), k]) / 8
                v = (means[max(r - 1, 0), c, k] - means[min(r + 1, above - 1), c, k]) / 8
                x = np.float32(0)
                if split:
                    h += step * details[at]
                    v += step * details[at + 1]
                    x += step * details[at + 2]
                    at += 3
                for i in range(2):
                    for j in range(2):
                        if 2 * r + i < rows and 2 * c + j < columns:
                            vertical, horizontal = 1 - 2 * i, 1 - 2 * j
                            out[2 * r + i, 2 * c + j, k] = (
                                here + horizontal * h + vertical * v + horizontal * vertical * x
                            ) / 2
    return out, at


@compiled
def _mean_tables(net: Any, above: Any, middle: Any) -> Any:
    """Tables of segment 5: means of the top nodes, details of split nodes of every grid above 8 px."""
    channels = net.channels
    roots = above[0].size
    count = roots * channels
    for _level, classes, cells in _split_grids(net, above, middle):
        count += 3 * channels * (classes >= cells).sum()
    ids = np.empty(count, np.int32)
    at = 0
    for _ in range(roots):
        ids[at : at + channels] = net.root_tables
        at += channels
    for level, classes, cells in _split_grids(net, above, middle):
        for k in classes.flat:
            if k >= cells:
                ids[at : at + 3 * channels] = net.split_tables[level][k - cells].ravel()
                at += 3 * channels
    return ids


@compiled
def _split_grids(net: Any, above: Any, middle: Any) -> Any:
    """(index into ``split_tables``, classes, how many of these are cells) of grids that can split, greatest first."""
    grids = [(0, above[0], 0)]
    for i in range(1, len(above)):
        grids.append((0, above[i], 0))
    grids[-1] = (1, above[-1], len(net.kept[0]))
    grids.append((2, middle, len(net.kept[1])))
    return grids


@compiled
def _collect(
    net: Any, classes: Any, level: int, values: Any, at: int, step: float, means: Any, seen: Any, sparse: Any
) -> int:
    """Append the cells of one level to ``sparse``; returns where the next level's weights start in ``values``."""
    cover, starts, units, weights, fill = sparse
    side, order = 32 >> level, net.units[level]
    span = side // 8
    rows, columns = classes.shape
    for r in range(rows):
        for c in range(columns):
            k = classes[r, c]
            if k < 0 or k >= len(net.kept[level]):
                continue
            leaf = fill[0]
            outside = (r + 1) * side <= seen[0] or r * side > seen[1] or (c + 1) * side <= seen[2] or c * side > seen[3]
            for y in range(r * span, min((r + 1) * span, cover.shape[0])):
                for x in range(c * span, min((c + 1) * span, cover.shape[1])):
                    cover[y, x] = leaf
            for channel in range(net.channels):
                n = fill[1]
                if outside:
                    starts[leaf * net.channels + channel + 1] = n
                    at += net.kept[level][k, channel] - 1
                    continue
                units[n], weights[n] = 0, means[r, c, channel]
                n += 1
                for u in range(1, net.kept[level][k, channel]):
                    q = values[at]
                    at += 1
                    # Most are zero, but no branch predictor knows which.
                    units[n], weights[n] = order[u], q * step
                    n += q != 0
                fill[1] = n
                starts[leaf * net.channels + channel + 1] = n
            fill[0] = leaf + 1
    fill[2 + level] = fill[0]  # also where the image has no cell of this size
    return at


@compiled
def _weight_tables(net: Any, grids: Any) -> Any:
    """Tables of segment 6."""
    count = 0
    for level, classes in enumerate(grids):
        for k in classes.flat:
            if 0 <= k < len(net.kept[level]):
                count += net.kept[level][k].sum() - net.channels
    ids = np.empty(count, np.int32)
    at = 0
    for level, classes in enumerate(grids):
        tables = net.unit_tables[level]
        for k in classes.flat:
            if 0 <= k < len(net.kept[level]):
                for channel in range(net.channels):
                    n = net.kept[level][k, channel] - 1
                    for u in range(n):
                        ids[at + u] = tables[k, channel, u + 1]
                    at += n
    return ids


@compiled
def _read_large_classes(
    net: Any, height: int, width: int, slots: Any, states: Any, words: Any, following: int
) -> tuple[Any, int]:
    """Classes of all nodes of 32 px and more, one grid for each side, greatest first."""
    top = 32
    while top < max(height, width) and top < _TOP_LIMIT:
        top *= 2
    total, side = 0, top
    while side >= 32:
        total += ((height + side - 1) // side) * ((width + side - 1) // side)
        side //= 2
    rows, columns = (height + 31) // 32, (width + 31) // 32
    ids = np.full(total, net.class_tables[3], np.int32)
    ids[total - rows * columns :] = net.class_tables[0]
    values, following = _segment(ids, slots, states, words, following)
    grids, at, side = [], 0, top
    while side >= 32:
        rows, columns = (height + side - 1) // side, (width + side - 1) // side
        grids.append(values[at : at + rows * columns].reshape(rows, columns))
        at += rows * columns
        side //= 2
    return grids, following


@compiled
def _read_symbols(net: Any, slots: Any, words: Any, height: int, width: int, lanes: int) -> tuple[int, int, Any]:
    """All symbols of a record.

    Returns:
        Status, step scale, and (classes of the grids of 32 px and more, of 16 px, of 8 px, segment 5, segment 6).
    """
    none = np.zeros((0, 0), np.int32)
    symbols = ([none], none, none, np.zeros(0, np.int32), np.zeros(0, np.int32))
    if len(words) < 2 * lanes:
        return LENGTH, 0, symbols
    states, words = first_states(words, lanes)
    scale, following = _segment(np.full(1, net.scale_table, np.int32), slots, states, words, 0)
    if abs(scale[0]) > SCALE_LIMIT:
        return _SCALE, 0, symbols
    above, following = _read_large_classes(net, height, width, slots, states, words, following)
    fine = _exist(above[-1], len(net.kept[0]) + net.splits[0])
    for i in range(len(above) - 1):
        fine = fine and _exist(above[i], net.splits[3])
    if not fine:
        return _CLASS, 0, symbols
    shape = (height + 15) // 16, (width + 15) // 16
    fine, middle, following = _read_classes(net, 1, shape, above[-1], slots, states, words, following)
    if not fine:
        return _CLASS, 0, symbols
    shape = (height + 7) // 8, (width + 7) // 8
    fine, small, following = _read_classes(net, 2, shape, middle, slots, states, words, following)
    if not fine:
        return _CLASS, 0, symbols
    means, following = _segment(_mean_tables(net, above, middle), slots, states, words, following)
    weights, following = _segment(_weight_tables(net, (above[-1], middle, small)), slots, states, words, following)
    if following != len(words):
        return SYMBOLS, 0, symbols
    status = OK if (states == np.uint32(LOWER_BOUND)).all() else STATE
    return status, scale[0], (above, middle, small, means, weights)


@compiled
def read_cells(
    net: Any, slots: Any, words: Any, height: int, width: int, lanes: int, seen: tuple[float, float, float, float]
) -> tuple[int, tuple[Any, Any, Any, Any, Any]]:
    """Decode one record.

    Args:
        words: uint16, the whole record. seen: least and greatest y, least and greatest x of the positions that will be
            evaluated; leaves beyond them are left empty.

    Returns:
        Status, 0 where all is well, and the sparse network ``(cover, starts, units, weights, ends)``: int32 ``(rows,
        columns)`` of the 8 px grid, the leaf there; for each leaf and channel where its list starts, int32 ``(leaves *
        C + 1,)``; unit b * side + a and weight in 1/255 units of the list; leaves of 32, 16 and 8 px end at ``ends[2 +
        level]``. Not to be used where the status is not 0.
    """
    status, scale, (above, middle, small, coded, weights) = _read_symbols(net, slots, words, height, width, lanes)
    cover = np.zeros(((height + 7) // 8, (width + 7) // 8), np.int32)
    leaves = 0
    for level, classes in enumerate((above[-1], middle, small)):
        leaves += ((classes >= 0) & (classes < len(net.kept[level]))).sum()
    nonzero = leaves * net.channels + (weights != 0).sum()
    sparse = (
        cover, np.zeros(leaves * net.channels + 1, np.int32), np.empty(nonzero + 1, np.int32),
        np.empty(nonzero + 1, np.float32), np.zeros(5, np.int64),
    )  # fmt: skip
    if status != OK:
        return status, sparse
    step = np.float32(net.step * 2.0 ** (scale / STEP_SCALES_PER_OCTAVE))
    at = above[0].size * net.channels
    means = (coded[:at].astype(np.float32) * step).reshape(*above[0].shape, net.channels)
    for i in range(len(above) - 1):
        means, at = _children(means, above[i], 0, coded, at, step, above[i + 1].shape)
    start = _collect(net, above[-1], 0, weights, 0, step, means, seen, sparse)
    means, at = _children(means, above[-1], len(net.kept[0]), coded, at, step, middle.shape)
    start = _collect(net, middle, 1, weights, start, step, means, seen, sparse)
    means, at = _children(means, middle, len(net.kept[1]), coded, at, step, small.shape)
    _collect(net, small, 2, weights, start, step, means, seen, sparse)
    return OK, sparse
