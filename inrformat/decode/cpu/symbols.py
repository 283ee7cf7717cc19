"""The symbols of a `cells` record (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.rans_numba import decode_segment
from inrformat.decode.cpu.axes import compiled
from inrformat.decode.cpu.vectors import LANES
from inrformat.networks.cells_record import SCALE_LIMIT

__all__ = ["FAULTS", "LENGTH", "OK", "STATE", "SYMBOLS", "first_states", "read_symbols"]

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
    values = np.empty(len(ids) + LANES, np.int32)[: len(ids)]  # `leaves` reads whole vectors, from any place on
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
    cells = net.cells[level - 1]
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
    return _exist(values, net.cells[level] + splits), classes, following


@compiled
def _mean_tables(net: Any, above: Any, middle: Any) -> Any:
    """Tables of segment 5: means of the top nodes, details of split nodes of every grid above 8 px."""
    roots, details = above[0].size, 3 * net.channels
    count = roots * net.channels + details * above[0].size
    for i in range(1, len(above)):
        count += details * above[i].size
    ids = np.empty(count + details * middle.size, np.int32)
    at = 0
    for _ in range(roots):
        for k in net.root_tables:
            ids[at] = k
            at += 1
    for i in range(len(above) - 1):
        at = _append_details(net, above[i], 0, net.first_split[0], ids, at)
    at = _append_details(net, above[-1], net.cells[0], net.first_split[1], ids, at)
    at = _append_details(net, middle, net.cells[1], net.first_split[2], ids, at)
    return ids[:at]


@compiled
def _append_details(net: Any, classes: Any, cells: int, first: int, ids: Any, at: int) -> int:
    """Append the tables of one grid's split nodes, which have a class of at least ``cells``."""
    for k in classes.flat:
        if k >= cells:
            for i in range(3 * net.channels):
                ids[at + i] = net.split_tables[first + k - cells, i]
            at += 3 * net.channels
    return at


@compiled
def _weight_tables(net: Any, above: Any, middle: Any, small: Any) -> Any:
    """Tables of segment 6."""
    count = _append_weights(net, above, 0, net.tables[:0], 0)
    count += _append_weights(net, middle, 1, net.tables[:0], 0)
    count += _append_weights(net, small, 2, net.tables[:0], 0)
    ids = np.empty(count, np.int32)
    at = _append_weights(net, above, 0, ids, 0)
    at = _append_weights(net, middle, 1, ids, at)
    _append_weights(net, small, 2, ids, at)
    return ids


@compiled
def _append_weights(net: Any, classes: Any, level: int, ids: Any, at: int) -> int:
    """Append the tables of one level's cells, or only count them if ``ids`` is empty."""
    counting = len(ids) == 0
    for k in classes.flat:
        if 0 <= k < net.cells[level]:
            first = net.lists[(net.first_cell[level] + k) * net.channels]
            last = net.lists[(net.first_cell[level] + k + 1) * net.channels]
            if not counting:
                ids[at : at + last - first] = net.tables[first:last]
            at += last - first
    return at


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
def read_symbols(net: Any, slots: Any, words: Any, height: int, width: int, lanes: int) -> tuple[int, int, Any]:
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
    fine = _exist(above[-1], net.cells[0] + net.splits[0])
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
    weights, following = _segment(_weight_tables(net, above[-1], middle, small), slots, states, words, following)
    if following != len(words):
        return SYMBOLS, 0, symbols
    status = OK if (states == np.uint32(LOWER_BOUND)).all() else STATE
    return status, scale[0], (above, middle, small, means, weights)
