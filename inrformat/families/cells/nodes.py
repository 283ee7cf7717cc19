"""Geometry of the ``cells`` family: grids of nodes, the order of hidden units, the pyramid of means (section 6.2).

The plane is a forest of square *nodes*. Nodes of 64 px and more are always split in four, nodes of 32 and 16 px may be,
nodes of 8 px never are; what is not split is a *cell*. The grid of nodes of s px has ceil(height / s) rows and
ceil(width / s) columns.

Every node has a mean, in units of an orthonormal constant function: twice the mean colour for twice the side. The means
of four children become the mean of their parent and three *details*, and back (the Haar transform).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CELL_SIDES",
    "FINEST_SIDE",
    "LARGEST_CELL",
    "TOP_SIDE_MAX",
    "MeansAndDetails",
    "basis",
    "grid",
    "group_starts",
    "merge_children",
    "node_sides",
    "predicted_details",
    "split_parents",
    "top_side",
    "unit_groups",
    "unit_order",
]

CELL_SIDES = (32, 16, 8)
LARGEST_CELL, FINEST_SIDE = CELL_SIDES[0], CELL_SIDES[-1]
TOP_SIDE_MAX = 256


def grid(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of the nodes of ``side`` px."""
    return -(-height // side), -(-width // side)


def top_side(height: int, width: int) -> int:
    """Side in px of the largest nodes: a power of two, 32..256, that covers the image or is 256."""
    return min(max(1 << (max(height, width) - 1).bit_length(), LARGEST_CELL), TOP_SIDE_MAX)


def node_sides(height: int, width: int) -> list[int]:
    """Sides in px of all grids of an image, greatest first: powers of two from ``top_side`` down to 8."""
    top = top_side(height, width)
    return [top >> halvings for halvings in range(top.bit_length() - FINEST_SIDE.bit_length() + 1)]


@cache
def unit_order(side: int) -> NDArray[np.int64]:
    """Hidden units of a cell from low to high frequency: int64 ``(side**2,)`` of b * side + a, b vertical.

    Ordered by a + b, then by the greater of the two, then by b; unit 0 is the mean.
    """
    units = ((b + a, max(b, a), b, a) for b in range(side) for a in range(side))
    return np.array([b * side + a for _, _, b, a in sorted(units)])


@cache
def unit_groups(side: int) -> NDArray[np.int64]:
    """Group of each hidden unit, in ``unit_order``: units of a group share a symbol table; the mean's is -1."""
    bounds = [1, 2, 3, 4, 6, 8, 12, 16, 24]
    of = np.searchsorted(bounds, np.arange(side), side="right")
    b, a = np.divmod(unit_order(side), side)
    pairs = of[b] * (of[-1] + 1) + of[a]
    numbers = {p: n - 1 for n, p in enumerate(dict.fromkeys(pairs.tolist()))}
    return np.array([numbers[p] for p in pairs.tolist()])


@cache
def group_starts(side: int) -> NDArray[np.int64]:
    """First hidden unit of each group, in ``unit_order``: int64 ``(groups,)``; none for a side without cells."""
    if side not in CELL_SIDES:
        return np.zeros(0, np.int64)
    groups = unit_groups(side)
    return np.array([int(np.argmax(groups == g)) for g in range(int(groups.max()) + 1)])


@cache
def basis(side: int) -> NDArray[np.float64]:
    """Hidden units at pixel centres, along one axis: float64 ``(units, pixels)``, orthonormal rows.

    Unit ``a`` is the cosine ``sqrt(2 / side) cos(pi a u)``, unit 0 the constant ``sqrt(1 / side)`` (section 6.2.1).
    """
    u = (np.arange(side) + 0.5) / side
    values: NDArray[np.float64] = np.cos(math.pi * np.arange(side)[:, None] * u) * math.sqrt(2 / side)
    values[0] = math.sqrt(1 / side)
    return values


class MeansAndDetails(NamedTuple):
    """Means of parents ``(..., rows, columns)``, and what tells their children apart: ``(..., rows, columns, 3)``."""

    means: NDArray[Any]
    details: NDArray[Any]


def merge_children(children: NDArray[Any]) -> MeansAndDetails:
    """From the means of children ``(..., 2 rows, 2 columns)`` those of their parents, and the details lost by it."""
    a, b = children[..., 0::2, 0::2], children[..., 0::2, 1::2]
    c, d = children[..., 1::2, 0::2], children[..., 1::2, 1::2]
    details = np.stack([(a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2], axis=-1)
    return MeansAndDetails((a + b + c + d) / 2, details)


def split_parents(parents: NDArray[Any], details: NDArray[Any]) -> NDArray[Any]:
    """The inverse of ``merge_children``: means of children ``(..., 2 rows, 2 columns)``."""
    horizontal, vertical, diagonal = details[..., 0], details[..., 1], details[..., 2]
    children: NDArray[Any] = parents.repeat(2, -2).repeat(2, -1) / 2
    for row, sign_v in ((0, 1), (1, -1)):
        for column, sign_h in ((0, 1), (1, -1)):
            part = (sign_h * horizontal + sign_v * vertical + sign_h * sign_v * diagonal) / 2
            children[..., row::2, column::2] += part
    return children


def predicted_details(parents: NDArray[Any]) -> NDArray[Any]:
    """Details to be expected from the neighbouring means ``(..., rows, columns)``: ``(..., rows, columns, 3)``.

    An eighth of the difference between the neighbours on either side; 0 for the diagonal one.
    """
    expected = np.zeros((*parents.shape, 3), parents.dtype)
    for direction, axis in enumerate((-1, -2)):
        places = np.arange(parents.shape[axis])
        before = parents.take(np.maximum(places - 1, 0), axis)
        after = parents.take(np.minimum(places + 1, places[-1]), axis)
        expected[..., direction] = (before - after) / 8
    return expected
