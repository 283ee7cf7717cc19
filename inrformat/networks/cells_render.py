"""Reference evaluation of ``cells`` networks in plain torch (spec section 6.2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.networks.cells import STEP_SCALES_PER_OCTAVE, Cells
from inrformat.networks.cells_layout import CELL_SIDES, grid, merge, predict, unit_order, units_at
from inrformat.networks.cells_record import CellSymbols, sides_of

__all__ = ["CellWeights", "dequantize", "means_of", "render", "step_of"]

OFFSET = 128.0
"""The colour, in 1/255 units, of a network whose weights are all zero."""


@dataclass(frozen=True, slots=True, eq=False)
class CellWeights:
    """Weights of a batch of images of one native size.

    Attributes:
        planes: by side, float32 ``(B, C, rows * side, columns * side)``: weight (b, a) of a cell lies where its pixel
            (b, a) would; zero outside the cells of that side. Units of 1/255.
        sides: uint8 ``(B, rows, columns)`` of the 8 px grid: side of the cell that covers it.
    """

    planes: dict[int, Tensor]
    sides: Tensor

    def to(self, device: torch.device) -> CellWeights:
        """The same on ``device``."""
        return CellWeights({s: p.to(device) for s, p in self.planes.items()}, self.sides.to(device))


def step_of(network: Cells, scale: int) -> np.float32:
    """Quantization step of a record with that step scale."""
    return np.float32(network.step * 2.0 ** (scale / STEP_SCALES_PER_OCTAVE))


def means_of(network: Cells, symbols: CellSymbols) -> dict[int, NDArray[np.float32]]:
    """Mean weight of every node of every side: float32 ``(C, rows, columns)``, from the top down.

    A node that is not split has the children its neighbours suggest: they serve prediction, nothing else.
    """
    step = step_of(network, symbols.scale)
    sides = sides_of(symbols.height, symbols.width)
    means = {sides[0]: np.moveaxis(symbols.roots, -1, 0).astype(np.float32) * step}
    for side in sides[:-1]:
        parts = predict(means[side]) + np.moveaxis(symbols.details[side], 2, 0).astype(np.float32) * step
        rows, columns = grid(symbols.height, symbols.width, side // 2)
        means[side // 2] = merge(means[side], parts)[:, :rows, :columns].astype(np.float32)
    return means


def dequantize(network: Cells, batch: Sequence[CellSymbols]) -> CellWeights:
    """Symbols to weights."""
    planes: dict[int, Tensor] = {}
    covers = []
    dense: dict[int, list[NDArray[np.float32]]] = {s: [] for s in CELL_SIDES}
    for symbols in batch:
        means = means_of(network, symbols)
        cover = np.zeros(grid(symbols.height, symbols.width, CELL_SIDES[-1]), np.uint8)
        for side in CELL_SIDES:
            classes = symbols.classes[side]
            cells = (classes >= 0) & (classes < len(network.level(side).kept))
            k = side // CELL_SIDES[-1]
            cover[cells.repeat(k, 0).repeat(k, 1)[: cover.shape[0], : cover.shape[1]]] = side
            weights = symbols.weights[side].astype(np.float32) * step_of(network, symbols.scale)
            weights[:, :, 0] = means[side][:, cells].T
            dense[side].append(_plane(weights, cells, side))
        covers.append(cover)
    for side, arrays in dense.items():
        planes[side] = torch.from_numpy(np.stack(arrays))
    return CellWeights(planes, torch.from_numpy(np.stack(covers)))


def _plane(weights: NDArray[np.float32], cells: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Weights ``(n, C, units)`` of the True ``cells`` at their places: float32 ``(C, rows * side, columns * side)``."""
    rows, columns = cells.shape
    channels = weights.shape[1]
    blocks = np.zeros((rows, columns, channels, side * side), np.float32)
    ordered = np.empty_like(weights)
    ordered[:, :, unit_order(side)] = weights
    blocks[cells] = ordered
    blocks = blocks.reshape(rows, columns, channels, side, side).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(blocks).reshape(channels, rows * side, columns * side)


def render(network: Cells, weights: CellWeights, *, native: tuple[int, int], lattice: tuple[int, int]) -> Tensor:
    """Colours at the pixel centres of a ``lattice`` of (rows, columns): float32 ``(B, channels, rows, columns)``."""
    yx = [(np.arange(n) + 0.5) * extent / n for n, extent in zip(lattice, native, strict=True)]
    finest = CELL_SIDES[-1]
    at = [
        torch.from_numpy(np.minimum(c // finest, -(-e // finest) - 1).astype(np.int64))
        for c, e in zip(yx, native, strict=True)
    ]
    device = weights.sides.device
    cover = weights.sides[:, at[0].to(device)][:, :, at[1].to(device)]
    total = torch.zeros((len(cover), network.channels, *lattice), device=device)
    for side, plane in weights.planes.items():
        here = cover == side
        if here.any():
            values = _along(_along(plane, yx[0], side).mT, yx[1], side).mT
            total = torch.where(here[:, None], values, total)
    colours = torch.einsum("cd,bcyx->bdyx", torch.from_numpy(network.colour).to(device), total)
    return (colours + OFFSET) / 255


def _along(plane: Tensor, coordinates: NDArray[np.float64], side: int) -> Tensor:
    """Evaluate the vertical hidden units at ``coordinates`` in px: ``(B, C, len(coordinates), columns)``."""
    cell = np.minimum(coordinates // side, plane.shape[2] // side - 1).astype(np.int64)
    units = torch.from_numpy(units_at(coordinates / side - cell, side).astype(np.float32)).to(plane.device)
    out = []
    for c in range(plane.shape[2] // side):
        inside = np.flatnonzero(cell == c)
        if len(inside):
            out.append(units[:, inside[0] : inside[-1] + 1].T @ plane[:, :, c * side : (c + 1) * side])
    return torch.cat(out, dim=2)
