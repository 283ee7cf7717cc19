"""Pixels to the weights of every possible cell, and back at pixel centres. Compiled; the closed-form fit of the family.

Hidden units are orthonormal at pixel centres, so the least-squares weights are inner products (spec section 6.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.nodes import CELL_SIDES, basis, details, grid, predict, unit_order
from inrformat.families.cells.record import sides_of
from inrformat.families.cells.reference import OFFSET

__all__ = ["Fit", "fit", "inverse", "pyramid"]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """An image as least-squares weights, unquantized, in units of 1/255.

    Attributes:
        height, width: in pixels.
        weights: by side, float32 ``(rows * columns, C, side**2)`` in ``unit_order``, for every node that may be a cell.
        means: by side, float64 ``(C, rows', columns')``; rows' and columns' may exceed the grid's (edge padding).
        details: by side above 8, float64 ``(C, rows, columns, 3)``.
        residuals: by side above 8, float32 ``(rows * columns, C, 4)``: 0, then the details less their prediction from
            unquantized means. What rate-distortion decisions go by.
    """

    height: int
    width: int
    weights: dict[int, NDArray[np.float32]]
    means: dict[int, NDArray[np.float64]]
    details: dict[int, NDArray[np.float64]]
    residuals: dict[int, NDArray[np.float32]]


def fit(image: NDArray[np.uint8], colour: NDArray[np.float32]) -> Fit:
    """Fit every cell of an image uint8 ``(H, W, C)``; the image is continued beyond its edges by its last pixels."""
    height, width = image.shape[:2]
    largest = CELL_SIDES[0]
    padded = np.pad(image, ((0, -height % largest), (0, -width % largest), (0, 0)), mode="edge")
    mixed = (padded.astype(np.float32) - np.float32(OFFSET)) @ colour.T
    planes: NDArray[np.float32] = np.ascontiguousarray(np.moveaxis(mixed, 2, 0), np.float32)
    weights = {}
    for s in CELL_SIDES:
        rows, columns = grid(height, width, s)
        weights[s] = _forward(planes, s, rows, columns)
    c, h, w = planes.shape
    means = planes.reshape(c, h // 8, 8, w // 8, 8).sum((2, 4), dtype=np.float64) / 8
    return Fit(height, width, weights, *pyramid(means, height, width))


def pyramid(
    level: NDArray[np.float64], height: int, width: int
) -> tuple[dict[int, NDArray[np.float64]], dict[int, NDArray[np.float64]], dict[int, NDArray[np.float32]]]:
    """Means, details and residuals of a ``Fit`` from the means of its 8 px grid, float64 ``(C, rows, columns)``."""
    means, parts, residuals = {8: level}, {}, {}
    for s in reversed(sides_of(height, width)[:-1]):
        level = np.pad(level, ((0, 0), (0, level.shape[1] % 2), (0, level.shape[2] % 2)), mode="edge")
        level, detail = details(level)
        rows, columns = grid(height, width, s)
        means[s], parts[s] = level, detail[:, :rows, :columns]
        residual = np.moveaxis((detail - predict(level))[:, :rows, :columns], 0, 2)
        residuals[s] = np.zeros((rows * columns, len(level), 4), np.float32)
        residuals[s][..., 1:] = residual.reshape(-1, len(level), 3)
    return means, parts, residuals


def _forward(planes: NDArray[np.float32], side: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Weights of the nodes of one side: float32 ``(rows * columns, C, side**2)``; two matrix products an image."""
    channels, height, width = planes.shape
    units = basis(side).astype(np.float32)
    down = units @ planes.reshape(channels, height // side, side, width)
    both = down.reshape(-1, side) @ units.T
    out = np.empty((rows * columns, channels, side * side), np.float32)
    _reorder(both.reshape(channels, height // side, side, width // side, side), unit_order(side), columns, out)
    return out


@numba.njit(cache=True, nogil=True)
def _reorder(blocks: Any, order: Any, columns: int, out: Any) -> None:
    side = blocks.shape[4]
    for n in range(len(out)):
        row, column = n // columns, n % columns
        for c in range(out.shape[1]):
            for p in range(side * side):
                out[n, c, p] = blocks[c, row, order[p] // side, column, order[p] % side]


def inverse(
    weights: NDArray[np.float32], cells: NDArray[np.int64], side: int, *, columns: int, planes: NDArray[np.float32]
) -> None:
    """Evaluate cells at their pixel centres into ``planes (C, padded height, padded width)``.

    Args:
        weights: float32 ``(n, C, side**2)`` in ``unit_order``. cells: their numbers in a grid of ``columns`` columns.
    """
    _inverse(weights, cells, basis(side).astype(np.float32), unit_order(side), columns, planes)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _inverse(weights: Any, cells: Any, units: Any, order: Any, columns: int, planes: Any) -> None:  # noqa: PLR0917
    side = len(units)
    half = np.empty((side, side), np.float32)
    for n in range(len(cells)):
        top, left = cells[n] // columns * side, cells[n] % columns * side
        for c in range(weights.shape[1]):
            half[:] = 0
            for p in range(side * side):
                w = weights[n, c, p]
                if w != 0:
                    b, a = order[p] // side, order[p] % side
                    for j in range(side):
                        half[b, j] += w * units[a, j]
            for i in range(side):
                planes[c, top + i, left : left + side] = 0
                for b in range(side):
                    u = units[b, i]
                    for j in range(side):
                        planes[c, top + i, left + j] += u * half[b, j]
