"""The symbols of a `cells` record (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.rans_numba import decode_segment
from inrformat.decode.cpu.rans import FIRST_FAMILY_FAULT, LENGTH, OK, STATE, SYMBOLS, first_states
from inrformat.families.cells.cpu.vectors import LANES
from inrformat.families.cells.nodes import TOP_SIDE_MAX
from inrformat.families.cells.record import SCALE_LIMIT
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["FAULTS", "level_of", "read_symbols"]

_SCALE, _CLASS = FIRST_FAMILY_FAULT, FIRST_FAMILY_FAULT + 1
FAULTS = {
    _SCALE: ("CELLS-SCALE", f"cells record: step scale is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"),
    _CLASS: ("CELLS-CLASS", "cells record: a node has a class that does not exist"),
}
"""Rule and text of each status that only this family has."""


@relaxed_inline
def _segment(ids: Any, slots: Any, states: Any, words: Any, following: Any) -> tuple[Any, Any]:
    values = np.empty(len(ids) + LANES, np.int32)[: len(ids)]  # `leaves` reads whole vectors, from any place on
    return values, decode_segment(ids, slots, states, words, following, values)


@relaxed_inline
def _exist(classes: Any, known: int) -> bool:
    """Whether all ``classes (n,)`` are in 0 .. known - 1."""
    fine = True
    for k in classes:
        fine &= 0 <= k < known
    return fine


@relaxed
def _grids(height: int, width: int) -> Any:
    """Rows, columns and first node of every grid, greatest side first, and the end: int64 ``(grids + 1, 3)``.

    The last three grids are those of 32, 16 and 8 px; see ``grid`` and ``top_side`` of ``networks/cells_layout.py``.
    """
    side, count = 32, 3
    while side < max(height, width) and side < TOP_SIDE_MAX:
        side, count = 2 * side, count + 1
    grids = np.zeros((count + 1, 3), np.int64)
    for i in range(count):
        grids[i, 0], grids[i, 1] = (height + side - 1) // side, (width + side - 1) // side
        grids[i + 1, 2] = grids[i, 2] + grids[i, 0] * grids[i, 1]
        side //= 2
    return grids


@relaxed_inline
def level_of(i: int, grids: Any) -> int:
    """Number among ``CellNetwork``'s levels of grid ``i``."""
    return max(i + 5 - len(grids), 0)


@relaxed_inline
def _read_large_classes(
    net: Any, grids: Any, classes: Any, slots: Any, states: Any, words: Any, following: Any
) -> tuple[bool, Any]:
    """Classes of all nodes of 32 px and more."""
    above, end = grids[-4, 2], grids[-3, 2]
    ids = np.empty(end, np.int32)
    ids[:above], ids[above:] = net.class_tables[0], net.class_tables[1]
    values, following = _segment(ids, slots, states, words, following)
    classes[:end] = values
    fine = _exist(values[:above], net.cells[0] + net.splits[0])
    return fine and _exist(values[above:], net.cells[1] + net.splits[1]), following


@relaxed
def _read_classes(
    net: Any, i: int, grids: Any, classes: Any, slots: Any, states: Any, words: Any, following: Any
) -> tuple[bool, Any]:
    """Classes of the nodes of grid i, of 16 or 8 px, inside nodes that split; -1 elsewhere."""
    rows, columns, first = grids[i]
    level = level_of(i, grids)
    parents, across, cells = grids[i - 1, 2], grids[i - 1, 1], net.cells[level - 1]
    here = np.empty(rows * columns, np.int64)
    count = 0
    for r in range(rows):
        for c in range(columns):
            here[count] = first + r * columns + c
            classes[here[count]] = -1
            count += classes[parents + r // 2 * across + c // 2] >= cells
    ids = np.empty(count, np.int32)
    ids[:] = net.class_tables[level]
    values, following = _segment(ids, slots, states, words, following)
    for k in range(count):
        classes[here[k]] = values[k]
    return _exist(values, net.cells[level] + net.splits[level]), following


@relaxed_inline
def _mean_tables(net: Any, grids: Any, classes: Any) -> Any:
    """Tables of segment 5: means of the top nodes, details of split nodes of every grid above 8 px."""
    roots, details = grids[1, 2], net.split_tables.shape[1]
    ids = np.empty(roots * net.channels + grids[-2, 2] * details, np.int32)
    at = 0
    for _ in range(roots):
        for channel in range(net.channels):
            ids[at] = net.root_tables[channel]
            at += 1
    for i in range(len(grids) - 2):
        level = level_of(i, grids)
        for node in range(grids[i, 2], grids[i + 1, 2]):
            split = classes[node] - net.cells[level]
            if split >= 0:
                for k in range(details):
                    ids[at] = net.split_tables[net.first_split[level] + split, k]
                    at += 1
    return ids[:at]


@relaxed_inline
def _weight_tables(net: Any, grids: Any, classes: Any) -> Any:
    """Tables of segment 6."""
    ids = np.empty(0, np.int32)
    for counting in (True, False):
        at = 0
        for i in range(len(grids) - 4, len(grids) - 1):
            level = level_of(i, grids)
            for node in range(grids[i, 2], grids[i + 1, 2]):
                k = classes[node]
                if 0 <= k < net.cells[level]:
                    first = (net.first_cell[level] + k) * net.channels
                    first, last = net.lists[first], net.lists[first + net.channels]
                    if not counting:
                        ids[at : at + last - first] = net.tables[first:last]
                    at += last - first
        if counting:
            ids = np.empty(at, np.int32)
    return ids


@relaxed_inline
def read_symbols(net: Any, slots: Any, words: Any, height: int, width: int, lanes: int) -> tuple[int, int, Any]:
    """All symbols of a record.

    Returns:
        Status, step scale, and (grids, as ``_grids`` returns them; classes of all their nodes; segment 5; segment 6).
    """
    grids, none = _grids(height, width), np.empty(0, np.int32)
    classes = np.empty(grids[-1, 2], np.int32)
    nothing = grids, none, none, none
    if len(words) < 2 * lanes:
        return LENGTH, 0, nothing
    states, words = first_states(words, lanes)
    ids = np.empty(1, np.int32)
    ids[0] = net.scale_table
    scale, following = _segment(ids, slots, states, words, np.uint64(0))
    if abs(scale[0]) > SCALE_LIMIT:
        return _SCALE, 0, nothing
    fine, following = _read_large_classes(net, grids, classes, slots, states, words, following)
    for i in range(len(grids) - 3, len(grids) - 1):
        if not fine:
            return _CLASS, 0, nothing
        fine, following = _read_classes(net, i, grids, classes, slots, states, words, following)
    if not fine:
        return _CLASS, 0, nothing
    means, following = _segment(_mean_tables(net, grids, classes), slots, states, words, following)
    weights, following = _segment(_weight_tables(net, grids, classes), slots, states, words, following)
    if following != len(words):
        return SYMBOLS, 0, nothing
    for state in states:
        if state != np.uint32(LOWER_BOUND):
            return STATE, 0, nothing
    return OK, scale[0], (grids, classes, means, weights)
