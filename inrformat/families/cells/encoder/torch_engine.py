"""Many images of one size at once, in torch: the heavy part of the encoder for CUDA, written for any device.

The same decisions as ``transform.py`` and ``choose.py``, node by node, with the same tables. Sums are taken in another
order, so that a weight on the edge between two integers, or a node between two classes, may fall to the other side:
tests hold 99.9 % of the symbols to be the same. Means, details and the entropy coder stay on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.encode.record import Image
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.fit import Fit, pyramid
from inrformat.families.cells.encoder.model import Model, code_means, decide
from inrformat.families.cells.encoder.rate_distortion import LAMBDA, MAGNITUDES, fine_index_bounds
from inrformat.families.cells.nodes import CELL_SIDES, basis, grid, unit_order
from inrformat.families.cells.record import CellSymbols
from inrformat.families.cells.reference import OFFSET, step_of

__all__ = ["BatchedCells"]

_CHUNK_ELEMENTS = 1 << 24

Means = dict[int, NDArray[np.float32]]
Map = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


class BatchedCells:
    """A codebook on a device, and what images become under it."""

    def __init__(self, network: Cells, model: Model, *, device: torch.device) -> None:
        self.network, self.model, self.device = network, model, device
        self._costs = torch.from_numpy(model.costs).to(device)
        self._bits = torch.from_numpy(model.bits).to(device, torch.float64)
        self._tables = {}
        for side in CELL_SIDES:
            level = model.level(side)
            coded = np.arange(side * side) < level.kept[..., None]
            self._tables[side] = torch.from_numpy(np.where(coded, level.tables, 0).astype(np.int64)).to(device)

    def symbols(self, images: Sequence[Image], scales: Sequence[int], host_map: Map) -> list[tuple[CellSymbols, float]]:
        """Symbols of images of one size at their step scales, and the mean squared error of their decoding.

        Args:
            images: uint8 ``(H, W, C)`` each. host_map: ``map`` as a list, for what is done on the host for each image.
        """
        pixels = torch.from_numpy(np.stack(images)).to(self.device)
        steps = np.array([float(step_of(self.network, s)) for s in scales])
        height, width = images[0].shape[:2]
        planes = self._planes(pixels)
        weights = {side: self._forward(planes, side, grid(height, width, side)) for side in CELL_SIDES}
        chosen = {side: self._choose(weights[side], side, steps) for side in CELL_SIDES}
        means8 = _means_of(planes)

        def on_host(n: int) -> tuple[dict[int, NDArray[np.int32]], Any, Any, Means]:
            fitted = Fit(height, width, {}, *pyramid(means8[n], height, width))
            cells = {side: (k[n], least[n]) for side, (k, least) in chosen.items()}
            classes, _ = decide(fitted, self.model, steps[n], cells=cells)
            return classes, *code_means(fitted, self.model, classes, steps[n])

        decided = host_map(on_host, range(len(images)))
        integers, errors = self._quantize(weights, decided, steps, pixels)
        return [
            (CellSymbols(height, width, scale, classes, roots, details, integers[n]), errors[n])
            for n, (scale, (classes, roots, details, _)) in enumerate(zip(scales, decided, strict=True))
        ]

    def _planes(self, pixels: Tensor) -> Tensor:
        """Colours of the network, edges continued: float32 ``(B, C, padded height, padded width)``."""
        largest = CELL_SIDES[0]
        colour = torch.from_numpy(self.network.colour).to(self.device)
        mixed = ((pixels.to(torch.float32) - OFFSET) @ colour.T).movedim(3, 1)
        down = torch.arange(-(-mixed.shape[2] // largest) * largest, device=self.device).clamp(max=mixed.shape[2] - 1)
        right = torch.arange(-(-mixed.shape[3] // largest) * largest, device=self.device).clamp(max=mixed.shape[3] - 1)
        return mixed[:, :, down][:, :, :, right].contiguous()

    def _forward(self, planes: Tensor, side: int, shape: tuple[int, int]) -> Tensor:
        """Weights of the nodes of one side: float32 ``(B, rows * columns, C, side**2)`` in ``unit_order``."""
        units = torch.from_numpy(basis(side).astype(np.float32)).to(self.device)
        b, c, h, w = planes.shape
        blocks = planes.reshape(b, c, h // side, side, w // side, side)[:, :, : shape[0], :, : shape[1]]
        both = units @ blocks.permute(0, 2, 4, 1, 3, 5) @ units.T
        order = torch.from_numpy(unit_order(side)).to(self.device)
        return both.reshape(b, -1, c, side * side)[..., order]

    def _choose(
        self, weights: Tensor, side: int, steps: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Best class of each node and its cost: int32 and float32 ``(B, nodes)``."""
        level, tables = self.model.level(side), self._tables[side]
        prices = torch.from_numpy(LAMBDA * level.class_bits[: level.cells]).to(self.device, torch.float32)
        inverse = torch.from_numpy(1 / steps).to(self.device, torch.float32)[:, None, None, None]
        batch, nodes, channels, units = weights.shape
        flat = (weights.abs() * inverse).reshape(batch * nodes, channels, units)
        best, least = [], []
        for part in torch.split(flat, max(_CHUNK_ELEMENTS // (channels * units), 1)):
            index = _magnitude_index(part)
            costs = torch.stack([self._cost(index, tables[k]) for k in range(level.cells)], 1) + prices
            smallest, which = costs.min(1)
            best.append(which)
            least.append(smallest)
        chosen = torch.cat(best).to(torch.int32).reshape(batch, nodes).cpu().numpy()
        return chosen, torch.cat(least).reshape(batch, nodes).cpu().numpy()

    def _cost(self, index: Tensor, tables: Tensor) -> Tensor:
        """Cost of nodes under one class ``tables (C, units)``: float32 ``(n,)``; the mean is free."""
        return self._costs.reshape(-1)[tables * self._costs.shape[1] + index][..., 1:].sum((1, 2))

    def _quantize(
        self, weights: dict[int, Tensor], decided: Sequence[Any], steps: NDArray[np.float64], pixels: Tensor
    ) -> tuple[list[dict[int, NDArray[np.int32]]], list[float]]:
        """Integers of the cells that were chosen, for each image, and the mean squared error of its decoding."""
        batch, height, width, channels = pixels.shape
        rows, columns = grid(height, width, CELL_SIDES[0])
        decoded = torch.zeros((batch, channels, rows * CELL_SIDES[0], columns * CELL_SIDES[0]), device=self.device)
        integers: list[dict[int, NDArray[np.int32]]] = [{} for _ in range(batch)]
        for side in CELL_SIDES:
            level = self.model.level(side)
            classes = np.stack([c[side].ravel() for c, *_ in decided])
            is_cell = (classes >= 0) & (classes < level.cells)
            image, node = np.nonzero(is_cell)
            where = torch.from_numpy(is_cell).to(self.device)
            step = torch.from_numpy(steps[image]).to(self.device)[:, None, None]
            chosen = torch.from_numpy(classes[is_cell].astype(np.int64)).to(self.device)
            values = self._integers(weights[side][where], self._tables[side][chosen], step)
            for n, part in enumerate(np.split(values.cpu().numpy(), np.cumsum(is_cell.sum(1))[:-1])):
                integers[n][side] = part
            means = np.stack([m[side].reshape(channels, -1).T for *_, m in decided])[is_cell]
            known = values.to(torch.float32) * step.to(torch.float32)
            known[:, :, 0] = torch.from_numpy(means).to(self.device)
            _place(decoded, known, torch.from_numpy(image), torch.from_numpy(node), level_side=side, width=width)
        colour = torch.from_numpy(self.network.colour).to(self.device)
        mixed = decoded[:, :, :height, :width].movedim(1, 3) @ colour + OFFSET
        error = torch.floor(mixed.clamp(0, 255) + 0.5).to(torch.float64) - pixels
        return integers, (error * error).mean((1, 2, 3)).tolist()

    def _integers(self, weights: Tensor, tables: Tensor, step: Tensor) -> Tensor:
        """The best of round, toward zero and 0 for each weight ``(n, C, units)``: int32; unit 0 stays 0."""
        x = weights.abs().to(torch.float64) / step
        nearest = (x + 0.5).to(torch.int64).clamp(max=32767)
        best = torch.zeros_like(nearest)
        least = x * x + LAMBDA * self._bits[tables, 0]
        for q in (nearest, nearest - 1):
            cost = (x - q) ** 2 + LAMBDA * self._bits[tables, q.clamp(0, MAGNITUDES - 1)]
            better = (q > 0) & (cost < least)
            best, least = torch.where(better, q, best), torch.where(better, cost, least)
        best = torch.where(tables == 0, 0, best) * weights.sign().to(torch.int64)
        best[:, :, 0] = 0
        return best.to(torch.int32)


def _magnitude_index(x: Tensor) -> Tensor:
    """Index of magnitudes in units of the step for ``best_costs``: int64, same shape."""
    fine, end, last = fine_index_bounds()
    return torch.where(x < end, x * fine, (fine * end + (x - end)).clamp(max=last)).to(torch.int64)


def _means_of(planes: Tensor) -> NDArray[np.float64]:
    """Means of the 8 px grid: float64 ``(B, C, rows, columns)``."""
    b, c, h, w = planes.shape
    sums = planes.reshape(b, c, h // 8, 8, w // 8, 8).to(torch.float64).sum((3, 5)) / 8
    means: NDArray[np.float64] = sums.cpu().numpy()
    return means


def _place(planes: Tensor, weights: Tensor, image: Tensor, node: Tensor, *, level_side: int, width: int) -> None:
    """Evaluate cells ``(n, C, units)`` at pixel centres, into ``planes`` of their images at their nodes' places."""
    side = level_side
    units = torch.from_numpy(basis(side).astype(np.float32)).to(planes.device)
    plain = torch.empty_like(weights)
    plain[..., torch.from_numpy(unit_order(side)).to(planes.device)] = weights
    values = units.T @ plain.reshape(*weights.shape[:2], side, side) @ units
    b, c, h, w = planes.shape
    columns = -(-width // side)
    blocks = planes.reshape(b, c, h // side, side, w // side, side).permute(0, 2, 4, 1, 3, 5)
    at = tuple(t.to(planes.device) for t in (image, node // columns, node % columns))
    blocks[at] = values
