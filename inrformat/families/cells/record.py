"""The record of a ``cells`` image: which symbols it holds, in which order (spec section 6.2.4).

Classes lead, in three segments: of nodes of 32 px and more, greatest first; of 16 px nodes; of 8 px nodes, these four
by four as their parents come. The body is the step scale, means of top nodes, details, weights; nodes go in raster
order of their grid, then by channel. No table depends on what the body holds, so all of it can be decoded at once.
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

__all__ = [
    "SCALE_LIMIT",
    "CellSymbols",
    "CodedSymbols",
    "children",
    "coded_symbols",
    "read_batch",
    "read_record",
    "write_record",
]

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


class Nodes(NamedTuple):
    """Places in a grid in the order of a record: int64 ``(n,)`` each, and which are inside the image's grid."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    inside: NDArray[np.bool_]


def children(split: NDArray[np.bool_], shape: tuple[int, int]) -> Nodes:
    """The four children of each node that is ``split``, in a grid of ``shape``."""
    rows, columns = np.nonzero(split)
    rows = (2 * rows[:, None] + np.array([0, 0, 1, 1])).ravel()
    columns = (2 * columns[:, None] + np.array([0, 1, 0, 1])).ravel()
    return Nodes(rows, columns, (rows < shape[0]) & (columns < shape[1]))


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


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Tables of the symbols of a record's last segment: int32 ``(n,)``, numbered from the descriptor's first one."""

    tables: NDArray[np.int32]


def segments(network: Cells, height: int, width: int) -> Generator[_Values | Body, _Values, CellSymbols]:
    """Walks through a record, segment by segment.

    Yields the table of each symbol of a leading segment, numbered from the descriptor's first table; at last `Body`.
    Has to be sent the values of these symbols, of equal shape: which symbols the next segment has depends on them.
    Returns the whole record.

    Raises:
        InvalidFileError: CELLS-SCALE or CELLS-CLASS does not hold for the values that were sent.
    """
    sides = node_sides(height, width)
    classes = yield from _large_classes(network, {s: grid(height, width, s) for s in sides if s >= LARGEST_CELL})
    for side in CELL_SIDES[1:]:
        classes[side] = yield from _small_classes(network, classes[2 * side], side, grid(height, width, side))
    scale_tables = np.array([network.scale_table], np.int32)
    mean_tables = _mean_tables(network, classes, grid(height, width, sides[0]))
    parts = [_coded_weights(network.level(side), classes[side]) for side in CELL_SIDES]
    tables = [scale_tables, *mean_tables, *(part.tables for part in parts)]
    (scale,), *values = _divided((yield Body(np.concatenate(tables))), tables)
    if abs(scale) > SCALE_LIMIT:
        raise InvalidFileError(
            "CELLS-SCALE", f"cells record: step scale {scale} is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"
        )
    means = _means(network, classes, grid(height, width, sides[0]), values[: len(mean_tables)])
    weights = _weights(parts, values[len(mean_tables) :])
    return CellSymbols(height, width, int(scale), classes, means.roots, means.details, weights)


def _checked(network: Cells, values: _Values, side: int) -> _Values:
    if len(values) and not 0 <= values.min() <= values.max() < network.level(side).class_count:
        raise InvalidFileError("CELLS-CLASS", f"cells record: a node of {side} px has a class that does not exist")
    return values


def _large_classes(
    network: Cells, shapes: dict[int, tuple[int, int]]
) -> Generator[_Values, _Values, dict[int, _Values]]:
    """Classes of the nodes of the sides of ``shapes``, all of which exist."""
    tables = [
        np.full(rows * columns, network.level(side).class_table, np.int32) for side, (rows, columns) in shapes.items()
    ]
    values = _divided((yield np.concatenate(tables)), tables)
    return {
        side: _checked(network, chosen, side).reshape(shape)
        for (side, shape), chosen in zip(shapes.items(), values, strict=True)
    }


def _small_classes(
    network: Cells, parents: _Values, side: int, shape: tuple[int, int]
) -> Generator[_Values, _Values, _Values]:
    """Classes of the nodes of ``side`` that exist, the children of those of ``parents`` that split; -1 elsewhere."""
    nodes = children(network.level(2 * side).is_split(parents), shape)
    values = yield np.where(nodes.inside, network.level(side).class_table, NULL_TABLE).astype(np.int32)
    classes = np.full(shape, -1, np.int32)
    classes[nodes.rows[nodes.inside], nodes.columns[nodes.inside]] = _checked(network, values[nodes.inside], side)
    return classes


class _Means(NamedTuple):
    """``roots`` and ``details`` of ``CellSymbols``."""

    roots: _Values
    details: dict[int, _Values]


def _split_nodes(network: Cells, classes: dict[int, _Values]) -> dict[int, NDArray[np.bool_]]:
    """Which nodes have details, by side, greatest first."""
    return {s: network.level(s).is_split(c) for s, c in classes.items() if s > FINEST_SIDE}


def _mean_tables(network: Cells, classes: dict[int, _Values], top: tuple[int, int]) -> list[_Values]:
    """Tables of the means of top nodes, then of the details of each side's nodes."""
    tables = [np.tile(np.array(network.root_tables, np.int32), top[0] * top[1])]
    split = _split_nodes(network, classes)
    return tables + [_detail_tables(network.level(s), classes[s][mask]).ravel() for s, mask in split.items()]


def _means(network: Cells, classes: dict[int, _Values], top: tuple[int, int], values: Sequence[_Values]) -> _Means:
    """``values`` of the symbols of ``_mean_tables``, where they belong."""
    roots, *known = values
    details = {}
    for (side, mask), chosen in zip(_split_nodes(network, classes).items(), known, strict=True):
        details[side] = np.zeros((*mask.shape, network.channels, 3), np.int32)
        details[side][mask] = chosen.reshape(-1, network.channels, 3)
    return _Means(roots.reshape(*top, network.channels), details)


def _weights(parts: Sequence[_CodedWeights], values: Sequence[_Values]) -> dict[int, _Values]:
    weights = {}
    for side, part, chosen in zip(CELL_SIDES, parts, values, strict=True):
        weights[side] = np.zeros(part.coded.shape, np.int32)
        weights[side][part.coded] = chosen
    return weights


def _divided(values: _Values, parts: Sequence[_Values]) -> list[_Values]:
    """``values`` in pieces as long as those of ``parts``."""
    return np.split(values, np.cumsum([len(part) for part in parts])[:-1])


class CodedSymbols(NamedTuple):
    """A record as it is coded: ``values`` and ``tables`` int32 ``(n,)`` of all segments, ``ends`` where each ends."""

    values: _Values
    tables: _Values
    ends: NDArray[np.int64]


def coded_symbols(network: Cells, symbols: CellSymbols) -> CodedSymbols:
    """``symbols`` in the order of a record; what they hold outside the coded weights and details must be zero."""
    # The reader's own walk gives the tables, so that writer and reader cannot disagree on the order.
    walk = segments(network, symbols.height, symbols.width)
    ids, values = [next(walk)], _segment_values(network, symbols)
    ids += [walk.send(sent) for sent in values[:-1]]
    known = [part.tables if isinstance(part, Body) else part for part in ids]
    return CodedSymbols(
        values=np.concatenate(values).astype(np.int32),
        tables=(np.concatenate(known) + network.first_table).astype(np.int32),
        ends=np.cumsum([len(v) for v in values]),
    )


def write_record(network: Cells, symbols: CellSymbols, tables: TableSet) -> bytes:
    """The record of ``symbols``, see ``coded_symbols``."""
    coded, lanes = coded_symbols(network, symbols), network.lanes(height=symbols.height, width=symbols.width)
    return encode_record(coded.values, coded.tables, coded.ends, tables, lanes=lanes)


def _segment_values(network: Cells, symbols: CellSymbols) -> list[_Values]:
    """The values of each segment, in the order of ``segments``."""
    classes = symbols.classes
    leading = [np.concatenate([values.ravel() for side, values in classes.items() if side >= LARGEST_CELL])]
    for side in CELL_SIDES[1:]:
        shape = classes[side].shape
        nodes = children(network.level(2 * side).is_split(classes[2 * side]), (shape[0], shape[1]))
        known = np.pad(classes[side], ((0, 1), (0, 1)))[nodes.rows, nodes.columns]
        leading.append(np.where(nodes.inside, known, 0).astype(np.int32))
    body = [np.array([symbols.scale], np.int32), symbols.roots.ravel()]
    for side, details in symbols.details.items():
        body.append(details[network.level(side).is_split(classes[side])].ravel())
    for side in CELL_SIDES:
        body.append(symbols.weights[side][_coded_weights(network.level(side), classes[side]).coded])
    return [*leading, np.concatenate(body)]


def read_record(
    network: Cells, record: bytes | memoryview, tables: TableSet, *, height: int, width: int
) -> CellSymbols:
    """Decode the symbols of one record (compiled coder)."""
    decoder = RecordDecoder(record, tables, lanes=network.lanes(height=height, width=width))
    walk = segments(network, height, width)
    asked = next(walk)
    while not isinstance(asked, Body):
        asked = walk.send(decoder.decode((asked + network.first_table).astype(np.int32)))
    return _returned(walk, decoder.decode_body((asked.tables + network.first_table).astype(np.int32)))


def read_batch(network: Cells, decoder: SymbolDecoder, *, height: int, width: int) -> list[CellSymbols]:
    """Decode the symbols of all records of ``decoder``, of one native size, in step.

    A record with fewer symbols in a segment is padded with the null table, which takes no bits.
    """
    walks = [segments(network, height, width) for _ in range(len(decoder))]
    asked = [next(walk) for walk in walks]
    while True:
        bodies = [one.tables for one in asked if isinstance(one, Body)]
        ids = bodies or [one for one in asked if not isinstance(one, Body)]
        counts = np.array([len(i) for i in ids])
        padded = np.full((len(ids), max(counts)), NULL_TABLE, np.int64)
        for row, i in zip(padded, ids, strict=True):
            row[: len(i)] = i
        padded += network.first_table
        decoded = _numpy(decoder.decode_body(padded, counts) if bodies else decoder.decode(padded))
        sent = [row[:n] for row, n in zip(decoded, counts, strict=True)]
        if bodies:
            return [_returned(walk, values) for walk, values in zip(walks, sent, strict=True)]
        asked = [walk.send(values) for walk, values in zip(walks, sent, strict=True)]


def _returned(walk: Generator[Any, _Values, CellSymbols], values: _Values) -> CellSymbols:
    """What a walk returns that is sent the values of its body."""
    try:
        walk.send(values)
    except StopIteration as done:
        symbols: CellSymbols = done.value
        return symbols
    raise RuntimeError("a body is the last segment of a record")


def _numpy(values: Any) -> NDArray[np.int32]:
    array = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return array.astype(np.int32)
