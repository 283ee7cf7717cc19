"""Rate-distortion optimisation: the class of each node and the integer of each weight. Compiled.

What is minimised is the Lagrangian cost D + lambda R. Tables are static, so a weight's best integer is known from the
weight and its table alone. Costs of classes are looked up in ``best_costs``: that minimum, tabulated over the weight's
magnitude. All in units of the quantization step: a distortion is a squared error divided by step**2, and lambda is in
those units per bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import TableSet
from inrformat.jit import exact

__all__ = [
    "COST_ENTRIES",
    "ENTRIES_PER_STEP",
    "FINE_STEPS",
    "LAMBDA",
    "LARGEST_INTEGER",
    "MAGNITUDES",
    "best_costs",
    "choose_classes",
    "collect_statistics",
    "magnitude_bits",
    "magnitude_index",
    "quantize",
]

MAGNITUDES = 256
"""Integers 0..255 have costs of their own; greater ones cost what 255 does."""
LAMBDA = 0.1
"""Lambda in units of step**2 per bit. 0.08 and 0.12 cost 0.2 and 0.6 % more at equal PSNR on photographs."""
ENTRIES_PER_STEP, FINE_STEPS = 16, 16
"""``best_costs`` has 16 entries for each of the first 16 steps of a magnitude, then one per step."""
_COARSE_STEPS = 512
COST_ENTRIES = ENTRIES_PER_STEP * FINE_STEPS + _COARSE_STEPS
LARGEST_INTEGER = 32767
"""The greatest integer a weight may have."""


def magnitude_bits(tables: TableSet, *, count: int) -> NDArray[np.float32]:
    """Bits of each magnitude under the first ``count`` tables, the sign's included: float32 ``(count, 256)``."""
    values = np.arange(MAGNITUDES)
    bits = np.stack([(t.cost_bits(values) + t.cost_bits(-values)) / 2 for t in tables.tables[:count]])
    return np.minimum(bits, 1e6).astype(np.float32)


def best_costs(bits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Least Lagrangian cost by table and ``magnitude_index``: float32 ``(tables, 768)``; table 0 prunes."""
    fine = (np.arange(ENTRIES_PER_STEP * FINE_STEPS) + 0.5) / ENTRIES_PER_STEP
    x = np.concatenate([fine, FINE_STEPS + np.arange(_COARSE_STEPS) + 0.5])
    best = np.full((len(bits), len(x)), np.inf)
    for q in (np.floor(x + 0.5), np.floor(x), 0 * x):
        rate = bits[:, np.minimum(q, MAGNITUDES - 1).astype(np.int64)]
        best = np.minimum(best, (x - q) ** 2 + LAMBDA * rate)
    best[0] = x * x
    return best.astype(np.float32)


@exact
def magnitude_index(weights: Any, inverse_step: float) -> Any:
    """Index of each weight's magnitude for ``best_costs``: uint16, same shape."""
    flat = weights.reshape(-1)
    out = np.empty(len(flat), np.uint16)
    for i in range(len(flat)):
        x = abs(flat[i]) * np.float32(inverse_step)
        if x < FINE_STEPS:
            out[i] = np.uint16(x * ENTRIES_PER_STEP)
        else:
            out[i] = min(ENTRIES_PER_STEP * FINE_STEPS + int(x - FINE_STEPS), COST_ENTRIES - 1)
    return out.reshape(weights.shape)


@exact
def choose_classes(index: Any, tables: Any, kept: Any, costs: Any, class_costs: Any, chosen: Any, least: Any) -> None:  # noqa: PLR0917
    """For each node the class of least Lagrangian cost.

    Args:
        index: of ``magnitude_index``, uint16 ``(n, C, P)``. tables: int32 ``(K, C, P)``. kept: int32 ``(K, C)``.
        costs: of ``best_costs``. class_costs: float32 ``(K,)``, of saying which class a node has.
        chosen, least: results, int32 and float32 ``(n,)``.
    """
    nodes, channels, units = index.shape
    # One flat table without signed numbers: compiled code need not multiply, nor look for negative places.
    flat, starts = costs.reshape(-1), (tables * costs.shape[1]).astype(np.uint32)
    tail = np.zeros((channels, units + 1), np.float32)
    for n in range(nodes):
        for c in range(channels):
            for p in range(units - 1, 0, -1):
                tail[c, p] = tail[c, p + 1] + flat[np.uint32(index[n, c, p])]
        best, winner = np.float32(np.inf), 0
        for k in range(len(kept)):
            cost = class_costs[k]
            for c in range(channels):
                start, entry, end = starts[k, c], index[n, c], kept[k, c]
                # Four sums at once: a single one would wait for each addition.
                s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                p = 1
                while p + 4 <= end:
                    s0 += flat[start[p] + np.uint32(entry[p])]
                    s1 += flat[start[p + 1] + np.uint32(entry[p + 1])]
                    s2 += flat[start[p + 2] + np.uint32(entry[p + 2])]
                    s3 += flat[start[p + 3] + np.uint32(entry[p + 3])]
                    p += 4
                while p < end:
                    s0 += flat[start[p] + np.uint32(entry[p])]
                    p += 1
                cost += (s0 + s1) + (s2 + s3) + tail[c, end]
                if cost >= best:
                    break
            if cost < best:
                best, winner = cost, k
        chosen[n], least[n] = winner, best


class _Integer(NamedTuple):
    """The best integer for a magnitude, and its Lagrangian cost."""

    value: int
    cost: float


@exact
def _best_integer(x: float, bits: Any, table: int) -> Any:
    """Among the nearest integer, the next one toward zero, and 0; ``x``: a magnitude in steps."""
    best = _Integer(0, x * x + LAMBDA * bits[table, 0])
    nearest = int(x + 0.5)
    for q in (nearest, nearest - 1):
        if q > 0:
            cost = (x - q) ** 2 + LAMBDA * bits[table, min(q, MAGNITUDES - 1)]
            if cost < best.cost:
                best = _Integer(q, cost)
    return best


@exact
def quantize(weights: Any, inverse_step: float, tables: Any, kept: Any, chosen: Any, bits: Any) -> Any:  # noqa: PLR0917
    """The best integer of each weight: int32 ``(n, C, P)``; unit 0 stays 0.

    Args:
        weights: float32 ``(n, C, P)``. tables: int32 ``(K, C, P)``. kept: int32 ``(K, C)``. chosen: classes ``(n,)``.
        bits: of ``magnitude_bits``.
    """
    out = np.zeros(weights.shape, np.int32)
    for n in range(len(weights)):
        k = chosen[n]
        for c in range(weights.shape[1]):
            for p in range(1, kept[k, c]):
                x = abs(weights[n, c, p]) * inverse_step
                if x < 0.5:
                    continue
                q = min(_best_integer(x, bits, tables[k, c, p]).value, LARGEST_INTEGER)
                out[n, c, p] = q if weights[n, c, p] > 0 else -q
    return out


@exact
def collect_statistics(  # noqa: PLR0917
    weights: Any,
    inverse_step: float,
    tables: Any,
    chosen: Any,
    used: Any,
    bits: Any,
    groups: Any,
    counts: Any,
    gains: Any,
) -> None:
    """What the weights of ``used`` nodes would be, unpruned: adds to histograms and to the gain of coding over pruning.

    Args:
        groups: int64 ``(P,)``. counts: float32 ``(K, C, G, 256)`` of magnitudes. gains: float64 ``(K, C, P)``,
            Lagrangian cost coded less the energy pruned.
    """
    for n in range(len(weights)):
        if not used[n]:
            continue
        k = chosen[n]
        for c in range(weights.shape[1]):
            for p in range(1, weights.shape[2]):
                x = abs(weights[n, c, p]) * inverse_step
                best = _best_integer(x, bits, tables[k, c, p])
                counts[k, c, groups[p], min(best.value, MAGNITUDES - 1)] += 1
                gains[k, c, p] += best.cost - x * x
