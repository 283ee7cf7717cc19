"""The costs that decisions are taken by: a codebook's classes and tables in the form the encoder computes with.

``model_of`` makes a model of a codebook, ``to_codebook`` a codebook of a model that was learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import SymbolTable, TableSet, normalize_counts
from inrformat.families.cells.descriptor import LEVEL_SIDES, Cells, Level
from inrformat.families.cells.encoder.fit import MeanPyramid
from inrformat.families.cells.encoder.rate_distortion import best_costs, magnitude_bits
from inrformat.families.cells.nodes import group_starts
from inrformat.families.cells.record import SCALE_LIMIT
from inrformat.families.codebook import Codebook

__all__ = ["LevelModel", "Model", "model_of", "to_codebook"]

_ROOT_LIMIT = 30000
_CLASS_SHARE_MIN = 1e-5
_SCALE_SPREAD_MIN = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class LevelModel:
    """Classes of the nodes of one side: K of cells, numbered first, then S of split nodes.

    Attributes:
        kept: int32 ``(K, C)``: hidden units a cell keeps. tables: int32 ``(K, C, P)``: table of each hidden unit.
        split_tables: int32 ``(S, C, 4)``: 0, then the tables of the three details.
        class_bits: float32 ``(K + S,)``: what it costs to say which class a node has.
    """

    kept: NDArray[np.int32]
    tables: NDArray[np.int32]
    split_tables: NDArray[np.int32]
    class_bits: NDArray[np.float32]

    @property
    def cells(self) -> int:
        """Classes of cells, K."""
        return len(self.kept)

    @property
    def split_kept(self) -> NDArray[np.int32]:
        """Like ``kept`` for split nodes ``(S, C)``: all three details are always coded."""
        return np.full(self.split_tables.shape[:2], self.split_tables.shape[2], np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """All classes and the costs of all tables.

    Attributes:
        levels: by side, 64 for all greater ones.
        bits: float32 ``(tables, 256)``: of each magnitude under each table. costs: of ``best_costs``.
        bank: the tables themselves; empty before anything was learned.
    """

    levels: dict[int, LevelModel]
    bits: NDArray[np.float32]
    costs: NDArray[np.float32]
    bank: tuple[SymbolTable, ...] = ()

    def level(self, side: int) -> LevelModel:
        """Classes of nodes of ``side`` px."""
        return self.levels[min(side, LEVEL_SIDES[-1])]


def model_of(network: Cells, tables: TableSet) -> Model:
    """The model that a descriptor and its codebook's tables stand for. It does not depend on the step."""
    own = TableSet.of(tables.tables[network.first_table :])
    highest = max(int(max(v.group_tables.max(initial=0), v.split_tables.max(initial=0))) for v in network.levels)
    bits = magnitude_bits(own, count=1 + highest)
    levels = {}
    for level in network.levels:
        splits = np.pad(level.split_tables, ((0, 0), (0, 0), (1, 0))).astype(np.int32)
        class_bits = own.tables[level.class_table].cost_bits(np.arange(level.class_count)).astype(np.float32)
        levels[level.side] = LevelModel(level.kept, level.unit_tables(), splits, class_bits)
    return Model(levels, bits, best_costs(bits), own.tables[: 1 + highest])


def to_codebook(
    model: Model,
    pyramids: Sequence[MeanPyramid],
    step: float,
    colour: NDArray[np.float32],
    *,
    scale_spread: float,
) -> Codebook:
    """The descriptor and the tables of a model that was learned.

    Args:
        pyramids: means of the images it was learned from. step: that it was learned for.
        colour: float32 ``(C, C)``: channels of the network from those of the images.
        scale_spread: how far the step scales of records will stray from 0, typically.
    """
    tables = list(model.bank)
    levels = []
    for side, level in model.levels.items():
        levels.append(_to_level(level, side, class_table=len(tables)))
        tables.append(_class_table(level))
    root_tables = tuple(range(len(tables), len(tables) + len(colour)))
    for channel in range(len(colour)):
        roots = np.concatenate([np.rint(p.top[channel].ravel() / step) for p in pyramids])
        tables.append(SymbolTable.from_values(np.clip(roots, -_ROOT_LIMIT, _ROOT_LIMIT), complete=False))
    tables.append(_scale_table(scale_spread))
    network = Cells(float(np.float32(step)), colour, tuple(levels), root_tables, scale_table=len(tables) - 1)
    return Codebook(TableSet.of(tables), (network,))


def _to_level(level: LevelModel, side: int, *, class_table: int) -> Level:
    return Level(
        side=side,
        kept=level.kept,
        group_tables=level.tables[:, :, group_starts(side)].astype(np.uint8),
        split_tables=level.split_tables[..., 1:].astype(np.uint8),
        class_table=class_table,
    )


def _class_table(level: LevelModel) -> SymbolTable:
    shares = np.exp2(-level.class_bits.astype(np.float64))
    return SymbolTable(0, 0, normalize_counts(np.maximum(shares, _CLASS_SHARE_MIN)))


def _scale_table(spread: float) -> SymbolTable:
    distances = np.abs(np.arange(-SCALE_LIMIT, SCALE_LIMIT + 1))
    shares = np.exp(-distances / max(spread, _SCALE_SPREAD_MIN))
    return SymbolTable(-SCALE_LIMIT, 0, normalize_counts(shares))
