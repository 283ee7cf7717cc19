"""Descriptors of ``cells`` as flat arrays, which compiled code reads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import TableSet
from inrformat.families.cells.cpu.vectors import LANES
from inrformat.families.cells.descriptor import NULL_TABLE, Cells
from inrformat.families.cells.nodes import unit_order

__all__ = ["FlatCells", "flatten"]

_SIDES = (64, 32, 16, 8)


class FlatCells(NamedTuple):
    """A `Cells` descriptor. Numbers of tables are those of the file; levels are 64 px and more, 32, 16 and 8 px.

    Flat, because taking an array out of a tuple costs compiled code more than the entry that it wants from it.

    Attributes:
        step: quantization step in 1/255 units. null_table, scale_table: tables of padding and of the step scale.
        class_tables: int32 ``(4,)``, table of the classes of each level.
        cell_classes, split_classes: int32 ``(4,)``, how many classes of each level are cells and how many split.
        first_cell_class, first_split_class: int32 ``(4,)``, of each level, counted through the classes of all levels.
        unit_starts: int32 ``(cell classes * C + 1,)``, where those of each class and channel start in the next two.
        low_bit_ends: int32 ``(cell classes * C,)``, weights of each class and channel up to the last with low bits.
        unit_tables, units: int32, table and hidden unit, b * side + a, of every weight but the mean; ``units`` has room
            behind it for reading a whole vector from any of them on.
        split_tables: int32 ``(split classes, 3 C)``, tables of details. root_tables: int32 ``(C,)``, of top means.
    """

    channels: int
    step: float
    null_table: np.int32
    scale_table: np.int32
    class_tables: NDArray[np.int32]
    cell_classes: NDArray[np.int32]
    split_classes: NDArray[np.int32]
    first_cell_class: NDArray[np.int32]
    first_split_class: NDArray[np.int32]
    unit_starts: NDArray[np.int32]
    low_bit_ends: NDArray[np.int32]
    unit_tables: NDArray[np.int32]
    units: NDArray[np.int32]
    split_tables: NDArray[np.int32]
    root_tables: NDArray[np.int32]


def flatten(network: Cells, tables: TableSet) -> FlatCells:
    """See ``CpuBackend.flatten``."""
    first, channels = network.first_table, network.channels
    levels = [network.level(side) for side in _SIDES]
    coded, unit_tables, units = [], [], []
    for level in levels[1:]:
        order = unit_order(level.side)
        for counts, known in zip(level.kept, level.unit_tables(), strict=True):
            for count, table in zip(counts, known, strict=True):
                coded.append(count - 1)
                unit_tables.append(table[1:count])
                units.append(order[1:count])
    cell_classes, split_classes = [len(level.kept) for level in levels], [len(level.split_tables) for level in levels]

    def absolute(tables: Any) -> NDArray[np.int32]:
        return np.ascontiguousarray(tables, np.int32) + np.int32(first)

    known_tables, starts = absolute(_joined(unit_tables)), _starts(coded)
    low_bits = tables.low_bits[known_tables]
    low_bit_ends = [np.flatnonzero(low_bits[a:b])[-1:] + 1 for a, b in pairwise(starts.tolist())]
    return FlatCells(
        channels=channels,
        step=network.step,
        null_table=np.int32(first + NULL_TABLE),
        scale_table=np.int32(first + network.scale_table),
        class_tables=absolute([level.class_table for level in levels]),
        cell_classes=np.array(cell_classes, np.int32),
        split_classes=np.array(split_classes, np.int32),
        first_cell_class=_starts(cell_classes)[:-1],
        first_split_class=_starts(split_classes)[:-1],
        unit_starts=starts,
        low_bit_ends=np.array([ends.sum() for ends in low_bit_ends], np.int32),
        unit_tables=known_tables,
        units=_joined([*units, np.zeros(LANES, np.int32)]),
        split_tables=absolute(np.concatenate([level.split_tables.reshape(-1, 3 * channels) for level in levels])),
        root_tables=absolute(network.root_tables),
    )


def _starts(counts: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _joined(lists: list[Any]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, np.int32), *lists]).astype(np.int32)
