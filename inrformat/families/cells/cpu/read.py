"""``cells`` records to the weights of their cells that are not zero (spec section 6.2.4), compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Batch, sample_of
from inrformat.decoding.cpu.rans import OK
from inrformat.families.cells.cpu.descriptors import FlatCells
from inrformat.families.cells.cpu.symbols import Symbols, read_symbols
from inrformat.families.cells.cpu.vectors import LANES, ORDERS, append_nonzero
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.jit import relaxed, relaxed_inline, relaxed_part

__all__ = ["PackedWeights", "SparseWeights", "read_records", "sparse_of"]

_ORDERS = ORDERS.ravel()


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


class PackedWeights(NamedTuple):
    """`SparseWeights` of several images of C channels, end to end; ``sparse_of`` takes one out.

    Attributes:
        first_place: int64 ``(n + 1,)``, where each image's places begin in ``cell_at``; at the end how many there are.
        cell_at, starts, units, weights: flat. An image has no more cells than places: its ``starts`` begin at
            ``first_place * C`` and its own number. They count ``units`` and ``weights`` through all images.
        level_ends: int64 ``(n, 4)``.
    """

    first_place: NDArray[np.int64]
    cell_at: NDArray[np.int32]
    level_ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    units: NDArray[np.int32]
    weights: NDArray[np.float32]


@relaxed_inline
def sparse_of(packed: PackedWeights, n: int, channels: int, height: int, width: int) -> SparseWeights:
    """Those of image n, which has that native size."""
    first, end = packed.first_place[n], packed.first_place[n + 1]
    return SparseWeights(
        packed.cell_at[first:end].reshape((height + 7) // 8, (width + 7) // 8),
        packed.level_ends[n],
        packed.starts[first * channels + n : end * channels + n + 1],
        packed.units,
        packed.weights,
    )


@relaxed
def read_records(
    network: FlatCells, batch: Batch, members: NDArray[np.int64], seen: NDArray[np.float64], status: NDArray[np.int64]
) -> PackedWeights:
    """See ``CpuBackend.read``; cells that are not ``seen`` get no weights. Ends at the first damaged record."""
    count, channels = len(members), network.channels
    first_place = np.zeros(count + 1, np.int64)
    for n in range(count):
        places = (batch.heights[members[n]] + 7) // 8 * ((batch.widths[members[n]] + 7) // 8)
        first_place[n + 1] = first_place[n] + places
    packed = PackedWeights(
        first_place,
        np.zeros(first_place[count], np.int32),
        np.zeros((count, 4), np.int64),
        np.zeros(first_place[count] * channels + count, np.int64),
        np.empty(0, np.int32),
        np.empty(0, np.float32),
    )
    used: Any = np.int64(0)  # a plain 0 would be compiled for on its own
    for n in range(count):
        b = members[n]
        sample = sample_of(batch, b)
        status[b], symbols = read_symbols(network, sample)
        if status[b] != OK:
            break
        most = used + _count_cells(network, symbols) * channels + len(symbols.weights) + LANES
        packed = _with_room(packed, used, most)
        sparse = sparse_of(packed, n, channels, sample.height, sample.width)
        used = _fill(network, symbols, seen[b], used, sparse)
    return packed


@relaxed_part
def _with_room(packed: PackedWeights, used: int, most: int) -> PackedWeights:
    """The same with room for ``most`` weights, of which ``used`` are there."""
    if most <= len(packed.units):
        return packed
    room = max(most, 2 * len(packed.units))
    units, weights = np.empty(room, np.int32), np.empty(room, np.float32)
    for k in range(used):
        units[k], weights[k] = packed.units[k], packed.weights[k]
    return PackedWeights(packed.first_place, packed.cell_at, packed.level_ends, packed.starts, units, weights)


@relaxed_part
def _fill(network: FlatCells, symbols: Symbols, seen: Any, used: int, sparse: SparseWeights) -> int:
    """Dequantize one image.

    Args:
        seen: float64 ``(4,)``, left, top, right, bottom. used: weights of images before.

    Returns:
        ``used`` with this image.
    """
    sparse.starts[0] = used
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
            next_weight = _append_cells(network, symbols, i, next_weight, step, means, seen, sparse)
        if grids.levels[i] < 3:
            means, next_mean = _child_means(network, symbols, i, next_mean, step, means)
    return int(sparse.starts[sparse.level_ends[3] * network.channels])


@relaxed_inline
def _count_cells(network: FlatCells, symbols: Symbols) -> int:
    grids, count = symbols.grids, 0
    for i in range(len(grids.rows)):
        for node in range(grids.first[i], grids.first[i + 1]):
            count += 0 <= symbols.classes[node] < network.cell_classes[grids.levels[i]]
    return count


@relaxed_part
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


@relaxed_part
def _append_cells(
    network: FlatCells, symbols: Symbols, i: int, next_weight: int, step: Any, means: Any, seen: Any, sparse: Any
) -> int:
    """Append the cells of grid i to ``sparse``.

    Args:
        next_weight: where weights of grid i start in ``symbols.weights``. step, means: as in ``_child_means``.
        seen: as in ``_fill``.

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
    left, top, right, bottom = seen
    at, cell = next_weight, sparse.level_ends[level - 1]
    n = starts[cell * channels]
    for r in range(grids.rows[i]):
        row_unseen = (r + 1) * side <= top or r * side > bottom
        for c in range(columns):
            k = classes[first + r * columns + c]
            if k < 0 or k >= cells:
                continue
            for y in range(r * span, min((r + 1) * span, cell_at.shape[0])):
                for x in range(c * span, min((c + 1) * span, cell_at.shape[1])):
                    cell_at[y, x] = cell
            known = (first_class + k) * channels
            if row_unseen or (c + 1) * side <= left or c * side > right:
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
