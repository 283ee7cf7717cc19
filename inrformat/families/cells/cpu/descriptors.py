"""What compiled code reads of a file's codebook: flat arrays for every network, made once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.cpu.vectors import LANES
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.nodes import unit_order

__all__ = ["CellNetwork", "cell_network"]

_SIDES = (64, 32, 16, 8)


class CellNetwork(NamedTuple):
    """A `Cells` descriptor. Table numbers count from the codebook's first table; levels are 64 px and more, 32, 16, 8.

    Flat, because taking an array out of a tuple costs compiled code more than the entry that it wants from it.

    Attributes:
        cells: int32 ``(4,)``, classes of each level that are cells. first_cell: int32 ``(4,)``, of all levels' classes
            one after the other, the level's first.
        lists: int32 ``(classes * C + 1,)``, where the coded weights of each class and channel start in
        tables, units: int32, symbol table and hidden unit, b * side + a, of every weight behind the mean; ``units`` is
            padded, to be read in whole vectors.
        class_tables: int32 ``(4,)``. splits: int32 ``(4,)``, classes of each level that split. first_split: int32
            ``(4,)``, as ``first_cell``. split_tables: int32 ``(S, 3 C)``, of every class that splits.
        root_tables: int32 ``(C,)``. colour: float32 ``(C, C)``.
    """

    channels: int
    step: float
    scale_table: int
    cells: NDArray[np.int32]
    first_cell: NDArray[np.int32]
    lists: NDArray[np.int32]
    tables: NDArray[np.int32]
    units: NDArray[np.int32]
    class_tables: NDArray[np.int32]
    splits: NDArray[np.int32]
    first_split: NDArray[np.int32]
    split_tables: NDArray[np.int32]
    root_tables: NDArray[np.int32]
    colour: NDArray[np.float32]


def cell_network(network: Cells) -> CellNetwork:
    """One descriptor."""
    first, channels = network.first_table, network.channels
    levels = [network.level(side) for side in _SIDES]
    kept, tables, units = [], [], []
    for level in levels[1:]:
        order = unit_order(level.side)
        for counts, known in zip(level.kept, level.unit_tables(), strict=True):
            for count, table in zip(counts, known, strict=True):
                kept.append(count - 1)
                tables.append(table[1:count])
                units.append(order[1:count])
    cells, splits = [len(level.kept) for level in levels], [len(level.split_tables) for level in levels]

    def absolute(tables: Any) -> NDArray[np.int32]:
        return np.ascontiguousarray(tables, np.int32) + np.int32(first)

    return CellNetwork(
        channels=channels,
        step=network.step,
        scale_table=network.scale_table + first,
        cells=np.array(cells, np.int32),
        first_cell=_starts(cells)[:-1],
        lists=_starts(kept),
        tables=absolute(_joined(tables)),
        units=_joined([*units, np.zeros(LANES, np.int32)]),
        class_tables=absolute([level.class_table for level in levels]),
        splits=np.array(splits, np.int32),
        first_split=_starts(splits)[:-1],
        split_tables=absolute(np.concatenate([level.split_tables.reshape(-1, 3 * channels) for level in levels])),
        root_tables=absolute(network.root_tables),
        colour=network.colour,
    )


def _starts(counts: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _joined(lists: list[Any]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, np.int32), *lists]).astype(np.int32)
