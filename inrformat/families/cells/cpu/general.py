"""Weights of ``cells`` to network outputs under a map that is not aligned (spec sections 6.2.1 and 8.2), compiled.

Each output position sums over the weights of its cell. Positions are sorted by cell: then a cell's weights are read
once for many of them, and every inner loop runs along positions, eight at a time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Maps
from inrformat.decoding.cpu.sampling import positions_in_window, taps_of
from inrformat.families.cells.cpu.basis import cell_of, minus_sine
from inrformat.families.cells.cpu.read import SparseWeights
from inrformat.families.cells.cpu.vectors import LANES, add_product, cosines
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["evaluate_general"]

_CHUNK = 256
"""Positions of one cell that are evaluated together; more would leave the nearest cache."""


class _Scratch(NamedTuple):
    """Room for ``_CHUNK`` positions of a cell.

    Attributes:
        across, down: float32 ``(32 * _CHUNK,)``, horizontal and vertical hidden units, units x positions.
        sums: float32 ``(_CHUNK,)``. phases: float64 ``(_CHUNK,)``. places: int64 ``(_CHUNK,)``, in the output.
    """

    across: NDArray[np.float32]
    down: NDArray[np.float32]
    sums: NDArray[np.float32]
    phases: NDArray[np.float64]
    places: NDArray[np.int64]


@relaxed_inline
def _scratch() -> _Scratch:
    return _Scratch(
        np.empty(32 * _CHUNK, np.float32),
        np.empty(32 * _CHUNK, np.float32),
        np.empty(_CHUNK, np.float32),
        np.empty(_CHUNK),
        np.empty(_CHUNK, np.int64),
    )


@relaxed_part
def evaluate_general(sparse: SparseWeights, maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under the map of sample b."""
    cells = sparse.level_ends[-1]
    corners = _corners(sparse.cell_at, cells)
    ends, order = np.empty(cells + 1, np.int64), np.empty(maps.height * maps.width, np.int32)
    scratch, taps = _scratch(), taps_of(maps, b)
    out[:] = 0
    for t in range(len(taps.weights)):
        x, y = positions_in_window(maps, b, taps.shifts[t, 0], taps.shifts[t, 1])
        _sort(_cells_at(x, y, sparse.cell_at), ends, order)
        for cell in range(cells):
            for first in range(ends[cell], ends[cell + 1], _CHUNK):
                chosen = order[first : min(first + _CHUNK, ends[cell + 1])]
                _add_cell(sparse, cell, corners[cell], x, y, chosen, np.float32(taps.weights[t]), scratch, out)


@relaxed_part
def _corners(cell_at: Any, cells: int) -> Any:
    """x and y of each cell's top left corner, native px: int32 ``(cells, 2)``."""
    corners = np.empty((cells, 2), np.int32)
    for row in range(cell_at.shape[0] - 1, -1, -1):
        for column in range(cell_at.shape[1] - 1, -1, -1):
            corners[cell_at[row, column], 0], corners[cell_at[row, column], 1] = 8 * column, 8 * row
    return corners


@relaxed_part
def _cells_at(x: Any, y: Any, cell_at: Any) -> Any:
    """The cell that covers every position, int32."""
    rows, columns = cell_at.shape
    flat, found = cell_at.reshape(-1), np.empty(len(x), np.int32)
    for i in range(len(x)):
        found[i] = flat[cell_of(y[i], 8, rows) * columns + cell_of(x[i], 8, columns)]
    return found


@relaxed_part
def _sort(cells: Any, ends: Any, order: Any) -> None:
    """``order``: numbers of positions by cell; those of cell k are at ``ends[k] .. ends[k + 1] - 1``."""
    ends[:] = 0
    for k in cells:
        ends[k] += 1
    total = 0
    for k in range(len(ends)):
        count = ends[k]
        ends[k] = total
        total += count
    for i in range(len(cells)):
        order[ends[cells[i]]] = i
        ends[cells[i]] += 1
    for k in range(len(ends) - 1, 0, -1):
        ends[k] = ends[k - 1]
    ends[0] = 0


@relaxed_part
def _add_cell(
    sparse: SparseWeights, cell: int, corner: Any, x: Any, y: Any, chosen: Any, scale: Any, scratch: _Scratch, out: Any
) -> None:
    """Add one cell's outputs, times ``scale``, at some output pixels.

    Args:
        corner: int32 ``(2,)``, x and y of the cell's top left corner, native px.
        x, y: float64, native px, of every output pixel. chosen: which of them, at most ``_CHUNK``; all in the cell.
    """
    starts, units, weights = sparse.starts, sparse.units, sparse.weights
    across, down, sums, places = scratch.across, scratch.down, scratch.sums, scratch.places
    _, channels, width = out.shape
    shift = 5 if cell < sparse.level_ends[1] else 4 if cell < sparse.level_ends[2] else 3
    side, count = 1 << shift, len(chosen)
    room = (count + LANES - 1) // LANES * LANES
    most_a = most_b = 0
    for i in range(starts[cell * channels], starts[(cell + 1) * channels]):
        most_a, most_b = max(most_a, units[i] & side - 1), max(most_b, units[i] >> shift)
    _hidden_units(x, corner[0], chosen, side, most_a + 1, scratch.phases, across)
    _hidden_units(y, corner[1], chosen, side, most_b + 1, scratch.phases, down)
    for n in range(count):
        places[n] = chosen[n] // width * channels * width + chosen[n] % width
    flat = out.reshape(-1)
    for k in range(channels):
        sums[:room] = 0
        for i in range(starts[cell * channels + k], starts[cell * channels + k + 1]):
            a, b = (units[i] & side - 1) * room, (units[i] >> shift) * room
            for n in range(0, room, LANES):
                add_product(sums, n, across, a + n, down, b + n, weights[i])
        for n in range(count):
            flat[places[n] + k * width] += scale * sums[n]


@relaxed_part
def _hidden_units(positions: Any, corner: int, chosen: Any, side: int, count: int, phases: Any, values: Any) -> None:
    """The first ``count`` hidden units of a cell along one axis, at ``positions[chosen]``.

    Args:
        positions: float64, native px. corner: where the cell starts. phases: float64, room for the positions.
        values: float32, flat, written: units x positions, these padded to whole vectors.
    """
    room = (len(chosen) + LANES - 1) // LANES * LANES
    phases[len(chosen) : room] = 0
    for n in range(len(chosen)):
        place = (positions[chosen[n]] - corner) * (1.0 / side)
        phases[n] = min(max(place, 0.0), 1.0) - 0.5  # whatever the map: what follows is finite
    for n in range(room):
        phases[n] = minus_sine(phases[n])  # the cosine of pi times the position in the cell
    values[:room] = math.sqrt(1 / side)
    for n in range(0, room, LANES):
        cosines(values, n, phases, n, room, count, math.sqrt(2 / side))
