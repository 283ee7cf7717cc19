"""Reference evaluation of ``cells`` networks in plain torch (spec sections 6.2.1 and 6.2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE, Cells
from inrformat.families.cells.nodes import (
    CELL_SIDES,
    FINEST_SIDE,
    grid,
    node_sides,
    predicted_details,
    split_parents,
    unit_order,
)
from inrformat.families.cells.record import CellSymbols, read_batch
from inrformat.families.family import SymbolDecoder

__all__ = [
    "BORDER",
    "CellWeights",
    "cell_of",
    "dequantize",
    "hidden_units",
    "means_of",
    "quantization_step",
    "read_weights",
    "render",
    "sample",
]

OFFSET = 128.0
"""The colour, in 1/255 units, of a network whose weights are all zero."""
BORDER = 2.0**-11
"""How far before a border, in pixels, a position counts as behind it; see ``cell_of``."""
_SAMPLE_WEIGHTS = 1 << 24
"""Weights that ``sample`` gathers at once."""


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

    def __len__(self) -> int:
        return len(self.sides)

    def __getitem__(self, images: slice) -> CellWeights:
        return CellWeights({s: p[images] for s, p in self.planes.items()}, self.sides[images])

    def to(self, device: torch.device) -> CellWeights:
        """The same on ``device``."""
        return CellWeights({s: p.to(device) for s, p in self.planes.items()}, self.sides.to(device))

    def double(self) -> CellWeights:
        """The same in float64."""
        return CellWeights({s: p.double() for s, p in self.planes.items()}, self.sides)


def quantization_step(network: Cells, scale: int) -> np.float32:
    """Quantization step of a record with that step scale."""
    return np.float32(network.step * 2.0 ** (scale / SCALES_PER_OCTAVE))


def means_of(network: Cells, symbols: CellSymbols) -> dict[int, NDArray[np.float32]]:
    """Mean weight of every node of every side: float32 ``(C, rows, columns)``, from the top down.

    A node that is not split has the children its neighbours suggest: they serve prediction, nothing else.
    """
    step = quantization_step(network, symbols.scale)
    sides = node_sides(symbols.height, symbols.width)
    means = {sides[0]: np.moveaxis(symbols.roots, -1, 0).astype(np.float32) * step}
    for side in sides[:-1]:
        coded = np.moveaxis(symbols.details[side], 2, 0).astype(np.float32) * step
        children = split_parents(means[side], predicted_details(means[side]) + coded)
        rows, columns = grid(symbols.height, symbols.width, side // 2)
        means[side // 2] = children[:, :rows, :columns].astype(np.float32)
    return means


def dequantize(network: Cells, batch: Sequence[CellSymbols]) -> CellWeights:
    """Symbols to weights."""
    planes: dict[int, Tensor] = {}
    covers = []
    dense: dict[int, list[NDArray[np.float32]]] = {s: [] for s in CELL_SIDES}
    for symbols in batch:
        means = means_of(network, symbols)
        cover = np.zeros(grid(symbols.height, symbols.width, FINEST_SIDE), np.uint8)
        for side in CELL_SIDES:
            classes = symbols.classes[side]
            cells = network.level(side).is_cell(classes)
            k = side // FINEST_SIDE
            cover[cells.repeat(k, 0).repeat(k, 1)[: cover.shape[0], : cover.shape[1]]] = side
            weights = symbols.weights[side].astype(np.float32) * quantization_step(network, symbols.scale)
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


def read_weights(network: Cells, decoder: SymbolDecoder, *, height: int, width: int) -> CellWeights:
    """The weights of the decoder's records; ``decoder`` must be the torch one."""
    # Symbols are sorted into cells on the host: this is the readable path, not the fast one.
    weights = dequantize(network, read_batch(network, decoder, height=height, width=width))
    return weights.to(getattr(decoder, "device", weights.sides.device))


def render(network: Cells, weights: CellWeights, *, native: tuple[int, int], y: Tensor, x: Tensor) -> Tensor:
    """Colours at the crossings of rows ``y (R,)`` and columns ``x (S,)``, native px: ``(B, channels, R, S)``."""
    rows, columns = (cell_of(c, FINEST_SIDE, n) for c, n in zip((y, x), weights.sides.shape[1:], strict=True))
    cover = weights.sides[:, rows][:, :, columns]
    total = weights.planes[FINEST_SIDE].new_zeros((len(cover), network.channels, len(y), len(x)))
    for side, plane in weights.planes.items():
        here = cover == side
        if here.any():
            values = _along(_along(plane, y, side).mT, x, side).mT
            total = torch.where(here[:, None], values, total)
    return _coloured(network, total)


def sample(network: Cells, weights: CellWeights, xy: Tensor, *, native: tuple[int, int]) -> Tensor:
    """Colours at positions ``xy (B, N, 2)``, (x, y) in native pixels: ``(B, channels, N)``."""
    batch, count = xy.shape[:2]
    xy = xy.to(weights.planes[FINEST_SIDE])
    image = torch.arange(batch, device=xy.device)[:, None].expand(batch, count)
    rows, columns = weights.sides.shape[1:]
    cover = weights.sides[image, cell_of(xy[..., 1], FINEST_SIDE, rows), cell_of(xy[..., 0], FINEST_SIDE, columns)]
    total = weights.planes[FINEST_SIDE].new_zeros((batch, count, network.channels))
    for side, plane in weights.planes.items():
        height, width = plane.shape[2] // side, plane.shape[3] // side
        blocks = plane.reshape(batch, network.channels, height, side, width, side)  # (B, C, rows, b, columns, a)
        here = (cover == side).nonzero()
        for part in torch.split(here, max(_SAMPLE_WEIGHTS // (network.channels * side**2), 1)):
            b, n = part.unbind(1)
            x, y = xy[b, n].unbind(1)
            row, column = cell_of(y, side, height), cell_of(x, side, width)
            values = torch.einsum(
                "ncba,bn,an->nc",
                blocks[b, :, row, :, column],
                hidden_units(y / side - row, side),
                hidden_units(x / side - column, side),
            )
            total = total.index_put((b, n), values)
    return _coloured(network, total.mT)


def cell_of(coordinates: Tensor, side: int, cells: int) -> Tensor:
    """Which of ``cells`` of ``side`` px covers each coordinate in native pixels: int64.

    A position within 1/2048 px before a border counts as behind it: which cell a position on a border belongs to must
    not hang on the rounding of one decoder's arithmetic (spec section 6.2.1).
    """
    return ((coordinates.detach() + BORDER) / side).floor().long().clamp(0, cells - 1)


def hidden_units(u: Tensor, side: int) -> Tensor:
    """Hidden units at cell coordinates ``u (n,)``: ``(side, n)``."""
    k = torch.arange(side, device=u.device, dtype=u.dtype)[:, None]
    norm = torch.full_like(k, math.sqrt(2 / side))
    norm[0] = math.sqrt(1 / side)
    return norm * torch.cos(math.pi * k * u)


def _along(plane: Tensor, coordinates: Tensor, side: int) -> Tensor:
    """Evaluate the vertical hidden units at ``coordinates (n,)`` in native pixels: ``(B, C, n, columns)``."""
    cell = cell_of(coordinates, side, plane.shape[2] // side)
    units = hidden_units(coordinates / side - cell, side).to(plane)
    out = plane.new_zeros((*plane.shape[:2], len(coordinates), plane.shape[3]))
    for c in sorted(set(cell.tolist())):
        inside = (cell == c).nonzero()[:, 0]
        out = out.index_copy(2, inside, units[:, inside].mT @ plane[:, :, c * side : (c + 1) * side])
    return out


def _coloured(network: Cells, outputs: Tensor) -> Tensor:
    """Colours in [0, 1] units from the network's channels, dimension 1 of ``outputs``."""
    colour = torch.from_numpy(network.colour).to(outputs)
    return (torch.einsum("cd,bc...->bd...", colour, outputs) + OFFSET) / 255
