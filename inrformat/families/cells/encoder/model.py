"""A codebook in the form the encoder computes with, and the decisions it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.fit import Fit
from inrformat.families.cells.encoder.rate_distortion import (
    LAMBDA,
    best_costs,
    choose_classes,
    magnitude_bits,
    magnitude_index,
    quantize,
)
from inrformat.families.cells.nodes import CELL_SIDES, grid, merge, predict
from inrformat.families.cells.record import CellSymbols, sides_of
from inrformat.families.cells.reference import step_of

__all__ = ["LevelModel", "Model", "code_means", "decide", "decode_ready", "symbols_of"]


@dataclass(slots=True, eq=False)
class LevelModel:
    """Classes: ``kept (K, C)``, ``tables (K, C, P)``, ``split_tables (S, C, 4)``, ``class_bits (K + S,)``."""

    kept: NDArray[np.int32]
    tables: NDArray[np.int32]
    split_tables: NDArray[np.int32]
    class_bits: NDArray[np.float32]

    @property
    def cells(self) -> int:
        """Classes of cells, K."""
        return len(self.kept)

    def split_kept(self) -> NDArray[np.int32]:
        """All three details are always coded."""
        return np.full(self.split_tables.shape[:2], 4, np.int32)


@dataclass(slots=True, eq=False)
class Model:
    """``levels`` by side (64 for all greater ones), ``bits`` of each magnitude by table, ``costs`` from ``best_costs``.

    ``bank`` holds the tables themselves; empty before anything was learned.
    """

    levels: dict[int, LevelModel]
    bits: NDArray[np.float32]
    costs: NDArray[np.float32]
    bank: tuple[SymbolTable, ...] = ()

    def level(self, side: int) -> LevelModel:
        """Classes of nodes of ``side`` px."""
        return self.levels[min(side, 64)]


def decode_ready(network: Cells, tables: TableSet) -> Model:
    """The model a descriptor and its tables stand for."""
    own = TableSet.of(tables.tables[network.first_table :])
    weight_tables = 1 + max(
        int(max(v.group_tables.max(initial=0), v.split_tables.max(initial=0))) for v in network.levels
    )
    bits = magnitude_bits(own, count=weight_tables)
    levels = {}
    for level in network.levels:
        splits = np.concatenate([np.zeros((*level.split_tables.shape[:2], 1), np.int32), level.split_tables], axis=2)
        count = len(level.kept) + len(level.split_tables)
        class_bits = own.tables[level.class_table].cost_bits(np.arange(count)).astype(np.float32)
        levels[level.side] = LevelModel(level.kept, level.unit_tables(), splits.astype(np.int32), class_bits)
    return Model(levels, bits, best_costs(bits), own.tables[:weight_tables])


Choice = tuple[NDArray[np.int32], NDArray[np.float32]]
"""The best class of each node of a grid, as a cell, and its cost in units of step**2: ``(nodes,)`` each."""


def decide(
    fit: Fit, model: Model, step: float, *, cells: Mapping[int, Choice] | None = None
) -> tuple[dict[int, NDArray[np.int32]], float]:
    """Classes of all nodes, by side ``(rows, columns)`` with -1 for none, and their total cost in units of step**2.

    ``cells``: by side, what is best for nodes that stay cells, where it is known already.
    """
    classes: dict[int, NDArray[np.int32]] = {}
    below: NDArray[np.float32] | None = None
    for side in reversed(sides_of(fit.height, fit.width)):
        level = model.level(side)
        shape = grid(fit.height, fit.width, side)
        prices = LAMBDA * level.class_bits
        options = []
        if side in CELL_SIDES and cells is not None:
            options.append(cells[side])
        elif side in CELL_SIDES:
            index = magnitude_index(fit.weights[side], 1 / step)
            options.append(_choose(index, level.tables, level.kept, model.costs, prices[: level.cells]))
        if below is not None:
            index = magnitude_index(fit.residuals[side], 1 / step)
            chosen, cost = _choose(index, level.split_tables, level.split_kept(), model.costs, prices[level.cells :])
            options.append((chosen + level.cells, cost + _sum_children(below, shape).ravel()))
        chosen, cost = options[0]
        if len(options) > 1:
            better = options[1][1] < cost
            chosen, cost = np.where(better, options[1][0], chosen), np.where(better, options[1][1], cost)
        classes[side], below = chosen.reshape(shape).astype(np.int32), cost.reshape(shape)
    total = 0.0 if below is None else float(below.sum(dtype=np.float64))
    return _without_orphans(classes, model), total


def _choose(
    index: NDArray[np.uint16], tables: NDArray[np.int32], kept: NDArray[np.int32], costs: NDArray[np.float32],
    prices: NDArray[np.float32],
) -> Choice:  # fmt: skip
    chosen, least = np.empty(len(index), np.int32), np.empty(len(index), np.float32)
    choose_classes(index, tables, kept, costs, prices.astype(np.float32), chosen, least)
    return chosen, least


def _sum_children(costs: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    rows, columns = shape
    padded = np.pad(costs, ((0, 2 * rows - costs.shape[0]), (0, 2 * columns - costs.shape[1])))
    sums: NDArray[np.float32] = padded.reshape(rows, 2, columns, 2).sum((1, 3))
    return sums


def _without_orphans(classes: dict[int, NDArray[np.int32]], model: Model) -> dict[int, NDArray[np.int32]]:
    """Greatest side first; nodes below a cell become -1."""
    ordered = {side: classes[side] for side in sorted(classes, reverse=True)}
    for side in CELL_SIDES[1:]:
        rows, columns = ordered[side].shape
        split = ordered[2 * side] >= model.level(2 * side).cells
        ordered[side] = np.where(split.repeat(2, 0).repeat(2, 1)[:rows, :columns], ordered[side], -1).astype(np.int32)
    return ordered


def symbols_of(
    fit: Fit, network: Cells, model: Model, *, scale: int
) -> tuple[CellSymbols, dict[int, NDArray[np.float32]]]:
    """The best integers of an image under ``model``, and the decoder's means by side ``(C, rows, columns)``."""
    step = float(step_of(network, scale))
    classes, _ = decide(fit, model, step)
    roots, details, means = code_means(fit, model, classes, step)
    weights = {}
    for side in CELL_SIDES:
        level = model.level(side)
        chosen = classes[side].ravel()
        cells = (chosen >= 0) & (chosen < level.cells)
        weights[side] = quantize(
            fit.weights[side][cells], 1 / step, level.tables, level.kept, chosen[cells], model.bits
        )
    return CellSymbols(fit.height, fit.width, scale, classes, roots, details, weights), means


def code_means(
    fit: Fit, model: Model, classes: dict[int, NDArray[np.int32]], step: float
) -> tuple[NDArray[np.int32], dict[int, NDArray[np.int32]], dict[int, NDArray[np.float32]]]:
    """Roots and details of ``CellSymbols``, and the decoder's means by side ``(C, rows, columns)``."""
    sides = list(classes)
    top = classes[sides[0]].shape
    roots = np.rint(fit.means[sides[0]][:, : top[0], : top[1]] / step).clip(-32768, 32767).astype(np.int32)
    means = {sides[0]: (roots * np.float32(step)).astype(np.float32)}
    details: dict[int, NDArray[np.int32]] = {}
    for side in sides[:-1]:
        # Closed loop: details are coded against what the decoder will predict.
        expected = predict(means[side])
        level = model.level(side)
        rows, columns = classes[side].shape
        error = np.zeros((rows, columns, len(roots), 4), np.float32)
        error[..., 1:] = np.moveaxis(fit.details[side] - expected, 0, 2)
        chosen = classes[side].ravel()
        split = chosen >= level.cells
        flat = np.zeros((rows * columns, len(roots), 4), np.int32)
        flat[split] = quantize(
            error.reshape(-1, len(roots), 4)[split], 1 / step, level.split_tables, level.split_kept(),
            chosen[split] - level.cells, model.bits,
        )  # fmt: skip
        details[side] = np.ascontiguousarray(flat[..., 1:].reshape(rows, columns, len(roots), 3))
        parts = expected + np.moveaxis(details[side], 2, 0).astype(np.float32) * np.float32(step)
        rows, columns = classes[side // 2].shape
        means[side // 2] = merge(means[side], parts)[:, :rows, :columns].astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(roots, 0, -1)), details, means
