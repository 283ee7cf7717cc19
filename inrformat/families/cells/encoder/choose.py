"""The class of every node of an image: which nodes are split, and what their classes are, at least Lagrangian cost.

From the smallest nodes up: a node's cost as a cell is held against that of its children and of what tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.encoder.fit import Fit, MeanPyramid
from inrformat.families.cells.encoder.model import LevelModel, Model
from inrformat.families.cells.encoder.rate_distortion import LAMBDA, choose_classes, magnitude_index
from inrformat.families.cells.nodes import CELL_SIDES, grid, node_sides

__all__ = ["Choice", "classes_of", "classes_of_nodes"]


class Choice(NamedTuple):
    """The best class of each node of a grid ``(nodes,)``, and its Lagrangian cost in units of step**2 ``(nodes,)``."""

    classes: NDArray[np.int32]
    costs: NDArray[np.float32]


def classes_of(fit: Fit, model: Model, step: float) -> dict[int, NDArray[np.int32]]:
    """Classes of all nodes of an image, by side ``(rows, columns)``, greatest first; -1 where there is no node."""
    cells = {side: _best_cells(weights, model.level(side), model, step) for side, weights in fit.weights.items()}
    return classes_of_nodes(fit.pyramid, model, step, cells=cells)


def classes_of_nodes(
    pyramid: MeanPyramid, model: Model, step: float, *, cells: Mapping[int, Choice]
) -> dict[int, NDArray[np.int32]]:
    """The same where it is known already what is best for nodes that stay cells, by side."""
    classes: dict[int, NDArray[np.int32]] = {}
    best: Choice | None = None
    for side in reversed(node_sides(pyramid.height, pyramid.width)):
        shape = grid(pyramid.height, pyramid.width, side)
        choices = [cells[side]] if side in CELL_SIDES else []
        if best is not None:
            splits = _best_splits(pyramid.residuals[side], model.level(side), model, step)
            below = _sum_of_children(best.costs.reshape(classes[side // 2].shape), shape)
            choices.append(Choice(splits.classes, splits.costs + below))
        best = _cheaper(choices)
        classes[side] = best.classes.reshape(shape).astype(np.int32)
    return _without_orphans(classes, model)


def _best_cells(weights: NDArray[np.float32], level: LevelModel, model: Model, step: float) -> Choice:
    """The best class of each node of one side as a cell."""
    class_costs = LAMBDA * level.class_bits[: level.cells]
    return _best(magnitude_index(weights, 1 / step), level.tables, level.kept, class_costs, model)


def _best_splits(residuals: NDArray[np.float32], level: LevelModel, model: Model, step: float) -> Choice:
    """The best class of each node of one side as a split node, without what its children cost."""
    class_costs = LAMBDA * level.class_bits[level.cells :]
    choice = _best(magnitude_index(residuals, 1 / step), level.split_tables, level.split_kept, class_costs, model)
    return Choice(choice.classes + level.cells, choice.costs)


def _best(
    index: NDArray[np.uint16],
    tables: NDArray[np.int32],
    kept: NDArray[np.int32],
    class_costs: NDArray[np.float32],
    model: Model,
) -> Choice:
    choice = Choice(np.empty(len(index), np.int32), np.empty(len(index), np.float32))
    choose_classes(index, tables, kept, model.costs, class_costs.astype(np.float32), *choice)
    return choice


def _cheaper(choices: list[Choice]) -> Choice:
    """Node by node the cheaper of one or two choices; the first where they are equal."""
    if len(choices) == 1:
        return choices[0]
    cell, split = choices
    better = split.costs < cell.costs
    return Choice(np.where(better, split.classes, cell.classes), np.where(better, split.costs, cell.costs))


def _sum_of_children(costs: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Costs ``(nodes,)`` of the children of each node of a grid of this shape."""
    rows, columns = shape
    padded = np.zeros((2 * rows, 2 * columns), np.float32)
    padded[: costs.shape[0], : costs.shape[1]] = costs
    sums: NDArray[np.float32] = padded.reshape(rows, 2, columns, 2).sum((1, 3))
    return sums.ravel()


def _without_orphans(classes: dict[int, NDArray[np.int32]], model: Model) -> dict[int, NDArray[np.int32]]:
    """Greatest side first; nodes below a cell become -1."""
    ordered = {side: classes[side] for side in sorted(classes, reverse=True)}
    for side in CELL_SIDES[1:]:
        rows, columns = ordered[side].shape
        split = ordered[2 * side] >= model.level(2 * side).cells
        ordered[side] = np.where(split.repeat(2, 0).repeat(2, 1)[:rows, :columns], ordered[side], -1).astype(np.int32)
    return ordered
