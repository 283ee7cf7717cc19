"""Rate-distortion decisions: the class of each node and the integer of each weight. Compiled.

Tables are static, so a weight's best integer under D + lambda R is known from the weight and its table alone. Class
costs are looked up in ``best_costs``: that minimum tabulated over the weight's magnitude. All in units of the step:
a distortion is a squared error divided by step**2, ``price`` is lambda in those units per bit.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import TableSet

__all__ = [
    "LAMBDA",
    "MAGNITUDES",
    "best_costs",
    "choose_classes",
    "fine_index_bounds",
    "magnitude_bits",
    "magnitude_index",
    "quantize",
]

MAGNITUDES = 256
"""Integers 0..255 have costs of their own; greater ones cost what 255 does."""
LAMBDA = 0.1
"""Lambda in units of step**2 a bit. 0.08 and 0.12 cost 0.2 and 0.6 % more at equal PSNR on photographs."""
_FINE, _FINE_END = 16, 16
_COARSE = 512


def fine_index_bounds() -> tuple[int, int, int]:
    """Entries a step below ``end``, one a step above it: (entries a step, end in steps, last index)."""
    return _FINE, _FINE_END, _FINE * _FINE_END + _COARSE - 1


def magnitude_bits(tables: TableSet, *, count: int) -> NDArray[np.float32]:
    """Bits of each magnitude under the first ``count`` tables, the sign's included: float32 ``(count, 256)``."""
    values = np.arange(MAGNITUDES)
    bits = np.stack([(t.cost_bits(values) + t.cost_bits(-values)) / 2 for t in tables.tables[:count]])
    return np.minimum(bits, 1e6).astype(np.float32)


def best_costs(bits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Least D + lambda R by table and ``magnitude_index``: float32 ``(tables, 768)``; table 0 prunes."""
    x = np.concatenate([(np.arange(_FINE * _FINE_END) + 0.5) / _FINE, _FINE_END + np.arange(_COARSE) + 0.5])
    best = np.full((len(bits), len(x)), np.inf)
    for q in (np.floor(x + 0.5), np.floor(x), 0 * x):
        rate = bits[:, np.minimum(q, MAGNITUDES - 1).astype(np.int64)]
        best = np.minimum(best, (x - q) ** 2 + LAMBDA * rate)
    best[0] = x * x
    return best.astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def magnitude_index(weights: Any, inverse_step: float) -> Any:
    """Index of each weight's magnitude for ``best_costs``: uint16, same shape."""
    flat = weights.reshape(-1)
    out = np.empty(len(flat), np.uint16)
    for i in range(len(flat)):
        x = abs(flat[i]) * np.float32(inverse_step)
        out[i] = np.uint16(x * _FINE) if x < _FINE_END else min(_FINE * _FINE_END + int(x - _FINE_END), 767)
    return out.reshape(weights.shape)


@numba.njit(cache=True, nogil=True, fastmath=True)
def choose_classes(index: Any, tables: Any, kept: Any, costs: Any, class_costs: Any, chosen: Any, least: Any) -> None:  # noqa: PLR0917
    """For each node the class of least cost.

    Args:
        index: uint16 ``(n, C, P)``. tables: int32 ``(K, C, P)``. kept: int32 ``(K, C)``. costs: of ``best_costs``.
        class_costs: float32 ``(K,)``. chosen, least: results, int32 and float32 ``(n,)``.
    """
    nodes, channels, units = index.shape
    tail = np.zeros((channels, units + 1), np.float32)
    for n in range(nodes):
        for c in range(channels):
            for p in range(units - 1, 0, -1):
                tail[c, p] = tail[c, p + 1] + costs[0, index[n, c, p]]
        best, winner = np.float32(np.inf), 0
        for k in range(len(kept)):
            cost = class_costs[k]
            for c in range(channels):
                end = kept[k, c]
                # Four sums at once: a single one would wait for each addition.
                s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                p = 1
                while p + 4 <= end:
                    s0 += costs[tables[k, c, p], index[n, c, p]]
                    s1 += costs[tables[k, c, p + 1], index[n, c, p + 1]]
                    s2 += costs[tables[k, c, p + 2], index[n, c, p + 2]]
                    s3 += costs[tables[k, c, p + 3], index[n, c, p + 3]]
                    p += 4
                while p < end:
                    s0 += costs[tables[k, c, p], index[n, c, p]]
                    p += 1
                cost += (s0 + s1) + (s2 + s3) + tail[c, end]
                if cost >= best:
                    break
            if cost < best:
                best, winner = cost, k
        chosen[n], least[n] = winner, best


@numba.njit(cache=True, nogil=True)
def quantize(weights: Any, inverse_step: float, tables: Any, kept: Any, chosen: Any, bits: Any) -> Any:  # noqa: PLR0917
    """The best integer of each weight among round, toward zero and 0: int32 ``(n, C, P)``; unit 0 stays 0."""
    out = np.zeros(weights.shape, np.int32)
    for n in range(len(weights)):
        k = chosen[n]
        for c in range(weights.shape[1]):
            for p in range(1, kept[k, c]):
                x = abs(weights[n, c, p]) * inverse_step
                if x < 0.5:
                    continue
                t = tables[k, c, p]
                nearest = int(x + 0.5)
                best_q, best = 0, x * x + LAMBDA * bits[t, 0]
                for q in (nearest, nearest - 1):
                    if q > 0:
                        cost = (x - q) ** 2 + LAMBDA * bits[t, min(q, MAGNITUDES - 1)]
                        if cost < best:
                            best_q, best = q, cost
                best_q = min(best_q, 32767)
                out[n, c, p] = best_q if weights[n, c, p] > 0 else -best_q
    return out


@numba.njit(cache=True, nogil=True)
def statistics(  # noqa: PLR0917
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
        groups: int64 ``(P,)``. counts: float32 ``(K, C, G, 256)`` of magnitudes. gains: float64
        ``(K, C, P)``, D + lambda R coded less the energy pruned.
    """
    for n in range(len(weights)):
        if not used[n]:
            continue
        k = chosen[n]
        for c in range(weights.shape[1]):
            for p in range(1, weights.shape[2]):
                x = abs(weights[n, c, p]) * inverse_step
                t = tables[k, c, p]
                best_q, best = 0, x * x + LAMBDA * bits[t, 0]
                nearest = int(x + 0.5)
                for q in (nearest, nearest - 1):
                    if q > 0:
                        cost = (x - q) ** 2 + LAMBDA * bits[t, min(q, MAGNITUDES - 1)]
                        if cost < best:
                            best_q, best = q, cost
                counts[k, c, groups[p], min(best_q, MAGNITUDES - 1)] += 1
                gains[k, c, p] += best - x * x
