"""A ``siren`` network to its outputs under an aligned map (spec sections 6.1 and 8.2), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.decoding.cpu.axes import AxisTaps
from inrformat.decoding.cpu.batch import Sample
from inrformat.families.siren.cpu.descriptors import FlatSiren
from inrformat.families.siren.cpu.mlp import evaluate_at
from inrformat.jit import relaxed_part

__all__ = ["evaluate_aligned"]


@relaxed_part
def evaluate_aligned(
    network: FlatSiren, parameters: Any, sample: Sample, down: AxisTaps, across: AxisTaps, out: Any
) -> None:
    """Fill ``out``, float32 ``(H, C, W)``: evaluate at all crossings of the axes' positions, filter along x, then y."""
    rows, columns = np.unique(down.positions), np.unique(across.positions)
    row_at, column_at = np.searchsorted(rows, down.positions), np.searchsorted(columns, across.positions)
    lattice = _on_lattice(network, parameters, sample, rows, columns)
    starts_y, weights_y = down.starts, down.weights
    starts_x, weights_x = across.starts, across.weights
    height, channels, width = out.shape
    filtered = np.zeros((len(rows), channels, width), np.float32)
    for r in range(len(rows)):
        for k in range(channels):
            for x in range(width):
                for t in range(starts_x[x], starts_x[x + 1]):
                    filtered[r, k, x] += weights_x[t] * lattice[r, k, column_at[t]]
    out[:] = 0
    for y in range(height):
        for t in range(starts_y[y], starts_y[y + 1]):
            part, weight = filtered[row_at[t]], weights_y[t]
            for k in range(channels):
                for x in range(width):
                    out[y, k, x] += weight * part[k, x]


@relaxed_part
def _on_lattice(network: FlatSiren, parameters: Any, sample: Sample, rows: Any, columns: Any) -> Any:
    """Outputs at all crossings of ``rows`` and ``columns``, native px: float32 ``(rows, C, columns)``."""
    count = len(columns)
    x, y = np.empty(len(rows) * count), np.empty(len(rows) * count)
    for r in range(len(rows)):
        x[r * count : (r + 1) * count] = columns
        y[r * count : (r + 1) * count] = rows[r]
    return evaluate_at(network, parameters, sample, x, y, count)
