"""The integers of an image under a model: of its means from the top down, then of the weights of its cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.choose import classes_of
from inrformat.families.cells.encoder.fit import Fit, MeanPyramid
from inrformat.families.cells.encoder.model import LevelModel, Model
from inrformat.families.cells.encoder.rate_distortion import quantize
from inrformat.families.cells.nodes import CELL_SIDES, predicted_details, split_parents
from inrformat.families.cells.record import CellSymbols
from inrformat.families.cells.reference import quantization_step

__all__ = ["QuantizedImage", "QuantizedMeans", "quantize_image", "quantize_means"]

_INT16_MIN, _INT16_MAX = -32768, 32767


class QuantizedMeans(NamedTuple):
    """Roots and details as in ``CellSymbols``, and the decoder's means: by side, float32 ``(C, rows, columns)``."""

    roots: NDArray[np.int32]
    details: dict[int, NDArray[np.int32]]
    means: dict[int, NDArray[np.float32]]


class QuantizedImage(NamedTuple):
    """What a record will hold, and the decoder's means: by side, float32 ``(C, rows, columns)``."""

    symbols: CellSymbols
    means: dict[int, NDArray[np.float32]]


def quantize_image(fit: Fit, network: Cells, model: Model, *, scale: int) -> QuantizedImage:
    """The best integers of an image at a step scale."""
    step = float(quantization_step(network, scale))
    classes = classes_of(fit, model, step)
    roots, details, means = quantize_means(fit.pyramid, model, classes, step)
    weights = {}
    for side in CELL_SIDES:
        level, chosen = model.level(side), classes[side].ravel()
        cells = (chosen >= 0) & (chosen < level.cells)
        weights[side] = quantize(
            fit.weights[side][cells], 1 / step, level.tables, level.kept, chosen[cells], model.bits
        )
    symbols = CellSymbols(fit.pyramid.height, fit.pyramid.width, scale, classes, roots, details, weights)
    return QuantizedImage(symbols, means)


def quantize_means(
    pyramid: MeanPyramid, model: Model, classes: dict[int, NDArray[np.int32]], step: float
) -> QuantizedMeans:
    """The integers of all means, from the greatest nodes down.

    Args:
        classes: by side ``(rows, columns)``, greatest first, as ``classes_of`` gives them.
    """
    sides = list(classes)
    rows, columns = classes[sides[0]].shape
    roots = np.rint(pyramid.top[:, :rows, :columns] / step).clip(_INT16_MIN, _INT16_MAX).astype(np.int32)
    means = {sides[0]: (roots * np.float32(step)).astype(np.float32)}
    details: dict[int, NDArray[np.int32]] = {}
    for side in sides[:-1]:
        # Closed loop: details are coded against what the decoder will predict.
        expected = predicted_details(means[side])
        details[side] = _quantize_details(
            pyramid.details[side] - expected, classes[side], model.level(side), model.bits, step
        )
        decoded = expected + np.moveaxis(details[side], 2, 0).astype(np.float32) * np.float32(step)
        rows, columns = classes[side // 2].shape
        means[side // 2] = split_parents(means[side], decoded)[:, :rows, :columns].astype(np.float32)
    return QuantizedMeans(np.ascontiguousarray(np.moveaxis(roots, 0, -1)), details, means)


def _quantize_details(
    errors: NDArray[np.float64],
    classes: NDArray[np.int32],
    level: LevelModel,
    bits: NDArray[np.float32],
    step: float,
) -> NDArray[np.int32]:
    """Integers of the details of one side's split nodes: ``(rows, columns, C, 3)`` from errors ``(C, ..., 3)``."""
    rows, columns = classes.shape
    channels = len(errors)
    unquantized = np.zeros((rows, columns, channels, 4), np.float32)
    unquantized[..., 1:] = np.moveaxis(errors, 0, 2)
    chosen = classes.ravel()
    split = chosen >= level.cells
    integers = np.zeros((rows * columns, channels, 4), np.int32)
    integers[split] = quantize(
        unquantized.reshape(-1, channels, 4)[split],
        1 / step,
        level.split_tables,
        level.split_kept,
        chosen[split] - level.cells,
        bits,
    )
    return np.ascontiguousarray(integers[..., 1:].reshape(rows, columns, channels, 3))
