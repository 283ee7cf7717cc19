"""What compiled code reads of a file's codebook: flat arrays for every network, made once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.networks.cells import Cells
from inrformat.networks.cells_layout import CELL_SIDES, unit_order

__all__ = ["CellNetwork", "cell_network"]

_SPLIT_SIDES = (64, 32, 16)
_UNITS = tuple(unit_order(side).astype(np.int32) for side in CELL_SIDES)


class CellNetwork(NamedTuple):
    """A `Cells` descriptor. Table numbers count from the codebook's first table; levels are 32, 16, 8 px.

    Attributes:
        kept: for each level, int32 ``(K, C)``. unit_tables: for each level, int32 ``(K, C, side**2)``.
        units: for each level, int32 ``(side**2,)``, b * side + a in unit order.
        class_tables: int32 ``(4,)``, of the levels and of the nodes above. splits: int32 ``(4,)``, their split classes.
        split_tables: int32 ``(S, C, 3)`` of nodes of 64 px and more, 32 px, 16 px.
        root_tables: int32 ``(C,)``. colour: float32 ``(C, C)``.
    """

    channels: int
    step: float
    scale_table: int
    kept: tuple[NDArray[np.int32], ...]
    unit_tables: tuple[NDArray[np.int32], ...]
    units: tuple[NDArray[np.int32], ...]
    class_tables: NDArray[np.int32]
    splits: NDArray[np.int32]
    split_tables: tuple[NDArray[np.int32], ...]
    root_tables: NDArray[np.int32]
    colour: NDArray[np.float32]


def cell_network(network: Cells) -> CellNetwork:
    """One descriptor."""
    first, channels = network.first_table, network.channels
    levels = [network.level(side) for side in CELL_SIDES]
    above = network.level(_SPLIT_SIDES[0])

    def absolute(tables: Any) -> NDArray[np.int32]:
        return np.ascontiguousarray(tables, np.int32) + np.int32(first)

    return CellNetwork(
        channels=channels,
        step=network.step,
        scale_table=network.scale_table + first,
        kept=tuple(level.kept.reshape(-1, channels) for level in levels),
        unit_tables=tuple(absolute(level.unit_tables()) for level in levels),
        units=_UNITS,
        class_tables=absolute([*(level.class_table for level in levels), above.class_table]),
        splits=np.array([*(len(level.split_tables) for level in levels), len(above.split_tables)], np.int32),
        split_tables=tuple(absolute(network.level(side).split_tables) for side in _SPLIT_SIDES),
        root_tables=absolute(network.root_tables),
        colour=network.colour,
    )
