"""One axis of an aligned map: where each output looks, what of the window it sees (spec section 8.2); compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.decode.geometry import PaddingMode
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["axis_coverage", "axis_taps", "fold"]

_EXTEND, _CONSTANT, _EDGE = int(PaddingMode.EXTEND), int(PaddingMode.CONSTANT), int(PaddingMode.EDGE)
_REFLECT, _SYMMETRIC = int(PaddingMode.REFLECT), int(PaddingMode.SYMMETRIC)


@relaxed_inline
def fold(position: float, low: float, high: float, padding_mode: int) -> float:
    """See ``geometry.fold``; anything that is not a number goes to ``low``."""
    if padding_mode in (_EDGE, _REFLECT):
        low, high = low + 0.5, high - 0.5
    if padding_mode in (_REFLECT, _SYMMETRIC):
        extent = max(high - low, 1e-6)
        away = (position - low) % (2 * extent)
        position = low + min(away, 2 * extent - away)
    if not position > low:
        return low
    return min(position, high)


@relaxed
def axis_taps(
    scale: float,
    shift: float,
    low: float,
    high: float,
    count: int,
    padding_mode: int,
    antialias: bool,
) -> tuple[Any, Any, Any]:
    """Evaluations of every output of one axis (spec section 8.2).

    Returns:
        Where each output's taps start, int32 ``(count + 1,)``; positions in native pixels, float64; weights, float32.
    """
    span = abs(scale)
    starts = np.zeros(count + 1, np.int32)
    if not antialias or not span > 1 + 1e-6:
        positions, weights = np.empty(count), np.ones(count, np.float32)
        for j in range(count):
            positions[j] = fold(scale * (j + 0.5) + shift, low, high, padding_mode)
            starts[j + 1] = j + 1
        return starts, positions, weights
    most = int(2 * span) + 2
    positions, weights = np.empty(count * most), np.empty(count * most, np.float32)
    bounded = padding_mode in (_EXTEND, _CONSTANT)
    at = 0
    for j in range(count):
        centre = scale * (j + 0.5) + shift
        first, last = centre - span, centre + span
        if bounded:
            first, last = max(first, low), min(last, high)
        total, begin = 0.0, at
        for k in range(most):
            p = math.ceil(first - 0.5) + k + 0.5
            weight = 1 - abs(p - centre) / span
            if p <= last and weight > 0:
                positions[at], weights[at] = fold(p, low, high, padding_mode), weight
                total += weight
                at += 1
        for t in range(begin, at):
            weights[t] /= max(total, 1e-9)
        starts[j + 1] = at
    return starts, positions[:at], weights[:at]


@relaxed
def axis_coverage(
    scale: float,
    shift: float,
    low: float,
    high: float,
    count: int,
    feather: float,
    antialias: bool,
) -> Any:
    """Share of the window in each output, float32 ``(count,)``."""
    if antialias and abs(scale) > 1 + 1e-6:
        feather = max(feather, abs(scale))
    cover = np.empty(count, np.float32)
    for j in range(count):
        centre = scale * (j + 0.5) + shift
        cover[j] = min(max(min(centre - low, high - centre) / feather + 0.5, 0.0), 1.0)
    return cover
