"""Grids of the nodes of one image (spec section 6.2.2), compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.nodes import TOP_SIDE_MAX
from inrformat.jit import relaxed_part

__all__ = ["NodeGrids", "node_grids"]


class NodeGrids(NamedTuple):
    """Grids, greatest side first; the last three are those of 32, 16 and 8 px. Nodes are numbered through all grids.

    Attributes:
        rows, columns: int64 ``(grids,)``, nodes. levels: int64 ``(grids,)``, as `FlatCells` counts them.
        first: int64 ``(grids + 1,)``, number of each grid's first node; at the end the number of all nodes.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    levels: NDArray[np.int64]
    first: NDArray[np.int64]


@relaxed_part
def node_grids(height: int, width: int) -> NodeGrids:
    """Those of an image of that native size."""
    side, count = 32, 3
    while side < max(height, width) and side < TOP_SIDE_MAX:
        side, count = 2 * side, count + 1
    rows, columns, levels = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    first = np.zeros(count + 1, np.int64)
    for i in range(count):
        rows[i], columns[i] = (height + side - 1) // side, (width + side - 1) // side
        levels[i] = max(i + 4 - count, 0)
        first[i + 1] = first[i] + rows[i] * columns[i]
        side //= 2
    return NodeGrids(rows, columns, levels, first)
