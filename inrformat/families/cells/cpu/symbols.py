"""The symbols of a ``cells`` record (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.plain_bits_numba import add_low_bits
from inrformat.decoding.cpu.batch import Sample
from inrformat.decoding.cpu.rans import (
    FIRST_FAMILY_FAULT,
    OK,
    TOO_SHORT,
    RecordStreams,
    close_record,
    decode_body,
    decode_leading,
    is_too_short,
    open_record,
    plain_words,
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
        means: int32, means of the top nodes, then details of the nodes that split.
        weights: int32, of all cells, with room behind them for reading a whole vector from any of them on.
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
def _read_large_classes(network: FlatCells, grids: NodeGrids, streams: RecordStreams, classes: Any) -> bool:
    """Segment 1: classes of all nodes of 32 px and more; returns whether there are such classes."""
    known = network.cell_classes + network.split_classes
    first_of_32px, end = grids.first[-4], grids.first[-3]
    ids = np.empty(end, np.int32)
    ids[:first_of_32px], ids[first_of_32px:] = network.class_tables[0], network.class_tables[1]
    values = decode_leading(streams, ids)
    for k in range(end):
        classes[k] = values[k]
    return _exist(values[:first_of_32px], known[0]) and _exist(values[first_of_32px:], known[1])


@relaxed_part
def _read_small_classes(network: FlatCells, grids: NodeGrids, i: int, streams: RecordStreams, classes: Any) -> bool:
    """Segment 2 or 3: classes of the nodes of grid i, of 16 or 8 px, the children of nodes that split; -1 elsewhere.

    Returns:
        Whether there are such classes.
    """
    rows, columns, first, level = grids.rows[i], grids.columns[i], grids.first[i], grids.levels[i]
    parent_rows, parent_columns, first_parent = grids.rows[i - 1], grids.columns[i - 1], grids.first[i - 1]
    parent_cells = network.cell_classes[level - 1]
    nodes, ids = (
        np.empty(4 * parent_rows * parent_columns, np.int64),
        np.empty(4 * parent_rows * parent_columns, np.int32),
    )
    count = 0
    for row in range(parent_rows):
        for column in range(parent_columns):
            if classes[first_parent + row * parent_columns + column] < parent_cells:
                continue
            for child in range(4):
                r, c = 2 * row + child // 2, 2 * column + child % 2
                inside = r < rows and c < columns
                nodes[count] = first + r * columns + c if inside else -1
                ids[count] = network.class_tables[level] if inside else network.null_table
                count += 1
    values = decode_leading(streams, ids[:count])
    for node in range(first, first + rows * columns):
        classes[node] = -1
    known, fine = network.cell_classes[level] + network.split_classes[level], True
    for k in range(count):
        if nodes[k] >= 0:
            classes[nodes[k]] = values[k]
            fine &= 0 <= values[k] < known
    return fine


@relaxed_inline
def _add_mean_tables(network: FlatCells, grids: NodeGrids, classes: Any, ids: Any, at: Any) -> Any:
    """From ``ids[at]`` on, tables of the means of top nodes and of details of split ones; returns where they end."""
    details = network.split_tables.shape[1]
    for _ in range(grids.first[1]):
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
    return at


@relaxed_inline
def _first_unit(network: FlatCells, level: Any, k: Any) -> Any:
    """Where the units of a cell of class k of a level begin in ``network.unit_tables``; those of k + 1 follow."""
    return network.unit_starts[(network.first_cell_class[level] + k) * network.channels]


@relaxed_inline
def _count_weights(network: FlatCells, grids: NodeGrids, classes: Any) -> Any:
    count = np.int64(0)
    for i in range(len(grids.rows) - 3, len(grids.rows)):
        level = grids.levels[i]
        for node in range(grids.first[i], grids.first[i + 1]):
            if 0 <= classes[node] < network.cell_classes[level]:
                count += _first_unit(network, level, classes[node] + 1) - _first_unit(network, level, classes[node])
    return count


@relaxed_inline
def _add_weight_tables(network: FlatCells, grids: NodeGrids, classes: Any, ids: Any, at: Any) -> None:
    """From ``ids[at]`` on, tables of the weights of all cells."""
    for i in range(len(grids.rows) - 3, len(grids.rows)):
        level = grids.levels[i]
        for node in range(grids.first[i], grids.first[i + 1]):
            k = classes[node]
            if 0 <= k < network.cell_classes[level]:
                first, end = _first_unit(network, level, k), _first_unit(network, level, k + 1)
                # In a loop: assigning an array would compile the text of an error as well, for a second.
                part, source = ids[at : at + end - first], network.unit_tables[first:end]
                for j in range(len(part)):
                    part[j] = source[j]
                at += end - first


@relaxed_part
def _body_tables(network: FlatCells, grids: NodeGrids, classes: Any) -> tuple[Any, Any]:
    """Tables of the body's symbols, int32, and where those of the weights begin."""
    most_means = grids.first[1] * network.channels + grids.first[-2] * network.split_tables.shape[1]
    ids = np.empty(1 + most_means + _count_weights(network, grids, classes), np.int32)
    ids[0] = network.scale_table
    weights = _add_mean_tables(network, grids, classes, ids, 1)
    _add_weight_tables(network, grids, classes, ids, weights)
    return ids[: weights + len(ids) - 1 - most_means], weights


@relaxed_part
def _add_weight_bits(
    network: FlatCells,
    grids: NodeGrids,
    classes: Any,
    sample: Sample,
    ids: Any,
    at: Any,
    values: Any,
    plain: Any,
    bit: Any,
) -> Any:
    """Put the low bits of the weights from ``values[at]`` on behind their tokens; few but the first of a cell have any.

    Args:
        bit: where they begin in ``plain``.

    Returns:
        Where they end.
    """
    for i in range(len(grids.rows) - 3, len(grids.rows)):
        level = grids.levels[i]
        for node in range(grids.first[i], grids.first[i + 1]):
            k = classes[node]
            if 0 <= k < network.cell_classes[level]:
                known = (network.first_cell_class[level] + k) * network.channels
                for channel in range(known, known + network.channels):
                    end = at + network.low_bit_ends[channel]
                    bit = add_low_bits(values, ids, sample.low_bits, at, end, plain, bit)
                    at += network.unit_starts[channel + 1] - network.unit_starts[channel]
    return bit


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
    streams = open_record(sample)
    fine = _read_large_classes(network, grids, streams, classes)
    for i in range(len(grids.rows) - 2, len(grids.rows)):
        if not fine:
            return _CLASS, nothing
        fine = _read_small_classes(network, grids, i, streams, classes)
    if not fine:
        return _CLASS, nothing
    ids, weights = _body_tables(network, grids, classes)
    values = decode_body(streams, ids)
    plain = plain_words(streams)
    bit = add_low_bits(values, ids, sample.low_bits, 0, weights, plain, 0)
    bit = _add_weight_bits(network, grids, classes, sample, ids, weights, values, plain, bit)
    status = close_record(streams, values, plain, bit)
    if status == OK and abs(values[0]) > SCALE_LIMIT:
        status = _SCALE
    return status, Symbols(values[0], grids, classes, values[1:weights], values[weights:])
