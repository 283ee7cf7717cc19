"""What the decoder will give back at native size, from integers that have just been chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.encoding.record import Image
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.quantize import QuantizedImage
from inrformat.families.cells.nodes import CELL_SIDES, LARGEST_CELL, basis, grid, unit_order
from inrformat.families.cells.reference import OFFSET, quantization_step
from inrformat.jit import exact, fma

__all__ = ["reconstruct"]


def reconstruct(network: Cells, quantized: QuantizedImage) -> Image:
    """The decoded image: uint8 ``(H, W, C)``."""
    symbols = quantized.symbols
    rows, columns = grid(symbols.height, symbols.width, LARGEST_CELL)
    planes = np.zeros((network.channels, rows * LARGEST_CELL, columns * LARGEST_CELL), np.float32)
    for side in CELL_SIDES:
        classes = symbols.classes[side]
        cells = network.level(side).is_cell(classes).ravel()
        weights = symbols.weights[side].astype(np.float32) * quantization_step(network, symbols.scale)
        weights[:, :, 0] = quantized.means[side].reshape(network.channels, -1)[:, cells].T
        units = basis(side).astype(np.float32)
        _evaluate(weights, np.flatnonzero(cells), units, unit_order(side), classes.shape[1], planes)
    colours = np.moveaxis(planes[:, : symbols.height, : symbols.width], 0, 2) @ network.colour + np.float32(OFFSET)
    pixels: Image = np.floor(np.clip(colours, 0, 255) + np.float32(0.5)).astype(np.uint8)
    return pixels


@exact
def _evaluate(weights: Any, cells: Any, units: Any, order: Any, columns: int, planes: Any) -> None:  # noqa: PLR0917
    """Evaluate cells at their pixel centres, one axis after the other, into their places in the planes.

    Args:
        weights: float32 ``(n, C, side**2)``. cells: int64 ``(n,)``, their numbers in a grid of ``columns`` columns.
        units: float32 ``(units, pixels)``, of ``basis``. order: of ``unit_order``.
        planes: float32 ``(C, padded height, padded width)``, written to.
    """
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
                        half[b, j] = fma(w, units[a, j], half[b, j])
            for i in range(side):
                row = planes[c, top + i, left : left + side]
                row[:] = 0
                for b in range(side):
                    u = units[b, i]
                    for j in range(side):
                        row[j] = fma(u, half[b, j], row[j])
