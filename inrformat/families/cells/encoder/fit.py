"""Pixels to the weights of every possible cell: the closed-form fit of the family.

Hidden units are orthonormal at pixel centres, so the least-squares weights are inner products (spec section 6.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.cells.nodes import (
    CELL_SIDES,
    FINEST_SIDE,
    LARGEST_CELL,
    basis,
    grid,
    merge_children,
    node_sides,
    predicted_details,
    unit_order,
)
from inrformat.families.cells.reference import OFFSET
from inrformat.jit import exact, fma

__all__ = ["Fit", "MeanPyramid", "fit"]


@dataclass(frozen=True, slots=True, eq=False)
class MeanPyramid:
    """Means of all nodes of an image, unquantized, in units of 1/255.

    Attributes:
        height, width: native size in pixels.
        means: by side, float64 ``(C, rows', columns')``; rows' and columns' may exceed the grid's (edge padding).
        details: by side above 8, float64 ``(C, rows, columns, 3)``.
        residuals: by side above 8, float32 ``(rows * columns, C, 4)``: 0, then the details less their prediction from
            unquantized means. What rate-distortion decisions go by.
    """

    height: int
    width: int
    means: dict[int, NDArray[np.float64]]
    details: dict[int, NDArray[np.float64]]
    residuals: dict[int, NDArray[np.float32]]

    @classmethod
    def of(cls, finest: NDArray[np.float64], height: int, width: int) -> MeanPyramid:
        """From the means of the 8 px grid, float64 ``(C, rows, columns)``."""
        level = finest
        means, details, residuals = {FINEST_SIDE: finest}, {}, {}
        for side in reversed(node_sides(height, width)[:-1]):
            level = np.pad(level, ((0, 0), (0, level.shape[1] % 2), (0, level.shape[2] % 2)), mode="edge")
            level, lost = merge_children(level)
            rows, columns = grid(height, width, side)
            means[side], details[side] = level, lost[:, :rows, :columns]
            residual = np.moveaxis((lost - predicted_details(level))[:, :rows, :columns], 0, 2)
            residuals[side] = np.zeros((rows * columns, len(level), 4), np.float32)
            residuals[side][..., 1:] = residual.reshape(-1, len(level), 3)
        return cls(height, width, means, details, residuals)

    @property
    def top(self) -> NDArray[np.float64]:
        """Means of the greatest nodes."""
        return self.means[max(self.means)]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """An image as least-squares weights, unquantized, in units of 1/255.

    Attributes:
        pyramid: means of all nodes.
        weights: by side, float32 ``(rows * columns, C, side**2)`` in ``unit_order``, for every node that may be a cell.
    """

    pyramid: MeanPyramid
    weights: dict[int, NDArray[np.float32]]

    @property
    def channels(self) -> int:
        """Channels of the network, C."""
        return int(self.weights[FINEST_SIDE].shape[1])

    @property
    def pixels(self) -> int:
        """Pixels of the image."""
        return self.pyramid.height * self.pyramid.width


def fit(image: Image, colour: NDArray[np.float32]) -> Fit:
    """Fit every cell of an image uint8 ``(H, W, C)``; the image is continued beyond its edges by its last pixels.

    Args:
        colour: float32 ``(C, C)``: channels of the network from those of the image.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % LARGEST_CELL), (0, -width % LARGEST_CELL), (0, 0)), mode="edge")
    mixed = (padded.astype(np.float32) - np.float32(OFFSET)) @ colour.T
    planes: NDArray[np.float32] = np.ascontiguousarray(np.moveaxis(mixed, 2, 0), np.float32)
    weights = {side: _weights_of(planes, side, *grid(height, width, side)) for side in CELL_SIDES}
    c, h, w = planes.shape
    blocks = planes.reshape(c, h // FINEST_SIDE, FINEST_SIDE, w // FINEST_SIDE, FINEST_SIDE)
    means = blocks.sum((2, 4), dtype=np.float64) / FINEST_SIDE
    return Fit(MeanPyramid.of(means, height, width), weights)


def _weights_of(planes: NDArray[np.float32], side: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Weights of the nodes of one side: float32 ``(rows * columns, C, side**2)``."""
    out = np.empty((rows * columns, len(planes), side * side), np.float32)
    _inner_products(planes, basis(side).astype(np.float32), unit_order(side), columns, out)
    return out


@exact
def _inner_products(planes: Any, units: Any, order: Any, columns: int, out: Any) -> None:
    """Inner products of cells with their units, along one axis after the other.

    Not left to BLAS: matrices this small cost its threads more than the sums do, and its sums are not everywhere alike.

    Args:
        planes: float32 ``(C, padded height, padded width)``. units: float32 ``(units, pixels)``, of ``basis``.
        order: of ``unit_order``. columns: of the grid of cells. out: float32 ``(n, C, side**2)``, written to.
    """
    side = len(units)
    units_of_pixel = units.T.copy()
    half, whole = np.empty((side, side), np.float32), np.empty((side, side), np.float32)
    for n in range(len(out)):
        top, left = n // columns * side, n % columns * side
        for c in range(len(planes)):
            half[:], whole[:] = 0, 0
            for b in range(side):
                row = half[b]
                for i in range(side):
                    pixels, u = planes[c, top + i, left : left + side], units[b, i]
                    for j in range(side):
                        row[j] = fma(u, pixels[j], row[j])
            for b in range(side):
                row = whole[b]
                for j in range(side):
                    h = half[b, j]
                    for a in range(side):
                        row[a] = fma(h, units_of_pixel[j, a], row[a])
            in_order = whole.reshape(-1)
            for p in range(side * side):
                out[n, c, p] = in_order[order[p]]
