"""Where codebook training begins: a number of classes, a bank of geometric tables, cells sorted by their energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.families.cells.descriptor import LEVEL_SIDES
from inrformat.families.cells.encoder.fit import Fit
from inrformat.families.cells.encoder.model import LevelModel, Model
from inrformat.families.cells.encoder.rate_distortion import MAGNITUDES, best_costs
from inrformat.families.cells.nodes import CELL_SIDES, FINEST_SIDE, unit_order

__all__ = ["ClassCounts", "initial_classes", "initial_model"]

_BANK_TABLES = 32
_ORIENTATIONS = 4
_MAX_BITS = 28


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Classes of 32, 16 and 8 px cells, and of split nodes."""

    large: int
    medium: int
    small: int
    splits: int

    @classmethod
    def suited(cls, pixels: int) -> ClassCounts:
        """As many as ``pixels`` of training data can support: 32 from one picture on, few for a thumbnail.

        The codebook of a small file lies in its header block, so that it is paid for only where it outgrows that.
        """
        n = next((n for bound, n in ((1 << 13, 4), (1 << 14, 8), (1 << 16, 16)) if pixels < bound), 32)
        return cls(max(n // 2, 4), n, n, 2 if n < 16 else 4)

    def of(self, side: int) -> int:
        """Classes of cells of ``side`` px."""
        return {32: self.large, 16: self.medium, 8: self.small}.get(side, 0)


def initial_model(counts: ClassCounts, *, channels: int) -> Model:
    """Classes that keep all units and use the middle table of a bank of two-sided geometric distributions."""
    scales = np.concatenate([[1e-3], np.geomspace(0.02, 60, _BANK_TABLES)])
    magnitudes = np.arange(MAGNITUDES)
    log2_share = -magnitudes[None] / scales[:, None] / np.log(2)
    log2_share -= np.log2(np.exp2(log2_share).sum(1, keepdims=True))
    bits = np.minimum(-log2_share + (magnitudes > 0), _MAX_BITS).astype(np.float32)
    levels = {side: _initial_level(counts, side, channels) for side in LEVEL_SIDES}
    return Model(levels, bits, best_costs(bits))


def _initial_level(counts: ClassCounts, side: int, channels: int) -> LevelModel:
    cells, splits = counts.of(side), counts.splits if side > FINEST_SIDE else 0
    units = side * side if cells else 1
    spread = np.linspace(8, _BANK_TABLES - 8, max(splits, 1)).astype(np.int32)[:splits, None, None]
    return LevelModel(
        kept=np.full((cells, channels), units, np.int32),
        tables=np.full((cells, channels, units), 1 + _BANK_TABLES // 2, np.int32),
        split_tables=np.broadcast_to(spread, (splits, channels, 4)).copy(),
        class_bits=np.full(cells + splits, np.log2(cells + splits), np.float32),
    )


def initial_classes(fits: Sequence[Fit], step: float, counts: ClassCounts) -> list[dict[int, NDArray[np.int32]]]:
    """For each image a class of every node as a cell, by side ``(nodes,)``."""
    by_side = {side: _by_energy([f.weights[side] for f in fits], step, counts.of(side)) for side in CELL_SIDES}
    return [{side: by_side[side][n] for side in CELL_SIDES} for n in range(len(fits))]


def _by_energy(weights: Sequence[NDArray[np.float32]], step: float, count: int) -> list[NDArray[np.int32]]:
    """Classes of cells by the energy of their weights, then by which direction has more of it; equally many each."""
    side = int(weights[0].shape[2] ** 0.5)
    b, a = np.divmod(unit_order(side), side)
    rows = []
    for w in weights:
        energy = np.minimum(np.abs(w / np.float32(step)), 8) ** 2
        parts = [energy[:, :, 1:], energy[:, :, a > b], energy[:, :, b > a]]
        rows.append(np.stack([np.log2(p.sum((1, 2)) + 0.05) for p in parts]))
    total, horizontal, vertical = np.concatenate(rows, axis=1)
    directions = _ORIENTATIONS if count >= 2 * _ORIENTATIONS else 1
    bins = count // directions
    rank = _ranks(total) * bins // len(total)
    chosen = np.zeros(len(total), np.int32)
    for n in range(bins):
        inside = np.flatnonzero(rank == n)
        order = _ranks((horizontal - vertical)[inside])
        chosen[inside] = n * directions + order * directions // max(len(inside), 1)
    return np.split(chosen, np.cumsum([len(w) for w in weights])[:-1])


def _ranks(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Place of each value in their order: int64 ``(n,)``."""
    return values.argsort(kind="stable").argsort(kind="stable")
