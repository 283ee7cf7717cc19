"""Geometry of the ``cells`` family: grids of nodes, the order of hidden units, the mean pyramid (spec section 6.2).

The plane is a forest of square nodes. Nodes of 64 px and more are always split in four, nodes of 32 and 16 px may be,
nodes of 8 px never are; what is not split is a *cell*. Grid ``s`` has ceil(height / s) x ceil(width / s) nodes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CELL_SIDES",
    "TOP_SIDE_MAX",
    "basis",
    "details",
    "grid",
    "merge",
    "predict",
    "top_side",
    "unit_groups",
    "unit_order",
]

CELL_SIDES = (32, 16, 8)
TOP_SIDE_MAX = 256


def grid(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of the nodes of ``side`` px."""
    return -(-height // side), -(-width // side)


def top_side(height: int, width: int) -> int:
    """Side in px of the largest nodes: a power of two, 32..256, that covers the image or is 256."""
    return min(max(1 << (max(height, width) - 1).bit_length(), CELL_SIDES[0]), TOP_SIDE_MAX)


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
def basis(side: int) -> NDArray[np.float64]:
    """Hidden units at pixel centres, along one axis: float64 ``(units, pixels)``, orthonormal."""
    return units_at((np.arange(side) + 0.5) / side, side)


def units_at(u: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Hidden units at cell coordinates ``u (n,)`` in [0, 1]: float64 ``(side, n)``."""
    values: NDArray[np.float64] = np.cos(math.pi * np.arange(side)[:, None] * u) * math.sqrt(2 / side)
    values[0] = math.sqrt(1 / side)
    return values


def details(children: Any) -> tuple[Any, Any]:
    """Split means ``(..., 2 rows, 2 columns)`` into the parents' means and ``(..., rows, columns, 3)`` details."""
    a, b = children[..., 0::2, 0::2], children[..., 0::2, 1::2]
    c, d = children[..., 1::2, 0::2], children[..., 1::2, 1::2]
    parts = np.stack([(a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2], axis=-1)
    return (a + b + c + d) / 2, parts


def merge(parents: Any, parts: Any) -> Any:
    """The inverse of ``details``; numpy or torch."""
    h, v, x = parts[..., 0], parts[..., 1], parts[..., 2]
    rows, columns = parents.shape[-2:]
    children = parents.repeat(2, -2).repeat(2, -1) if isinstance(parents, np.ndarray) else None
    if children is None:
        children = parents.repeat_interleave(2, -2).repeat_interleave(2, -1)
    children = children / 2
    for i, (sign_v, sign_h) in enumerate(((1, 1), (1, -1), (-1, 1), (-1, -1))):
        part = (sign_h * h + sign_v * v + sign_h * sign_v * x) / 2
        children[..., i // 2 : 2 * rows : 2, i % 2 : 2 * columns : 2] += part
    return children


def predict(parents: NDArray[Any]) -> NDArray[Any]:
    """Details expected from the neighbouring means ``(..., rows, columns)``: 1/8 of the difference, 0 diagonally."""
    pad = [(0, 0)] * (parents.ndim - 2)
    rows = np.pad(parents, [*pad, (1, 1), (0, 0)], mode="edge")
    columns = np.pad(parents, [*pad, (0, 0), (1, 1)], mode="edge")
    expected = np.zeros((*parents.shape, 3), parents.dtype)
    expected[..., 0] = (columns[..., :, :-2] - columns[..., :, 2:]) / 8
    expected[..., 1] = (rows[..., :-2, :] - rows[..., 2:, :]) / 8
    return expected
