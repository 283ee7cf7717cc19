"""Codebook training: classes and tables from a sample, by turns, until the rate-distortion cost hardly falls.

Lloyd's algorithm on the encoder's own cost: given tables, every node takes its best class; given classes, every
(class, channel, unit group) takes the best of a bank of tables, and every table of the bank becomes the distribution
of what was assigned to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import TOTAL, SymbolTable, TableSet, normalize_counts
from inrformat.families.cells.descriptor import LEVEL_SIDES
from inrformat.families.cells.encoder.choose import classes_of
from inrformat.families.cells.encoder.engine import on_threads
from inrformat.families.cells.encoder.fit import Fit
from inrformat.families.cells.encoder.initialization import ClassCounts, initial_classes, initial_model
from inrformat.families.cells.encoder.model import LevelModel, Model
from inrformat.families.cells.encoder.rate_distortion import (
    MAGNITUDES,
    best_costs,
    collect_statistics,
    magnitude_bits,
)
from inrformat.families.cells.nodes import FINEST_SIDE, unit_groups

__all__ = ["learn_model", "refine_model"]

_SWITCH_BITS, _SWITCH_BITS_LARGE, _LARGE_PIXELS = 6.0, 32.0, 1 << 20
"""What another table number than the neighbouring group's has to save on the sample.

In the file it costs about 8 bits, but much of what it saves on a large sample is noise: with 6 M pixels 24 bits give a
codebook a tenth smaller and records 0.1 % larger than 8 do. On a single picture 10 bits make them 1.5 % larger than 6.
"""
_DETAIL_GROUPS = np.array([-1, 0, 1, 2])
_PRIOR_VALUES = 64
"""A table that fewer values chose keeps its former distribution, with the weight of so many."""
_TAIL_SHARES = (1 / 4096, 1 / 1024, 1 / 256)
_TABLE_ENTRY_BITS = 6.0
"""What an entry of a table costs in the file, about."""
_MAX_LOW_BITS = 6

Classes = Mapping[int, NDArray[np.int32]]
"""Classes of an image's nodes by side."""


def learn_model(
    fits: Sequence[Fit],
    step: float,
    counts: ClassCounts,
    *,
    rounds: int,
    threads: int,
    on_round: Callable[[], None] = lambda: None,
) -> Model:
    """Learn a model for a step from a sample. Deterministic, whatever the threads. ``on_round`` follows each round."""
    model = initial_model(counts, channels=fits[0].channels)
    # In the first round all nodes of all sides are cells: nothing is known of splits and of how common classes are.
    statistics = _statistics_of(fits, initial_classes(fits, step, counts), model, step)
    model = _relearned(model, statistics, pixels=sum(f.pixels for f in fits), cells_only=True)
    on_round()
    return refine_model(model, fits, step, rounds=rounds - 1, threads=threads, on_round=on_round)


def refine_model(
    model: Model,
    fits: Sequence[Fit],
    step: float,
    *,
    rounds: int,
    threads: int,
    on_round: Callable[[], None] = lambda: None,
) -> Model:
    """Go on from a model, for the same step or another one."""
    pixels = sum(f.pixels for f in fits)
    for _ in range(rounds):
        classes = on_threads(partial(classes_of, model=model, step=step), fits, threads=threads)
        model = _relearned(model, _statistics_of(fits, classes, model, step), pixels=pixels, cells_only=False)
        on_round()
    return model


@dataclass(frozen=True, slots=True, eq=False)
class _LevelStatistics:
    """What the nodes of one level were like; written to while it is collected.

    Attributes:
        cells: float32 ``(K, C, G, 256)``: magnitudes of weights by class, channel and unit group.
        splits: float32 ``(S, C, 3, 256)``: of details.
        gains: float64 ``(K, C, P)``: what coding a unit costs more than pruning it, summed.
        classes: float64 ``(K + S,)``: nodes of each class, and half a node.
    """

    cells: NDArray[np.float32]
    splits: NDArray[np.float32]
    gains: NDArray[np.float64]
    classes: NDArray[np.float64]

    @classmethod
    def empty(cls, level: LevelModel, side: int) -> _LevelStatistics:
        channels = level.kept.shape[1]
        groups = int(unit_groups(side).max()) + 1 if level.cells else 1
        return cls(
            np.zeros((level.cells, channels, groups, MAGNITUDES), np.float32),
            np.zeros((len(level.split_tables), channels, 3, MAGNITUDES), np.float32),
            np.zeros(level.tables.shape),
            np.full(len(level.class_bits), 0.5),
        )


def _statistics_of(
    fits: Sequence[Fit], classes: Iterable[Classes], model: Model, step: float
) -> dict[int, _LevelStatistics]:
    """By level, what the nodes of all images are like under their classes; none of their units is pruned."""
    statistics = {side: _LevelStatistics.empty(level, side) for side, level in model.levels.items()}
    for fitted, by_side in zip(fits, classes, strict=True):
        for side, symbols in by_side.items():
            seen, level = statistics[min(side, LEVEL_SIDES[-1])], model.level(side)
            _collect(seen, fitted, side, symbols.ravel(), level, model.bits, step)
    return statistics


def _collect(  # noqa: PLR0917
    seen: _LevelStatistics,
    fitted: Fit,
    side: int,
    symbols: NDArray[np.int32],
    level: LevelModel,
    bits: NDArray[np.float32],
    step: float,
) -> None:
    """Add the nodes of one side of one image."""
    np.add(seen.classes, np.bincount(symbols[symbols >= 0], minlength=len(seen.classes)), out=seen.classes)
    if level.cells:
        coded_tables = np.maximum(level.tables, 1)  # units that were pruned may come back
        is_cell = (symbols >= 0) & (symbols < level.cells)
        collect_statistics(
            fitted.weights[side],
            1 / step,
            coded_tables,
            symbols,
            is_cell,
            bits,
            unit_groups(side),
            seen.cells,
            seen.gains,
        )
    if side > FINEST_SIDE:
        unused_gains = np.zeros(level.split_tables.shape)
        collect_statistics(
            fitted.pyramid.residuals[side],
            1 / step,
            level.split_tables,
            np.maximum(symbols - level.cells, 0),
            symbols >= level.cells,
            bits,
            _DETAIL_GROUPS,
            seen.splits,
            unused_gains,
        )


def _relearned(model: Model, statistics: dict[int, _LevelStatistics], *, pixels: int, cells_only: bool) -> Model:
    """The bank of tables from what chose each table, then every class's choice among them.

    ``cells_only``: leave split nodes, and how common classes are, as they were.
    """
    histograms = [h for seen in statistics.values() for h in (seen.cells, seen.splits) if h.size]
    bank = _bank(histograms, model.bits)
    bits = magnitude_bits(TableSet.of(bank), count=len(bank))
    switch_bits = _SWITCH_BITS_LARGE if pixels >= _LARGE_PIXELS else _SWITCH_BITS
    levels = {}
    for side, level in model.levels.items():
        seen = statistics[side]
        relearned = _relearned_cells(level, seen, side, bits, switch_bits) if level.cells else level
        if not cells_only:
            splits = level.split_tables.copy()
            splits[..., 1:] = _assign(seen.splits, bits, switch_bits)
            class_bits = -np.log2(seen.classes / seen.classes.sum())
            relearned = replace(relearned, split_tables=splits, class_bits=class_bits.astype(np.float32))
        levels[side] = relearned
    return Model(levels, bits, best_costs(bits), tuple(bank))


def _relearned_cells(
    level: LevelModel, seen: _LevelStatistics, side: int, bits: NDArray[np.float32], switch_bits: float
) -> LevelModel:
    """Units are kept up to where pruning the rest costs least; each group of them takes its best table."""
    kept = np.cumsum(seen.gains, axis=2).argmin(axis=2).astype(np.int32) + 1
    tables = _assign(seen.cells, bits, switch_bits)[:, :, np.maximum(unit_groups(side), 0)]
    return replace(level, kept=kept, tables=tables.astype(np.int32))


def _assign(histograms: NDArray[np.float32], bits: NDArray[np.float32], switch_bits: float) -> NDArray[np.int32]:
    """Table of each histogram ``(K, C, G, 256)``: the cheapest sequence along G, a change costing ``switch_bits``."""
    # One large matrix product: with one for each class and channel BLAS would spend its time on waking threads.
    costs = (histograms.reshape(-1, MAGNITUDES) @ bits[1:].T).reshape(*histograms.shape[:3], len(bits) - 1)
    tables = np.arange(costs.shape[3])
    total, cheapest = costs[:, :, 0], []
    for g in range(1, costs.shape[2]):
        other = total.argmin(2)[..., None]
        switched = np.take_along_axis(total, other, 2) + switch_bits
        cheapest.append(np.where(total <= switched, tables, other))
        total = np.minimum(total, switched) + costs[:, :, g]
    chosen = [total.argmin(2)]
    for before in reversed(cheapest):
        chosen.append(np.take_along_axis(before, chosen[-1][..., None], 2)[..., 0])
    result: NDArray[np.int32] = np.stack(chosen[::-1], axis=2).astype(np.int32) + 1
    return result


def _bank(histograms: Sequence[NDArray[np.float32]], bits: NDArray[np.float32]) -> list[SymbolTable]:
    """The null table, then the distribution of what chose each table; in order of scale."""
    rows = np.concatenate([h.reshape(-1, MAGNITUDES) for h in histograms])
    rows = rows[rows.sum(1) > 0]
    chosen = (rows @ bits[1:].T).argmin(1)
    bank = [SymbolTable(0, 0, np.array([TOTAL], np.uint16))]
    for t in range(len(bits) - 1):
        members = rows[chosen == t].sum(0, dtype=np.float64)
        if members.sum() < _PRIOR_VALUES:
            members = members + _PRIOR_VALUES * np.exp2(-(bits[t + 1] - (np.arange(MAGNITUDES) > 0)))
        bank.append(_symmetric_table(members))
    return bank


def _symmetric_table(magnitudes: NDArray[np.float64]) -> SymbolTable:
    """The table of least cost, its storage counted, for values of those magnitudes and either sign."""
    values = np.concatenate([-np.arange(MAGNITUDES - 1, 0, -1), np.arange(MAGNITUDES)])
    weights = np.concatenate([magnitudes[:0:-1] / 2, [magnitudes[0]], magnitudes[1:] / 2])
    best, least = None, np.inf
    for last in _last_magnitudes(magnitudes):
        for low_bits in range(_MAX_LOW_BITS + 1):
            tokens = values >> low_bits
            lowest, highest = -last >> low_bits, last >> low_bits
            inside = (tokens >= lowest) & (tokens <= highest)
            counts = np.bincount(tokens[inside] - lowest, weights[inside], highest - lowest + 1)
            table = SymbolTable(lowest, low_bits, normalize_counts(counts + 0.1))
            cost = float(table.cost_bits(values) @ weights) + _TABLE_ENTRY_BITS * len(table.freqs)
            if cost < least:
                best, least = table, cost
    if best is None:
        raise ValueError("histogram is not finite")
    return best


def _last_magnitudes(magnitudes: NDArray[np.float64]) -> list[int]:
    """Greatest magnitudes that a table may have tokens for: those beyond, a small share of all, are patched."""
    tail = np.cumsum(magnitudes[::-1])[::-1]
    return sorted({int(np.flatnonzero(tail >= tail[0] * share)[-1]) for share in _TAIL_SHARES})
