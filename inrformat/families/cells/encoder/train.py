"""Codebook training: classes and tables from a sample, by turns, until the rate-distortion cost settles.

Lloyd's algorithm on the encoder's own cost: given tables, every node takes its best class; given classes, every
(class, channel, unit group) takes the best of a bank of tables, and every table of the bank becomes the distribution
of what was assigned to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import PRECISION_BITS, SymbolTable, TableSet, normalize_counts
from inrformat.families.cells.descriptor import Cells, Level
from inrformat.families.cells.encoder.fit import Fit
from inrformat.families.cells.encoder.model import LevelModel, Model, decide
from inrformat.families.cells.encoder.rate_distortion import MAGNITUDES, best_costs, magnitude_bits, statistics
from inrformat.families.cells.nodes import CELL_SIDES, unit_groups, unit_order
from inrformat.families.cells.record import SCALE_LIMIT
from inrformat.families.codebook import Codebook

__all__ = ["ClassCounts", "colour_basis", "start", "to_codebook", "train"]

BANK = 32
_ORIENTATIONS = 4
_SWITCH_BITS, _SWITCH_BITS_LARGE, _LARGE_PIXELS = 6.0, 32.0, 1 << 20
"""What another table number than the neighbouring group's has to save on the sample.

In the file it costs about 8 bits, but much of what it saves on a large sample is noise: with 6 M pixels 24 bits give a
codebook a tenth smaller and records 0.1 % larger than 8 do. On a single picture 10 bits make them 1.5 % larger than 6.
"""


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


def colour_basis(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Principal axes of the sample's colours: float32 ``(C, C)``, orthonormal rows, most variance first."""
    channels = images[0].shape[2]
    stride = max(sum(i.size for i in images) // (3 << 20), 1)
    pixels = np.concatenate([i.reshape(-1, channels)[::stride] for i in images]).astype(np.float64)
    centred = pixels - pixels.mean(0)
    # A little of a neutral prior keeps the axes of grey or tiny samples well defined: grey, then opponents.
    prior = np.eye(channels) + 3 * np.ones((channels, channels))
    _, vectors = np.linalg.eigh(centred.T @ centred + prior)
    axes = vectors.T[::-1]
    strongest = np.argmax(np.abs(axes), axis=1)
    axes = axes * np.sign(axes[np.arange(channels), strongest])[:, None]
    basis: NDArray[np.float32] = axes.astype(np.float32)
    return basis


def start(fits: Sequence[Fit], step: float, counts: ClassCounts) -> tuple[Model, list[dict[int, NDArray[np.int32]]]]:
    """A first bank of geometric tables, and classes by energy and direction of each cell."""
    channels = fits[0].weights[8].shape[1]
    scales = np.concatenate([[1e-3], np.geomspace(0.02, 60, BANK)])
    q = np.arange(MAGNITUDES)
    logs = -q[None] / scales[:, None] / np.log(2)
    logs -= np.log2(np.exp2(logs).sum(1, keepdims=True))
    bits = np.minimum(-logs + (q > 0), 28).astype(np.float32)
    levels = {}
    classes: dict[int, list[NDArray[np.int32]]] = {}
    middle = 1 + BANK // 2
    for side in (*CELL_SIDES, 64):
        k, s = counts.of(side), counts.splits if side > CELL_SIDES[-1] else 0
        units = side * side if k else 1
        spread = np.linspace(8, BANK - 8, max(s, 1)).astype(np.int32)[:s, None, None]
        splits = np.broadcast_to(spread, (s, channels, 4)).copy()
        tables = np.full((k, channels, units), middle, np.int32)
        flat = np.full(k + s, np.log2(k + s), np.float32)
        levels[side] = LevelModel(np.full((k, channels), units, np.int32), tables, splits, flat)
        if k:
            classes[side] = _by_energy([f.weights[side] for f in fits], step, k)
    starts = [{side: classes[side][n] for side in CELL_SIDES} for n in range(len(fits))]
    return Model(levels, bits, best_costs(bits)), starts


def _by_energy(weights: Sequence[NDArray[np.float32]], step: float, count: int) -> list[NDArray[np.int32]]:
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
    rank = total.argsort(kind="stable").argsort(kind="stable") * bins // len(total)
    chosen = np.zeros(len(total), np.int32)
    for n in range(bins):
        inside = np.flatnonzero(rank == n)
        order = (horizontal - vertical)[inside].argsort(kind="stable").argsort(kind="stable")
        chosen[inside] = n * directions + order * directions // max(len(inside), 1)
    return np.split(chosen, np.cumsum([len(w) for w in weights])[:-1])


def train(
    fits: Sequence[Fit],
    step: float,
    counts: ClassCounts,
    *,
    rounds: int,
    model: Model | None = None,
    on_round: Callable[[], None] = lambda: None,
) -> Model:
    """Learn a model for ``step``, from ``model`` where given. Deterministic. ``on_round`` follows each round."""
    chosen: list[dict[int, NDArray[np.int32]]] | None = None
    if model is None:
        model, chosen = start(fits, step, counts)
    for _ in range(rounds):
        decided = [decide(f, model, step)[0] for f in fits] if chosen is None else None
        model = _learn(fits, step, model, decided, chosen)
        chosen = None
        on_round()
    return model


def _learn(
    fits: Sequence[Fit], step: float, model: Model, decided: list[dict[int, NDArray[np.int32]]] | None,
    forced: list[dict[int, NDArray[np.int32]]] | None,
) -> Model:  # fmt: skip
    """One turn: tables from classes (decided ones, or all cells of every side with ``forced`` ones)."""
    histograms: dict[tuple[int, str], NDArray[np.float32]] = {}
    gains: dict[int, NDArray[np.float64]] = {}
    seen = {side: np.full(len(v.class_bits), 0.5) for side, v in model.levels.items()}
    channels = fits[0].weights[8].shape[1]
    for side, level in model.levels.items():
        groups = unit_groups(side) if level.cells else np.zeros(1, np.int64)
        histograms[side, "cells"] = np.zeros((level.cells, channels, int(groups.max()) + 1, MAGNITUDES), np.float32)
        histograms[side, "splits"] = np.zeros((len(level.split_tables), channels, 3, MAGNITUDES), np.float32)
        gains[side] = np.zeros(level.tables.shape)
    for n, f in enumerate(fits):
        for side in decided[n] if decided else CELL_SIDES:
            level, key = model.level(side), min(side, 64)
            if decided:
                symbols = decided[n][side].ravel()
                seen[key] += np.bincount(symbols[symbols >= 0], minlength=len(seen[key]))
            else:
                symbols = forced[n][side] if forced else np.zeros(0, np.int32)
            if level.cells:
                statistics(
                    f.weights[side], 1 / step, _unpruned(level, side), symbols,
                    (symbols >= 0) & (symbols < level.cells), model.bits, unit_groups(side),
                    histograms[key, "cells"], gains[key],
                )  # fmt: skip
            if side > CELL_SIDES[-1] and decided:
                unused = np.zeros((len(level.split_tables), channels, 4))
                statistics(
                    f.residuals[side], 1 / step, level.split_tables, np.maximum(symbols - level.cells, 0),
                    symbols >= level.cells, model.bits, np.array([-1, 0, 1, 2]), histograms[key, "splits"], unused,
                )  # fmt: skip
    bank = _bank([h for h in histograms.values() if h.size], model.bits)
    bits = magnitude_bits(TableSet.of(bank), count=len(bank))
    switch = _SWITCH_BITS_LARGE if sum(f.height * f.width for f in fits) >= _LARGE_PIXELS else _SWITCH_BITS
    levels = {}
    for side, level in model.levels.items():
        tables = (
            _assign(histograms[side, "cells"], bits, switch) if level.cells else np.zeros((0, channels, 1), np.int32)
        )
        splits = level.split_tables
        if decided:
            splits = splits.copy()
            splits[..., 1:] = _assign(histograms[side, "splits"], bits, switch)
        kept = np.cumsum(gains[side], axis=2).argmin(axis=2).astype(np.int32) + 1
        units = tables[:, :, np.maximum(unit_groups(side), 0)] if level.cells else tables
        class_bits = -np.log2(seen[side] / seen[side].sum()) if decided else level.class_bits
        levels[side] = LevelModel(kept, units.astype(np.int32), splits, class_bits.astype(np.float32))
    return Model(levels, bits, best_costs(bits), tuple(bank))


def _unpruned(level: LevelModel, side: int) -> NDArray[np.int32]:
    return np.maximum(level.tables, 1) if side in CELL_SIDES else level.tables


def _assign(histograms: NDArray[np.float32], bits: NDArray[np.float32], switch_bits: float) -> NDArray[np.int32]:
    """Table of each histogram ``(K, C, G, 256)``: the cheapest sequence along G, a change costing ``switch_bits``."""
    costs = histograms @ bits[1:].T
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
    bank = [SymbolTable(0, 0, np.array([1 << PRECISION_BITS, 0], np.uint16))]
    for t in range(len(bits) - 1):
        members = rows[chosen == t].sum(0, dtype=np.float64)
        if members.sum() < 64:
            # Nothing to learn from: the former distribution, with little weight.
            members = members + 64 * np.exp2(-(bits[t + 1] - (np.arange(MAGNITUDES) > 0)))
        bank.append(_symmetric_table(members))
    return bank


def _symmetric_table(magnitudes: NDArray[np.float64]) -> SymbolTable:
    """The table of least cost, its storage counted, for values of those magnitudes and either sign."""
    total = magnitudes.sum()
    tail = np.cumsum(magnitudes[::-1])[::-1]
    last = int(np.flatnonzero(tail >= total / 4096)[-1])
    values = np.concatenate([-np.arange(MAGNITUDES - 1, 0, -1), np.arange(MAGNITUDES)])
    weights = np.concatenate([magnitudes[:0:-1] / 2, [magnitudes[0]], magnitudes[1:] / 2])
    best, least = None, np.inf
    for low_bits in range(7):
        tokens = values >> low_bits
        lowest, highest = -last >> low_bits, last >> low_bits
        inside = (tokens >= lowest) & (tokens <= highest)
        counts = np.bincount(tokens[inside] - lowest, weights[inside], highest - lowest + 1)
        table = SymbolTable(lowest, low_bits, normalize_counts(np.append(counts + 0.1, weights[~inside].sum() + 0.1)))
        cost = float(table.cost_bits(values) @ weights) + 6.0 * len(table.freqs)
        if cost < least:
            best, least = table, cost
    if best is None:
        raise ValueError("histogram is not finite")
    return best


def to_codebook(
    model: Model, fits: Sequence[Fit], step: float, colour: NDArray[np.float32], *, scale_spread: float
) -> Codebook:
    """The model as descriptor and tables. ``scale_spread``: how far records' step scales stray from 0, typically."""
    tables = list(model.bank)
    levels = []
    for side, level in model.levels.items():
        counts = np.exp2(-level.class_bits.astype(np.float64))
        groups = unit_groups(side) if level.cells else np.zeros(0, np.int64)
        first = [int(np.argmax(groups == g)) for g in range(int(groups.max(initial=-1)) + 1)]
        group_tables = level.tables[:, :, np.array(first, np.int64)].astype(np.uint8)
        levels.append(Level(side, level.kept, group_tables, level.split_tables[..., 1:].astype(np.uint8), len(tables)))
        tables.append(SymbolTable(0, 0, normalize_counts(np.append(np.maximum(counts, 1e-5), 0))))
    roots = []
    for c in range(len(colour)):
        means = np.concatenate([np.rint(_top(f)[c].ravel() / step) for f in fits])
        roots.append(len(tables))
        tables.append(SymbolTable.from_values(np.clip(means, -30000, 30000), complete=False))
    scales = np.exp(-np.abs(np.arange(-SCALE_LIMIT, SCALE_LIMIT + 1)) / max(scale_spread, 0.05))
    tables.append(SymbolTable(-SCALE_LIMIT, 0, normalize_counts(np.append(scales, 0))))
    network = Cells(float(np.float32(step)), colour, tuple(levels), tuple(roots), len(tables) - 1)
    return Codebook(TableSet.of(tables), (network,))


def _top(f: Fit) -> NDArray[np.float64]:
    return f.means[max(f.means)]
