"""A ``cells`` record to the weights of its cells that are not zero (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Sample
from inrformat.decoding.cpu.rans import OK
from inrformat.families.cells.cpu.descriptors import FlatCells
from inrformat.families.cells.cpu.symbols import Symbols, read_symbols
from inrformat.families.cells.cpu.vectors import LANES, ORDERS, append_nonzero
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["SparseWeights", "View", "read_record"]

_ORDERS = ORDERS.ravel()


class View(NamedTuple):
    """The least and the greatest y and x that will be evaluated, native px, or a little beyond."""

    top: float
    bottom: float
    left: float
    right: float


class SparseWeights(NamedTuple):
    """The cells of an image and their weights that are not zero. Cells are numbered from 32 px to 8 px, raster order.

    Attributes:
        cell_at: int32 ``(rows, columns)`` of the 8 px grid, which cell covers each place.
        level_ends: int64 ``(4,)``: cells of a level, as `FlatCells` counts them, are
            ``level_ends[level - 1] .. level_ends[level] - 1``; the last is how many cells there are.
        starts: int64 ``(cells * C + 1,)``: where the weights of each cell and channel start in the next two.
        units: int32, hidden unit b * side + a. weights: float32, in 1/255 units.
    """

    cell_at: NDArray[np.int32]
    level_ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    units: NDArray[np.int32]
    weights: NDArray[np.float32]


@relaxed
def read_record(network: FlatCells, sample: Sample, view: View) -> tuple[int, SparseWeights]:
    """Decode one record; cells that cannot be seen in ``view`` get no weights.

    Returns:
        Status, and the weights, not to be used where it is not 0.
    """
    status, symbols = read_symbols(network, sample)
    cells = _count_cells(network, symbols) if status == OK else 0
    most = cells * network.channels + len(symbols.weights) + LANES
    sparse = SparseWeights(
        np.zeros(((sample.height + 7) // 8, (sample.width + 7) // 8), np.int32),
        np.zeros(4, np.int64),
        np.zeros(cells * network.channels + 1, np.int64),
        np.empty(most, np.int32),
        np.empty(most, np.float32),
    )
    if status != OK:
        return status, sparse
    grids = symbols.grids
    step = np.float32(network.step * 2.0 ** (symbols.scale / SCALES_PER_OCTAVE))
    next_weight: Any = np.int64(0)  # a plain 0 would be compiled for on its own
    next_mean = grids.first[1] * network.channels
    means = np.empty((grids.rows[0], grids.columns[0], network.channels), np.float32)
    flat = means.reshape(-1)
    for k in range(next_mean):
        flat[k] = step * symbols.means[k]
    for i in range(len(grids.rows)):
        if grids.levels[i] > 0:
            next_weight = _append_cells(network, symbols, i, next_weight, step, means, view, sparse)
        if grids.levels[i] < 3:
            means, next_mean = _child_means(network, symbols, i, next_mean, step, means)
    return OK, sparse


@relaxed_inline
def _count_cells(network: FlatCells, symbols: Symbols) -> int:
    grids, count = symbols.grids, 0
    for i in range(len(grids.rows)):
        for node in range(grids.first[i], grids.first[i + 1]):
            count += 0 <= symbols.classes[node] < network.cell_classes[grids.levels[i]]
    return count


@relaxed
def _child_means(
    network: FlatCells, symbols: Symbols, i: int, next_mean: int, step: Any, means: Any
) -> tuple[Any, int]:
    """Means of the nodes of grid i + 1.

    Args:
        next_mean: where details of grid i start in ``symbols.means``. step: float32, quantization step in 1/255 units.
        means: float32 ``(rows, columns, C)``, of the nodes of grid i, in 1/255 units.

    Returns:
        Means like these, and where details of grid i + 1 start.
    """
    grids, classes, details = symbols.grids, symbols.classes, symbols.means
    above, across, channels = means.shape
    rows, columns, first = grids.rows[i + 1], grids.columns[i + 1], grids.first[i]
    cells = network.cell_classes[grids.levels[i]]
    out = np.empty((rows, columns, channels), np.float32)
    eighth, half = np.float32(1 / 8), np.float32(1 / 2)
    at = next_mean
    for r in range(above):
        up, down, last_row = max(r - 1, 0), min(r + 1, above - 1), min(2 * r + 1, rows - 1)
        for c in range(across):
            left, right, last_column = max(c - 1, 0), min(c + 1, across - 1), min(2 * c + 1, columns - 1)
            for k in range(channels):
                here = means[r, c, k]
                h = (means[r, left, k] - means[r, right, k]) * eighth
                v = (means[up, c, k] - means[down, c, k]) * eighth
                x = np.float32(0)
                if classes[first + r * across + c] >= cells:
                    h += step * np.float32(details[at])
                    v += step * np.float32(details[at + 1])
                    x = step * np.float32(details[at + 2])
                    at += 3
                # Written from the last to the first: at an odd edge, where there is no second child, the first stays.
                out[last_row, last_column, k] = (here - h - v + x) * half
                out[last_row, 2 * c, k] = (here + h - v - x) * half
                out[2 * r, last_column, k] = (here - h + v - x) * half
                out[2 * r, 2 * c, k] = (here + h + v + x) * half
    return out, at


@relaxed
def _append_cells(
    network: FlatCells, symbols: Symbols, i: int, next_weight: int, step: Any, means: Any, view: View, sparse: Any
) -> int:
    """Append the cells of grid i to ``sparse``.

    Args:
        next_weight: where weights of grid i start in ``symbols.weights``. step, means: as in ``_child_means``.

    Returns:
        Where the weights of grid i + 1 start.
    """
    grids, classes, values, level = symbols.grids, symbols.classes, symbols.weights, symbols.grids.levels[i]
    cell_at, starts, units, weights = sparse.cell_at, sparse.starts, sparse.units, sparse.weights
    unit_starts, coded_units, channels = network.unit_starts, network.units, network.channels
    first, columns = grids.first[i], grids.columns[i]
    cells, first_class = network.cell_classes[level], network.first_cell_class[level]
    side = 64 >> level
    span = side // 8
    at, cell = next_weight, sparse.level_ends[level - 1]
    n = starts[cell * channels]
    for r in range(grids.rows[i]):
        row_unseen = (r + 1) * side <= view.top or r * side > view.bottom
        for c in range(columns):
            k = classes[first + r * columns + c]
            if k < 0 or k >= cells:
                continue
            for y in range(r * span, min((r + 1) * span, cell_at.shape[0])):
                for x in range(c * span, min((c + 1) * span, cell_at.shape[1])):
                    cell_at[y, x] = cell
            known = (first_class + k) * channels
            if row_unseen or (c + 1) * side <= view.left or c * side > view.right:
                starts[cell * channels + 1 : (cell + 1) * channels + 1] = n
                at += unit_starts[known + channels] - unit_starts[known]
            else:
                for channel in range(channels):
                    units[n], weights[n] = 0, means[r, c, channel]
                    n += 1
                    begin, end = unit_starts[known + channel], unit_starts[known + channel + 1]
                    for j in range(0, end - begin, LANES):
                        n = append_nonzero(
                            values, at + j, coded_units, begin + j, end - begin - j, step, units, weights, n, _ORDERS
                        )
                    at += end - begin
                    starts[cell * channels + channel + 1] = n
            cell += 1
    sparse.level_ends[level] = cell
    return at
