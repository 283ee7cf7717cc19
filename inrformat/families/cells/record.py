"""The record of a ``cells`` image: which symbols it holds, in which order (spec section 6.2.4).

Segments, each decoded in full before the next: the step scale; classes of nodes of 32 px and more, greatest first;
classes of 16 px nodes; of 8 px nodes; means and details; weights. Nodes go in raster order of their grid, then by
channel. No table depends on a mean or a weight, so all of a segment's symbols can be decoded at once.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans_numba import RecordDecoder, encode_record
from inrformat.coding.tables import TableSet
from inrformat.errors import InvalidFileError
from inrformat.families.cells.descriptor import NULL_TABLE, Cells, Level
from inrformat.families.cells.nodes import CELL_SIDES, FINEST_SIDE, LARGEST_CELL, grid, node_sides
from inrformat.families.family import SymbolDecoder

__all__ = ["SCALE_LIMIT", "CellSymbols", "existing_nodes", "read_batch", "read_record", "write_record"]

SCALE_LIMIT = 32
"""Greatest step scale of a record, and the negative of the least."""


@dataclass(slots=True, eq=False)
class CellSymbols:
    """All integers of a record.

    Attributes:
        height, width: native size in pixels.
        scale: step scale in quarters of an octave, -32..32.
        classes: by side, int32 ``(rows, columns)``; -1 where there is no node.
        roots: int32 ``(th, tw, C)``: means of the top nodes. details: by side, int32 ``(rows, columns, C, 3)``.
        weights: by side, int32 ``(cells, C, side**2)`` in ``unit_order``, cells in raster order; the mean is 0 here.
    """

    height: int
    width: int
    scale: int
    classes: dict[int, NDArray[np.int32]]
    roots: NDArray[np.int32]
    details: dict[int, NDArray[np.int32]]
    weights: dict[int, NDArray[np.int32]]


def existing_nodes(
    network: Cells, classes: dict[int, NDArray[np.int32]], side: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which nodes of ``side`` exist, from the classes of their parents: bool ``shape``."""
    if side >= LARGEST_CELL:
        return np.ones(shape, bool)
    split = network.level(2 * side).is_split(classes[2 * side])
    return split.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]]


class _CodedWeights(NamedTuple):
    """Which weights of cells are coded, bool ``(cells, C, units)``, and the table of each that is, in order."""

    coded: NDArray[np.bool_]
    tables: NDArray[np.int32]


def _coded_weights(level: Level, classes: NDArray[np.int32]) -> _CodedWeights:
    """``classes``: of all nodes of the level, int32 ``(rows, columns)``."""
    cells = classes[level.is_cell(classes)]
    units = np.arange(level.side**2)
    coded = ((units > 0) & (units < level.kept[..., None]))[cells]
    return _CodedWeights(coded, level.unit_tables()[cells][coded])


def _detail_tables(level: Level, classes: NDArray[Any]) -> NDArray[np.int32]:
    """Tables of the details of split nodes of ``classes (n,)``: ``(n, C, 3)``."""
    tables: NDArray[np.int32] = level.split_tables[classes - len(level.kept)].astype(np.int32)
    return tables


_Values = NDArray[np.int32]


def segments(network: Cells, height: int, width: int) -> Generator[_Values, _Values, CellSymbols]:
    """Walks through a record, segment by segment.

    Yields the table of each symbol of a segment, numbered from the descriptor's first table. Has to be sent the values
    of these symbols, of equal shape: which symbols the next segment has depends on them. Returns the whole record.

    Raises:
        InvalidFileError: CELLS-SCALE or CELLS-CLASS does not hold for the values that were sent.
    """
    sides = node_sides(height, width)
    scale = int((yield np.array([network.scale_table], np.int32))[0])
    if abs(scale) > SCALE_LIMIT:
        raise InvalidFileError(
            "CELLS-SCALE", f"cells record: step scale {scale} is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"
        )
    classes: dict[int, _Values] = {}
    for level_sides in ([s for s in sides if s >= LARGEST_CELL], *([s] for s in CELL_SIDES[1:])):
        yield from _classes(network, classes, {s: grid(height, width, s) for s in level_sides})
    means = yield from _means(network, classes, grid(height, width, sides[0]))
    weights = yield from _weights(network, classes)
    return CellSymbols(height, width, scale, classes, means.roots, means.details, weights)


def _classes(
    network: Cells, classes: dict[int, _Values], shapes: dict[int, tuple[int, int]]
) -> Generator[_Values, _Values, None]:
    """The segment of the classes of the nodes of some sides, which it adds to ``classes``."""
    masks = {side: existing_nodes(network, classes, side, shape) for side, shape in shapes.items()}
    tables = [np.full(int(mask.sum()), network.level(side).class_table, np.int32) for side, mask in masks.items()]
    values = _divided((yield np.concatenate(tables)), tables)
    for (side, mask), chosen in zip(masks.items(), values, strict=True):
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < network.level(side).class_count:
            raise InvalidFileError("CELLS-CLASS", f"cells record: a node of {side} px has a class that does not exist")
        classes[side] = np.full(mask.shape, -1, np.int32)
        classes[side][mask] = chosen


class _Means(NamedTuple):
    """``roots`` and ``details`` of ``CellSymbols``."""

    roots: _Values
    details: dict[int, _Values]


def _means(network: Cells, classes: dict[int, _Values], top: tuple[int, int]) -> Generator[_Values, _Values, _Means]:
    """The segment of means and details."""
    tables = [np.tile(np.array(network.root_tables, np.int32), top[0] * top[1])]
    split = {s: network.level(s).is_split(c) for s, c in classes.items() if s > FINEST_SIDE}
    tables += [_detail_tables(network.level(s), classes[s][mask]).ravel() for s, mask in split.items()]
    roots, *values = _divided((yield np.concatenate(tables)), tables)
    details = {}
    for (side, mask), chosen in zip(split.items(), values, strict=True):
        details[side] = np.zeros((*mask.shape, network.channels, 3), np.int32)
        details[side][mask] = chosen.reshape(-1, network.channels, 3)
    return _Means(roots.reshape(*top, network.channels), details)


def _weights(network: Cells, classes: dict[int, _Values]) -> Generator[_Values, _Values, dict[int, _Values]]:
    """The segment of weights."""
    parts = [_coded_weights(network.level(side), classes[side]) for side in CELL_SIDES]
    tables = [part.tables for part in parts]
    values = _divided((yield np.concatenate(tables)), tables)
    weights = {}
    for side, part, chosen in zip(CELL_SIDES, parts, values, strict=True):
        weights[side] = np.zeros(part.coded.shape, np.int32)
        weights[side][part.coded] = chosen
    return weights


def _divided(values: _Values, parts: Sequence[_Values]) -> list[_Values]:
    """``values`` in pieces as long as those of ``parts``."""
    return np.split(values, np.cumsum([len(part) for part in parts])[:-1])


def write_record(network: Cells, symbols: CellSymbols, tables: TableSet) -> bytes:
    """The record of ``symbols``; what they hold outside the coded weights and details must be zero."""
    values = _segment_values(network, symbols)
    # The reader's own walk gives the tables, so that writer and reader cannot disagree on the order.
    walk = segments(network, symbols.height, symbols.width)
    ids = [next(walk), *(walk.send(sent) for sent in values[:-1])]
    lanes = network.lanes(height=symbols.height, width=symbols.width)
    ends = np.cumsum([len(v) for v in values])
    flat_ids = (np.concatenate(ids) + network.first_table).astype(np.int32)
    return encode_record(np.concatenate(values).astype(np.int32), flat_ids, ends, tables, lanes=lanes)


def _segment_values(network: Cells, symbols: CellSymbols) -> list[_Values]:
    """The values of each segment, in the order of ``segments``."""
    nodes = {side: classes[classes >= 0] for side, classes in symbols.classes.items()}
    means = [symbols.roots.ravel()]
    for side, details in symbols.details.items():
        means.append(details[network.level(side).is_split(symbols.classes[side])].ravel())
    weights = []
    for side in CELL_SIDES:
        part = _coded_weights(network.level(side), symbols.classes[side])
        weights.append(symbols.weights[side][part.coded])
    return [
        np.array([symbols.scale], np.int32),
        np.concatenate([classes for side, classes in nodes.items() if side >= LARGEST_CELL]),
        *(nodes[side] for side in CELL_SIDES[1:]),
        np.concatenate(means),
        np.concatenate(weights),
    ]


def read_record(
    network: Cells, record: bytes | memoryview, tables: TableSet, *, height: int, width: int
) -> CellSymbols:
    """Decode the symbols of one record (compiled coder)."""
    decoder = RecordDecoder(record, tables, lanes=network.lanes(height=height, width=width))
    walk = segments(network, height, width)
    ids = next(walk)
    while True:
        try:
            ids = walk.send(decoder.decode((ids + network.first_table).astype(np.int32)))
        except StopIteration as done:
            decoder.finish()
            symbols: CellSymbols = done.value
            return symbols


def read_batch(network: Cells, decoder: SymbolDecoder, *, height: int, width: int) -> list[CellSymbols]:
    """Decode the symbols of all records of ``decoder``, of one native size, in step.

    A record with fewer symbols in a segment is padded with the null table, which takes no bits.
    """
    first = decoder.decode(np.array([network.scale_table + network.first_table]))
    walks = [segments(network, height, width) for _ in range(len(first))]
    for walk in walks:
        next(walk)
    sent: Sequence[NDArray[np.int32]] = list(_numpy(first))
    while True:
        ids: list[NDArray[np.int32]] = []
        done: list[CellSymbols] = []
        for walk, values in zip(walks, sent, strict=True):
            try:
                ids.append(walk.send(values))
            except StopIteration as stop:
                done.append(stop.value)
        if done:
            decoder.finish()
            return done
        padded = np.full((len(ids), max(len(i) for i in ids)), NULL_TABLE, np.int64)
        for row, i in zip(padded, ids, strict=True):
            row[: len(i)] = i
        decoded = _numpy(decoder.decode(padded + network.first_table))
        sent = [row[: len(i)] for row, i in zip(decoded, ids, strict=True)]


def _numpy(values: Any) -> NDArray[np.int32]:
    array = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return array.astype(np.int32)
