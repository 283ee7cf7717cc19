"""The record of a ``cells`` image: which symbols it holds, in which order (spec section 6.2.4).

Segments, each decoded in full before the next: the step scale; classes of nodes of 32 px and more, greatest first;
classes of 16 px nodes; of 8 px nodes; means and details; weights. Nodes go in raster order of their grid, then by
channel. No table depends on a mean or a weight, so all of a segment's symbols can be decoded at once.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans_numba import RecordDecoder, encode_record
from inrformat.coding.tables import TableSet
from inrformat.errors import InvalidFileError
from inrformat.families.cells.descriptor import NULL_TABLE, Cells, Level
from inrformat.families.cells.nodes import CELL_SIDES, grid, top_side
from inrformat.families.family import SymbolDecoder

__all__ = ["SCALE_LIMIT", "CellSymbols", "expand_split", "read_batch", "read_record", "write_record"]

SCALE_LIMIT = 32


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


def sides_of(height: int, width: int) -> list[int]:
    """Sides of all levels of an image, greatest first."""
    top = top_side(height, width)
    return [top >> i for i in range(top.bit_length() - 3)]


def expand_split(
    network: Cells, classes: dict[int, NDArray[np.int32]], side: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which nodes of ``side`` exist, from the classes of their parents: bool ``shape``."""
    if side >= CELL_SIDES[0]:
        return np.ones(shape, bool)
    parents = classes[2 * side] >= len(network.level(2 * side).kept)
    return parents.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]]


def weight_tables(level: Level, classes: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Of cells of ``classes (n,)``: which weights are coded, bool ``(n, C, units)``, and their tables, in order."""
    units = np.arange(level.side**2)
    coded = (units > 0) & (units < level.kept[..., None])
    mask = coded[classes]
    return mask, level.unit_tables()[classes][mask]


def detail_tables(level: Level, classes: NDArray[Any]) -> NDArray[np.int32]:
    """Tables of the details of split nodes with ``classes`` (splits counted from the level's K): ``(n, C, 3)``."""
    tables: NDArray[np.int32] = level.split_tables[classes - len(level.kept)].astype(np.int32)
    return tables


def segments(network: Cells, height: int, width: int) -> Generator[NDArray[np.int32], NDArray[np.int32], CellSymbols]:
    """Yields the relative table numbers of each segment, is sent its values, and returns the record's symbols."""
    sides = sides_of(height, width)
    scale = int((yield np.array([network.scale_table], np.int32))[0])
    if abs(scale) > SCALE_LIMIT:
        raise InvalidFileError(
            "CELLS-SCALE", f"cells record: step scale {scale} is not in -{SCALE_LIMIT}..{SCALE_LIMIT}"
        )
    classes: dict[int, NDArray[np.int32]] = {}
    for group in ([s for s in sides if s >= CELL_SIDES[0]], [CELL_SIDES[1]], [CELL_SIDES[2]]):
        masks = {s: expand_split(network, classes, s, grid(height, width, s)) for s in group}
        tables = [np.full(int(m.sum()), network.level(s).class_table, np.int32) for s, m in masks.items()]
        values = np.split((yield np.concatenate(tables)), np.cumsum([len(t) for t in tables])[:-1])
        for (s, mask), chosen in zip(masks.items(), values, strict=True):
            level = network.level(s)
            if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(level.kept) + len(level.split_tables):
                raise InvalidFileError("CELLS-CLASS", f"cells record: a node of {s} px has a class that does not exist")
            classes[s] = np.full(mask.shape, -1, np.int32)
            classes[s][mask] = chosen
    top = grid(height, width, sides[0])
    roots, details = yield from _means(network, classes, top)
    weights = yield from _weights(network, classes)
    return CellSymbols(height, width, scale, classes, roots, details, weights)


def _means(
    network: Cells, classes: dict[int, NDArray[np.int32]], top: tuple[int, int]
) -> Generator[NDArray[np.int32], NDArray[np.int32], tuple[NDArray[np.int32], dict[int, NDArray[np.int32]]]]:
    parts = [np.tile(np.array(network.root_tables, np.int32), top[0] * top[1])]
    split = {s: c >= len(network.level(s).kept) for s, c in classes.items() if s > CELL_SIDES[-1]}
    parts += [detail_tables(network.level(s), classes[s][m]).ravel() for s, m in split.items()]
    values = np.split((yield np.concatenate(parts)), np.cumsum([len(p) for p in parts])[:-1])
    details = {}
    for (s, mask), chosen in zip(split.items(), values[1:], strict=True):
        details[s] = np.zeros((*mask.shape, network.channels, 3), np.int32)
        details[s][mask] = chosen.reshape(-1, network.channels, 3)
    return values[0].reshape(*top, network.channels), details


def _weights(
    network: Cells, classes: dict[int, NDArray[np.int32]]
) -> Generator[NDArray[np.int32], NDArray[np.int32], dict[int, NDArray[np.int32]]]:
    masks, parts = [], []
    for s in CELL_SIDES:
        level, c = network.level(s), classes[s]
        mask, tables = weight_tables(level, c[(c >= 0) & (c < len(level.kept))])
        masks.append(mask)
        parts.append(tables)
    values = np.split((yield np.concatenate(parts)), np.cumsum([len(p) for p in parts])[:-1])
    weights = {}
    for s, mask, chosen in zip(CELL_SIDES, masks, values, strict=True):
        weights[s] = np.zeros(mask.shape, np.int32)
        weights[s][mask] = chosen
    return weights


def write_record(network: Cells, symbols: CellSymbols, tables: TableSet) -> bytes:
    """The record of ``symbols``; what they hold outside the coded weights and details must be zero."""
    values = [np.array([symbols.scale], np.int32)]
    present = {s: c[c >= 0] for s, c in symbols.classes.items()}
    large = [c for s, c in present.items() if s >= CELL_SIDES[0]]
    values += [np.concatenate(large), present[CELL_SIDES[1]], present[CELL_SIDES[2]]]
    means = [symbols.roots.ravel()]
    for s, d in symbols.details.items():
        means.append(d[symbols.classes[s] >= len(network.level(s).kept)].ravel())
    values.append(np.concatenate(means))
    values.append(np.zeros(0, np.int32))
    # The reader's own walk gives the tables, so that writer and reader cannot disagree on the order.
    walk = segments(network, symbols.height, symbols.width)
    ids = [next(walk)]
    for sent in values[:-1]:
        ids.append(walk.send(sent))
    coded = []
    for s in CELL_SIDES:
        level, c = network.level(s), symbols.classes[s]
        mask, _ = weight_tables(level, c[(c >= 0) & (c < len(level.kept))])
        coded.append(symbols.weights[s][mask])
    values[-1] = np.concatenate(coded)
    lanes = network.lanes(height=symbols.height, width=symbols.width)
    ends = np.cumsum([len(v) for v in values])
    flat_ids = (np.concatenate(ids) + network.first_table).astype(np.int32)
    return encode_record(np.concatenate(values).astype(np.int32), flat_ids, ends, tables, lanes=lanes)


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
