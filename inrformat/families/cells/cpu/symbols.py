"""The symbols of a ``cells`` record (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Sample
from inrformat.decoding.cpu.rans import (
    FIRST_FAMILY_FAULT,
    TOO_SHORT,
    RecordStream,
    decode_symbols,
    is_too_short,
    open_record,
    record_fault,
)
from inrformat.families.cells.cpu.descriptors import FlatCells
from inrformat.families.cells.cpu.nodes import NodeGrids, node_grids
from inrformat.families.cells.record import SCALE_LIMIT
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["FAULTS", "Symbols", "read_symbols"]

_SCALE, _CLASS = FIRST_FAMILY_FAULT, FIRST_FAMILY_FAULT + 1
FAULTS = {
    _SCALE: ("CELLS-SCALE", f"cells record: step scale is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"),
    _CLASS: ("CELLS-CLASS", "cells record: a node has a class that does not exist"),
}
"""Rule and text of each status that only this family has."""


class Symbols(NamedTuple):
    """Symbols of one record.

    Attributes:
        scale: the step scale. grids: of the image's nodes.
        classes: int32 ``(nodes,)``, -1 where a place of a grid has no node.
        means: int32, segment 5: means of the top nodes, then details of the nodes that split.
        weights: int32, segment 6, with room behind it for reading a whole vector from any of them on.
    """

    scale: np.int32
    grids: NodeGrids
    classes: NDArray[np.int32]
    means: NDArray[np.int32]
    weights: NDArray[np.int32]


@relaxed_inline
def _exist(classes: Any, known: int) -> bool:
    """Whether all ``classes (n,)`` are in 0 .. known - 1."""
    fine = True
    for k in classes:
        fine &= 0 <= k < known
    return fine


@relaxed_inline
def _read_large_classes(
    network: FlatCells, grids: NodeGrids, stream: RecordStream, next_word: Any, classes: Any
) -> tuple[bool, Any]:
    """Segment 2: classes of all nodes of 32 px and more.

    Returns:
        Whether the classes exist, and the number of the next word.
    """
    known = network.cell_classes + network.split_classes
    first_of_32px, end = grids.first[-4], grids.first[-3]
    ids = np.empty(end, np.int32)
    ids[:first_of_32px], ids[first_of_32px:] = network.class_tables[0], network.class_tables[1]
    values, next_word = decode_symbols(stream, ids, next_word)
    for k in range(end):
        classes[k] = values[k]
    return _exist(values[:first_of_32px], known[0]) and _exist(values[first_of_32px:], known[1]), next_word


@relaxed_part
def _read_small_classes(
    network: FlatCells, grids: NodeGrids, i: int, stream: RecordStream, next_word: Any, classes: Any
) -> tuple[bool, Any]:
    """Segment 3 or 4: classes of the nodes of grid i, of 16 or 8 px, inside nodes that split; -1 elsewhere.

    Returns:
        Whether the classes exist, and the number of the next word.
    """
    rows, columns, first, level = grids.rows[i], grids.columns[i], grids.first[i], grids.levels[i]
    first_parent, parent_columns = grids.first[i - 1], grids.columns[i - 1]
    parent_cells = network.cell_classes[level - 1]
    nodes = np.empty(rows * columns, np.int64)
    count = 0
    for r in range(rows):
        for c in range(columns):
            nodes[count] = first + r * columns + c
            classes[nodes[count]] = -1
            count += classes[first_parent + r // 2 * parent_columns + c // 2] >= parent_cells
    ids = np.empty(count, np.int32)
    ids[:] = network.class_tables[level]
    values, next_word = decode_symbols(stream, ids, next_word)
    for k in range(count):
        classes[nodes[k]] = values[k]
    return _exist(values, network.cell_classes[level] + network.split_classes[level]), next_word


@relaxed_inline
def _mean_tables(network: FlatCells, grids: NodeGrids, classes: Any) -> Any:
    """Tables of segment 5: means of the top nodes, details of split nodes of every grid above 8 px."""
    top_nodes, details = grids.first[1], network.split_tables.shape[1]
    ids = np.empty(top_nodes * network.channels + grids.first[-2] * details, np.int32)
    at = 0
    for _ in range(top_nodes):
        for channel in range(network.channels):
            ids[at] = network.root_tables[channel]
            at += 1
    for i in range(len(grids.rows) - 1):
        level = grids.levels[i]
        for node in range(grids.first[i], grids.first[i + 1]):
            split = classes[node] - network.cell_classes[level]
            if split >= 0:
                for k in range(details):
                    ids[at] = network.split_tables[network.first_split_class[level] + split, k]
                    at += 1
    return ids[:at]


@relaxed_inline
def _weight_tables(network: FlatCells, grids: NodeGrids, classes: Any) -> Any:
    """Tables of segment 6: first counted, then listed."""
    ids = np.empty(0, np.int32)
    for counting in (True, False):
        at = 0
        for i in range(len(grids.rows) - 3, len(grids.rows)):
            level = grids.levels[i]
            for node in range(grids.first[i], grids.first[i + 1]):
                k = classes[node]
                if 0 <= k < network.cell_classes[level]:
                    known = (network.first_cell_class[level] + k) * network.channels
                    first, end = network.unit_starts[known], network.unit_starts[known + network.channels]
                    if not counting:
                        # In a loop: assigning an array would compile the text of an error as well, for a second.
                        part, source = ids[at : at + end - first], network.unit_tables[first:end]
                        for j in range(len(part)):
                            part[j] = source[j]
                    at += end - first
        if counting:
            ids = np.empty(at, np.int32)
    return ids


@relaxed_inline
def read_symbols(network: FlatCells, sample: Sample) -> tuple[int, Symbols]:
    """All symbols of a record.

    Returns:
        Status, and the symbols, not to be used where it is not 0.
    """
    grids, none = node_grids(sample.height, sample.width), np.empty(0, np.int32)
    classes = np.empty(grids.first[-1], np.int32)
    nothing = Symbols(np.int32(0), grids, none, none, none)
    if is_too_short(sample):
        return TOO_SHORT, nothing
    stream, next_word = open_record(sample)
    scale, next_word = decode_symbols(stream, network.scale_tables, next_word)
    if abs(scale[0]) > SCALE_LIMIT:
        return _SCALE, nothing
    fine, next_word = _read_large_classes(network, grids, stream, next_word, classes)
    for i in range(len(grids.rows) - 2, len(grids.rows)):
        if not fine:
            return _CLASS, nothing
        fine, next_word = _read_small_classes(network, grids, i, stream, next_word, classes)
    if not fine:
        return _CLASS, nothing
    means, next_word = decode_symbols(stream, _mean_tables(network, grids, classes), next_word)
    weights, next_word = decode_symbols(stream, _weight_tables(network, grids, classes), next_word)
    return record_fault(stream, next_word), Symbols(scale[0], grids, classes, means, weights)
