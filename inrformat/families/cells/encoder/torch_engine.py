"""Many images of one size at once, in torch: the heavy part of the encoder for CUDA, written for any device.

The same decisions as those of the compiled engine, node by node, with the same tables. Sums are taken in another order,
so that a weight on the edge between two integers, or a node between two classes, may fall to the other side: tests hold
99.9 % of the symbols to be the same. Means, details and the entropy coder stay on the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.encoding.record import EncodedRecord, Image, psnr_of_mse_db
from inrformat.families.cells.encoder.choose import Choice, classes_of_nodes
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.engine import on_threads
from inrformat.families.cells.encoder.fit import MeanPyramid
from inrformat.families.cells.encoder.quantize import QuantizedMeans, quantize_means
from inrformat.families.cells.encoder.rate_distortion import (
    COST_ENTRIES,
    ENTRIES_PER_STEP,
    FINE_STEPS,
    LAMBDA,
    LARGEST_INTEGER,
    MAGNITUDES,
)
from inrformat.families.cells.nodes import CELL_SIDES, FINEST_SIDE, LARGEST_CELL, basis, grid, unit_order
from inrformat.families.cells.record import CellSymbols
from inrformat.families.cells.reference import OFFSET, quantization_step

__all__ = ["TorchEngine"]

_BATCH_PIXELS = 1 << 24
"""Pixels encoded at once: no more than fit on a device comfortably."""
_CHUNK_WEIGHTS = 1 << 24
"""Weights whose costs under all classes are looked up at once."""


@dataclass(frozen=True, slots=True)
class TorchEngine:
    """See ``engine.Engine``. ``device``: where; ``threads``: for what is done on the host for each image."""

    device: torch.device
    threads: int

    def encode(
        self, codebook: CellsCodebook, images: Sequence[Image], scales: Sequence[int]
    ) -> Iterator[EncodedRecord]:
        """See ``engine.Engine``."""
        for image in images:
            codebook.check(image)
        batches = _Batches(codebook, device=self.device, threads=self.threads)
        records: dict[int, EncodedRecord] = {}
        for batch in _of_one_size(images):
            coded = batches.encode([images[n] for n in batch], [scales[n] for n in batch])
            written = on_threads(
                lambda one: codebook.record_of(one.symbols, psnr_db=psnr_of_mse_db(one.mse)),
                coded,
                threads=self.threads,
            )
            records.update(zip(batch, written, strict=True))
        return iter([records[n] for n in range(len(images))])


def _of_one_size(images: Sequence[Image]) -> list[list[int]]:
    """Positions of images of one size, in batches."""
    batches: list[list[int]] = []
    by_size = sorted(range(len(images)), key=lambda n: images[n].shape)
    for n in by_size:
        height, width = images[n].shape[:2]
        full = batches and (len(batches[-1]) + 1) * height * width > _BATCH_PIXELS
        if not batches or full or images[batches[-1][0]].shape != images[n].shape:
            batches.append([])
        batches[-1].append(n)
    return batches


class _Coded(NamedTuple):
    """An image's integers, and the mean squared error of its decoding."""

    symbols: CellSymbols
    mse: float


class _Decided(NamedTuple):
    """What the host decides of an image: classes of nodes by side ``(rows, columns)``, and integers of means."""

    classes: dict[int, NDArray[np.int32]]
    quantized: QuantizedMeans


class _Batches:
    """A codebook on a device, and what batches of images become under it."""

    def __init__(self, codebook: CellsCodebook, *, device: torch.device, threads: int) -> None:
        self._network, self._model = codebook.network, codebook.model
        self._device, self._threads = device, threads
        self._colour = torch.from_numpy(self._network.colour).to(device)
        self._costs = torch.from_numpy(self._model.costs).to(device)
        self._bits = torch.from_numpy(self._model.bits).to(device, torch.float64)
        self._tables = {}
        for side in CELL_SIDES:
            level = self._model.level(side)
            coded = np.arange(side * side) < level.kept[..., None]
            self._tables[side] = torch.from_numpy(np.where(coded, level.tables, 0).astype(np.int64)).to(device)

    def encode(self, images: Sequence[Image], scales: Sequence[int]) -> list[_Coded]:
        """Images of one size, uint8 ``(H, W, C)`` each, at their step scales."""
        pixels = torch.from_numpy(np.stack(images)).to(self._device)
        steps = np.array([float(quantization_step(self._network, s)) for s in scales])
        height, width = images[0].shape[:2]
        planes = self._planes(pixels)
        weights = {side: self._inner_products(planes, side, grid(height, width, side)) for side in CELL_SIDES}
        cells = {side: self._best_cells(weights[side], side, steps) for side in CELL_SIDES}
        means = _finest_means(planes)

        def decide(n: int) -> _Decided:
            pyramid = MeanPyramid.of(means[n], height, width)
            classes = classes_of_nodes(pyramid, self._model, steps[n], cells={s: c[n] for s, c in cells.items()})
            return _Decided(classes, quantize_means(pyramid, self._model, classes, steps[n]))

        decided = list(on_threads(decide, range(len(images)), threads=self._threads))
        integers: list[dict[int, NDArray[np.int32]]] = [{} for _ in images]
        decoded = torch.zeros_like(planes)
        for side in CELL_SIDES:
            by_image = self._quantize_cells(weights[side], side, decided, steps, decoded)
            for n, values in enumerate(by_image):
                integers[n][side] = values
        errors = self._mean_squared_errors(decoded, pixels)
        return [
            _Coded(CellSymbols(height, width, scale, d.classes, d.quantized.roots, d.quantized.details, w), mse)
            for scale, d, w, mse in zip(scales, decided, integers, errors, strict=True)
        ]

    def _planes(self, pixels: Tensor) -> Tensor:
        """Colours of the network, edges continued: float32 ``(B, C, padded height, padded width)``."""
        mixed = ((pixels.to(torch.float32) - OFFSET) @ self._colour.T).movedim(3, 1)
        rows, columns = (
            torch.arange(-(-size // LARGEST_CELL) * LARGEST_CELL, device=self._device).clamp(max=size - 1)
            for size in mixed.shape[2:]
        )
        return mixed[:, :, rows][:, :, :, columns].contiguous()

    def _inner_products(self, planes: Tensor, side: int, shape: tuple[int, int]) -> Tensor:
        """Weights of the nodes of one side: float32 ``(B, rows * columns, C, side**2)`` in ``unit_order``."""
        units = torch.from_numpy(basis(side).astype(np.float32)).to(self._device)
        b, c, h, w = planes.shape
        blocks = planes.reshape(b, c, h // side, side, w // side, side)[:, :, : shape[0], :, : shape[1]]
        both = units @ blocks.permute(0, 2, 4, 1, 3, 5) @ units.T
        order = torch.from_numpy(unit_order(side)).to(self._device)
        return both.reshape(b, -1, c, side * side)[..., order]

    def _best_cells(self, weights: Tensor, side: int, steps: NDArray[np.float64]) -> list[Choice]:
        """For each image the best class of each node as a cell."""
        level, tables = self._model.level(side), self._tables[side]
        class_costs = torch.from_numpy(LAMBDA * level.class_bits[: level.cells]).to(self._device, torch.float32)
        inverse = torch.from_numpy(1 / steps).to(self._device, torch.float32)[:, None, None, None]
        batch, nodes, channels, units = weights.shape
        flat = (weights.abs() * inverse).reshape(batch * nodes, channels, units)
        best, least = [], []
        for part in torch.split(flat, max(_CHUNK_WEIGHTS // (channels * units), 1)):
            index = _magnitude_index(part)
            costs = torch.stack([self._cost(index, tables[k]) for k in range(level.cells)], 1) + class_costs
            smallest, which = costs.min(1)
            best.append(which)
            least.append(smallest)
        classes = torch.cat(best).to(torch.int32).reshape(batch, nodes).cpu().numpy()
        costs_of_nodes = torch.cat(least).reshape(batch, nodes).cpu().numpy()
        return [Choice(*image) for image in zip(classes, costs_of_nodes, strict=True)]

    def _cost(self, index: Tensor, tables: Tensor) -> Tensor:
        """Cost of nodes under one class ``tables (C, units)``: float32 ``(n,)``; the mean is free."""
        return self._costs.reshape(-1)[tables * self._costs.shape[1] + index][..., 1:].sum((1, 2))

    def _quantize_cells(
        self, weights: Tensor, side: int, decided: Sequence[_Decided], steps: NDArray[np.float64], decoded: Tensor
    ) -> list[NDArray[np.int32]]:
        """Integers of the nodes that became cells of one side, for each image; evaluates them into ``decoded``."""
        level = self._model.level(side)
        channels = weights.shape[2]
        classes = np.stack([d.classes[side].ravel() for d in decided])
        is_cell = (classes >= 0) & (classes < level.cells)
        image, node = np.nonzero(is_cell)
        where = torch.from_numpy(is_cell).to(self._device)
        step = torch.from_numpy(steps[image]).to(self._device)[:, None, None]
        chosen = torch.from_numpy(classes[is_cell].astype(np.int64)).to(self._device)
        values = self._best_integers(weights[where], self._tables[side][chosen], step)
        means = np.stack([d.quantized.means[side].reshape(channels, -1).T for d in decided])[is_cell]
        dequantized = values.to(torch.float32) * step.to(torch.float32)
        dequantized[:, :, 0] = torch.from_numpy(means).to(self._device)
        columns = decided[0].classes[side].shape[1]
        _evaluate(decoded, dequantized, side=side, image=image, row=node // columns, column=node % columns)
        return np.split(values.cpu().numpy(), np.cumsum(is_cell.sum(1))[:-1])

    def _best_integers(self, weights: Tensor, tables: Tensor, step: Tensor) -> Tensor:
        """The best of round, toward zero and 0 for each weight ``(n, C, units)``: int32; unit 0 stays 0."""
        x = weights.abs().to(torch.float64) / step
        nearest = (x + 0.5).to(torch.int64).clamp(max=LARGEST_INTEGER)
        best = torch.zeros_like(nearest)
        least = x * x + LAMBDA * self._bits[tables, 0]
        for q in (nearest, nearest - 1):
            cost = (x - q) ** 2 + LAMBDA * self._bits[tables, q.clamp(0, MAGNITUDES - 1)]
            better = (q > 0) & (cost < least)
            best, least = torch.where(better, q, best), torch.where(better, cost, least)
        best = torch.where(tables == 0, 0, best) * weights.sign().to(torch.int64)
        best[:, :, 0] = 0
        return best.to(torch.int32)

    def _mean_squared_errors(self, decoded: Tensor, pixels: Tensor) -> list[float]:
        """Of the decoder's uint8 output against ``pixels (B, H, W, C)``."""
        height, width = pixels.shape[1:3]
        mixed = decoded[:, :, :height, :width].movedim(1, 3) @ self._colour + OFFSET
        errors = torch.floor(mixed.clamp(0, 255) + 0.5).to(torch.float64) - pixels
        means: list[float] = (errors * errors).mean((1, 2, 3)).tolist()
        return means


def _magnitude_index(x: Tensor) -> Tensor:
    """Index of magnitudes in units of the step for ``best_costs``: int64, same shape."""
    coarse = (ENTRIES_PER_STEP * FINE_STEPS + (x - FINE_STEPS)).clamp(max=COST_ENTRIES - 1)
    return torch.where(x < FINE_STEPS, x * ENTRIES_PER_STEP, coarse).to(torch.int64)


def _finest_means(planes: Tensor) -> NDArray[np.float64]:
    """Means of the 8 px grid: float64 ``(B, C, rows, columns)``."""
    b, c, h, w = planes.shape
    blocks = planes.reshape(b, c, h // FINEST_SIDE, FINEST_SIDE, w // FINEST_SIDE, FINEST_SIDE)
    sums = blocks.to(torch.float64).sum((3, 5)) / FINEST_SIDE
    means: NDArray[np.float64] = sums.cpu().numpy()
    return means


def _evaluate(
    planes: Tensor,
    weights: Tensor,
    *,
    side: int,
    image: NDArray[np.int64],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
) -> None:
    """Evaluate cells ``(n, C, units)`` at pixel centres, into the ``planes`` of their images at their places."""
    units = torch.from_numpy(basis(side).astype(np.float32)).to(planes.device)
    plain = torch.empty_like(weights)
    plain[..., torch.from_numpy(unit_order(side)).to(planes.device)] = weights
    values = units.T @ plain.reshape(*weights.shape[:2], side, side) @ units
    b, c, h, w = planes.shape
    blocks = planes.reshape(b, c, h // side, side, w // side, side).permute(0, 2, 4, 1, 3, 5)
    blocks[tuple(torch.from_numpy(place).to(planes.device) for place in (image, row, column))] = values
