"""`siren` records to network outputs under a map (spec sections 6.1 and 8.2), compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.rans_numba import decode_segment
from inrformat.decode.cpu.rans import LENGTH, OK, STATE, SYMBOLS, first_states
from inrformat.decode.cpu.sampling import Maps, positions_in_view, tap
from inrformat.families.siren.cpu.mlp import TILE_PIXELS, evaluate_tile
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE, Siren
from inrformat.families.siren.padding import PaddedLayout
from inrformat.jit import relaxed

__all__ = ["SirenNetwork", "evaluate_siren_aligned", "evaluate_siren_anywhere", "read_siren", "siren_network"]

_T = TILE_PIXELS


class SirenNetwork(NamedTuple):
    """A `Siren` descriptor.

    Attributes:
        tables: int32 ``(P,)``. steps, base: float32 ``(P,)``. places: int64 ``(P,)``, in the padded vector of ``size``.
        widths: int64, padded.
    """

    channels: int
    scale_table: int
    omega: np.float32
    tables: NDArray[np.int32]
    steps: NDArray[np.float32]
    base: NDArray[np.float32]
    places: NDArray[np.int64]
    size: int
    widths: NDArray[np.int64]


def siren_network(network: Siren) -> SirenNetwork:
    """One descriptor."""
    layout = PaddedLayout.of(network.widths)
    base = np.zeros(network.parameter_count, np.float32) if network.base is None else network.base
    return SirenNetwork(
        network.channels, network.scale_table, np.float32(network.omega), network.table_vector.astype(np.int32),
        network.step_vector, base, layout.places, layout.size, layout.widths,
    )  # fmt: skip


@relaxed
def read_siren(net: Any, slots: Any, words: Any, lanes: int) -> tuple[int, Any]:
    """Decode one record, uint16 ``words``: status (``symbols.FAULTS``) and padded parameters, float32."""
    parameters = np.zeros(net.size, np.float32)
    if len(words) < 2 * lanes:
        return LENGTH, parameters
    states, words = first_states(words, lanes)
    scale, values = np.empty(1, np.int32), np.empty(len(net.tables), np.int32)
    following = decode_segment(np.full(1, net.scale_table, np.int32), slots, states, words, 0, scale)
    following = decode_segment(net.tables, slots, states, words, following, values)
    if following != len(words):
        return SYMBOLS, parameters
    if (states != np.uint32(LOWER_BOUND)).any():
        return STATE, parameters
    factor = np.float32(2.0 ** (scale[0] / SCALES_PER_OCTAVE))
    for i in range(len(values)):
        parameters[net.places[i]] = net.base[i] + values[i] * (net.steps[i] * factor)
    return OK, parameters


@relaxed
def evaluate_siren_aligned(
    net: Any, parameters: Any, native: tuple[int, int], taps_y: Any, taps_x: Any, out: Any
) -> None:
    """Fill ``out``, float32 ``(H, C, W)``; taps as ``axis_taps`` returns them."""
    rows, columns = np.unique(taps_y[1]), np.unique(taps_x[1])
    lattice = _on_lattice(net, parameters, native, rows, columns)  # (rows, C, columns)
    at_row, at_column = np.searchsorted(rows, taps_y[1]), np.searchsorted(columns, taps_x[1])
    width = out.shape[2]
    across = np.zeros((len(rows), net.channels, width), np.float32)
    for r in range(len(rows)):
        for k in range(net.channels):
            for x in range(width):
                for t in range(taps_x[0][x], taps_x[0][x + 1]):
                    across[r, k, x] += taps_x[2][t] * lattice[r, k, at_column[t]]
    out[:] = 0
    for y in range(out.shape[0]):
        for t in range(taps_y[0][y], taps_y[0][y + 1]):
            part, weight = across[at_row[t]], taps_y[2][t]
            for k in range(net.channels):
                for x in range(width):
                    out[y, k, x] += weight * part[k, x]


@relaxed
def _on_lattice(net: Any, parameters: Any, native: tuple[int, int], rows: Any, columns: Any) -> Any:
    """Outputs at all crossings, float32 ``(rows, C, columns)``; positions run on from row to row in full tiles."""
    lattice = np.empty((len(rows), net.channels, len(columns)), np.float32)
    widest = net.widths.max() * _T
    activations, sums = np.zeros(widest, np.float32), np.empty(widest, np.float32)
    total = len(rows) * len(columns)
    for first in range(0, total, _T):
        count = min(_T, total - first)
        activations[2 * _T : 4 * _T] = 0
        for p in range(count):
            activations[p] = 2 * columns[(first + p) % len(columns)] / native[1] - 1
            activations[_T + p] = 2 * rows[(first + p) // len(columns)] / native[0] - 1
        outputs = evaluate_tile(parameters, net.widths, net.omega, activations, sums)
        for k in range(net.channels):
            for p in range(count):
                lattice[(first + p) // len(columns), k, (first + p) % len(columns)] = outputs[k * _T + p]
    return lattice


@relaxed
def evaluate_siren_anywhere(net: Any, parameters: Any, native: tuple[int, int], maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under a map that is not aligned; sample b of ``maps``."""
    height, _, width = out.shape
    widest = net.widths.max() * _T
    activations, sums = np.zeros(widest, np.float32), np.empty(widest, np.float32)
    out[:] = 0
    nx, ny = maps.counts[b]
    for tx in range(nx):
        offset_x, weight_x = tap(tx, nx)
        for ty in range(ny):
            offset_y, weight_y = tap(ty, ny)
            weight = weight_x * weight_y
            shift = offset_x * maps.reach[b, 0], offset_y * maps.reach[b, 1]
            x, y = positions_in_view(maps, b, shift, height, width)
            for first in range(0, height * width, _T):
                count = min(_T, height * width - first)
                activations[2 * _T : 4 * _T] = 0
                for p in range(count):
                    activations[p] = 2 * x[first + p] / native[1] - 1
                    activations[_T + p] = 2 * y[first + p] / native[0] - 1
                outputs = evaluate_tile(parameters, net.widths, net.omega, activations, sums)
                for k in range(net.channels):
                    for p in range(count):
                        out[(first + p) // width, k, (first + p) % width] += weight * outputs[k * _T + p]
