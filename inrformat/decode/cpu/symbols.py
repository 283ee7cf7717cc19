"""The symbols of a `cells` record (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.rans_numba import decode_segment
from inrformat.decode.cpu.axes import compiled
from inrformat.decode.cpu.vectors import LANES
from inrformat.networks.cells_layout import TOP_SIDE_MAX
from inrformat.networks.cells_record import SCALE_LIMIT

__all__ = ["FAULTS", "LENGTH", "OK", "STATE", "SYMBOLS", "first_states", "level_of", "read_symbols"]

OK, LENGTH, SYMBOLS, STATE, _SCALE, _CLASS = range(6)
FAULTS = {
    LENGTH: ("RECORD-LENGTH", "a record is too short for its rANS lanes, or of odd length"),
    SYMBOLS: ("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need"),
    STATE: ("RECORD-STATE", "a rANS lane did not end in its initial state"),
    _SCALE: ("CELLS-SCALE", f"cells record: step scale is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"),
    _CLASS: ("CELLS-CLASS", "cells record: a node has a class that does not exist"),
}
"""Rule and text of each status above 0."""


@compiled
def first_states(words: Any, lanes: int) -> tuple[Any, Any]:
    """The lanes' states at a record's head, uint32, and the words behind them."""
    states = np.empty(lanes, np.uint32)
    for i in range(lanes):
        states[i] = np.uint32(words[2 * i]) | np.uint32(words[2 * i + 1]) << np.uint32(16)
    return states, words[2 * lanes :]


@compiled
def _segment(ids: Any, slots: Any, states: Any, words: Any, following: Any) -> tuple[Any, Any]:
    values = np.empty(len(ids) + LANES, np.int32)[: len(ids)]  # `leaves` reads whole vectors, from any place on
    return values, decode_segment(ids, slots, states, words, following, values)


@compiled
def _shape(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of the nodes of ``side`` px."""
    return (height + side - 1) // side, (width + side - 1) // side


@compiled
def _exist(classes: Any, known: int) -> bool:
    """Whether all ``classes (n,)`` are in 0 .. known - 1."""
    for k in classes:
        if not 0 <= k < known:
            return False
    return True


@compiled
def _read_large_classes(
    net: Any, height: int, width: int, slots: Any, states: Any, words: Any, following: Any
) -> tuple[bool, Any, Any]:
    """Classes of all nodes of 32 px and more, one grid for each side, greatest first."""
    top = 32
    while top < max(height, width) and top < TOP_SIDE_MAX:
        top *= 2
    above, side = 0, top
    while side > 32:
        rows, columns = _shape(height, width, side)
        above += rows * columns
        side //= 2
    rows, columns = _shape(height, width, side)
    ids = np.full(above + rows * columns, net.class_tables[0], np.int32)
    ids[above:] = net.class_tables[1]
    values, following = _segment(ids, slots, states, words, following)
    grids, at, side = [], 0, top
    while side >= 32:
        rows, columns = _shape(height, width, side)
        grids.append(values[at : at + rows * columns].reshape(rows, columns))
        at += rows * columns
        side //= 2
    fine = _exist(values[:above], net.cells[0] + net.splits[0])
    return fine and _exist(values[above:], net.cells[1] + net.splits[1]), grids, following


@compiled
def _read_classes(
    net: Any, level: int, shape: tuple[int, int], parents: Any, slots: Any, states: Any, words: Any, following: Any
) -> tuple[bool, Any, Any]:
    """Classes of the nodes of 16 px (level 2) or 8 px (3) inside split ``parents``; -1 elsewhere."""
    rows, columns = shape
    cells = net.cells[level - 1]
    count = 0
    for r in range(rows):
        for c in range(columns):
            count += parents[r // 2, c // 2] >= cells
    values, following = _segment(np.full(count, net.class_tables[level], np.int32), slots, states, words, following)
    classes = np.full((rows, columns), -1, np.int32)
    at = 0
    for r in range(rows):
        for c in range(columns):
            if parents[r // 2, c // 2] >= cells:
                classes[r, c] = values[at]
                at += 1
    return _exist(values, net.cells[level] + net.splits[level]), classes, following


@compiled
def _mean_tables(net: Any, grids: Any) -> Any:
    """Tables of segment 5: means of the top nodes, details of split nodes of every grid above 8 px."""
    roots, details = grids[0].size, net.split_tables.shape[1]
    count = roots * net.channels
    for i in range(len(grids) - 1):
        count += details * grids[i].size
    ids = np.empty(count, np.int32)
    at = 0
    for _ in range(roots):
        for k in net.root_tables:
            ids[at] = k
            at += 1
    for i in range(len(grids) - 1):
        level = level_of(grids, i)
        for k in grids[i].flat:
            if k >= net.cells[level]:
                tables = net.split_tables[net.first_split[level] + k - net.cells[level]]
                for table in tables:
                    ids[at] = table
                    at += 1
    return ids[:at]


@compiled
def level_of(grids: Any, i: int) -> int:
    """Of the cells and nodes of grid ``i``: the last three grids are those of 32, 16 and 8 px."""
    return max(i + 4 - len(grids), 0)


@compiled
def _weights(net: Any, level: int, k: int) -> tuple[int, int]:
    """Where the coded weights of a cell of class ``k`` start and end among all classes'."""
    first = (net.first_cell[level] + k) * net.channels
    return net.lists[first], net.lists[first + net.channels]


@compiled
def _weight_tables(net: Any, grids: Any) -> Any:
    """Tables of segment 6."""
    count = 0
    for level in range(1, 4):
        for k in grids[level - 4].flat:
            if 0 <= k < net.cells[level]:
                first, last = _weights(net, level, k)
                count += last - first
    ids = np.empty(count, np.int32)
    at = 0
    for level in range(1, 4):
        for k in grids[level - 4].flat:
            if 0 <= k < net.cells[level]:
                first, last = _weights(net, level, k)
                ids[at : at + last - first] = net.tables[first:last]
                at += last - first
    return ids


@compiled
def read_symbols(net: Any, slots: Any, words: Any, height: int, width: int, lanes: int) -> tuple[int, int, Any]:
    """All symbols of a record.

    Returns:
        Status, step scale, and (classes of every grid, greatest side first; segment 5; segment 6).
    """
    nothing = [np.zeros((0, 0), np.int32)], np.zeros(0, np.int32), np.zeros(0, np.int32)
    if len(words) < 2 * lanes:
        return LENGTH, 0, nothing
    states, words = first_states(words, lanes)
    scale, following = _segment(np.full(1, net.scale_table, np.int32), slots, states, words, np.uint64(0))
    if abs(scale[0]) > SCALE_LIMIT:
        return _SCALE, 0, nothing
    fine, grids, following = _read_large_classes(net, height, width, slots, states, words, following)
    for level in range(2, 4):
        if not fine:
            return _CLASS, 0, nothing
        shape = _shape(height, width, 64 >> level)
        fine, classes, following = _read_classes(net, level, shape, grids[-1], slots, states, words, following)
        grids.append(classes)
    if not fine:
        return _CLASS, 0, nothing
    means, following = _segment(_mean_tables(net, grids), slots, states, words, following)
    weights, following = _segment(_weight_tables(net, grids), slots, states, words, following)
    if following != len(words):
        return SYMBOLS, 0, nothing
    for state in states:
        if state != np.uint32(LOWER_BOUND):
            return STATE, 0, nothing
    return OK, scale[0], (grids, means, weights)
