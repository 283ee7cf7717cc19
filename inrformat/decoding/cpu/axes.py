"""Aligned maps, one axis alone: evaluations of each output and window coverage (spec section 8.2); compiled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Maps
from inrformat.decoding.geometry import PaddingMode
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["Axis", "AxisTaps", "aligned_coverage", "axis_taps", "fold", "horizontal_axis", "vertical_axis"]

_EXTEND, _CONSTANT, _EDGE = int(PaddingMode.EXTEND), int(PaddingMode.CONSTANT), int(PaddingMode.EDGE)
_REFLECT, _SYMMETRIC = int(PaddingMode.REFLECT), int(PaddingMode.SYMMETRIC)
_POINT_SPAN = 1 + 1e-6
"""Native pixels that an output pixel may span without being filtered: more than 1 by rounding is no minification."""


class Axis(NamedTuple):
    """One axis of a sample's map; the centre of output pixel j lies at ``scale * (j + 0.5) + shift``, native px.

    Attributes:
        low, high: the window, feather: native px over which its edge fades out. size: output pixels.
    """

    scale: float
    shift: float
    low: float
    high: float
    feather: float
    size: int
    padding_mode: int
    antialias: bool


class AxisTaps(NamedTuple):
    """Evaluations of all outputs of an axis: those of output j are numbers ``starts[j] .. starts[j + 1] - 1``.

    Attributes:
        starts: int32 ``(size + 1,)``. positions: float64 ``(n,)``, native px. weights: float32 ``(n,)``.
    """

    starts: NDArray[np.int32]
    positions: NDArray[np.float64]
    weights: NDArray[np.float32]


@relaxed_inline
def vertical_axis(maps: Maps, b: int) -> Axis:
    """The y axis of sample b."""
    m, window, feather = maps.matrices[b], maps.windows[b], maps.feather[b]
    return Axis(m[4], m[5], window[1], window[3], feather[1], maps.height, maps.padding_mode, maps.antialias)


@relaxed_inline
def horizontal_axis(maps: Maps, b: int) -> Axis:
    """The x axis of sample b."""
    m, window, feather = maps.matrices[b], maps.windows[b], maps.feather[b]
    return Axis(m[0], m[2], window[0], window[2], feather[0], maps.width, maps.padding_mode, maps.antialias)


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


@relaxed_part
def axis_taps(axis: Axis) -> AxisTaps:
    """Evaluations of every output: one at its centre, or the native pixels that it covers if the map shrinks."""
    scale, shift, low, high = axis.scale, axis.shift, axis.low, axis.high
    size, padding_mode = axis.size, axis.padding_mode
    span = abs(scale)
    starts = np.zeros(size + 1, np.int32)
    if not axis.antialias or not span > _POINT_SPAN:
        positions, weights = np.empty(size), np.ones(size, np.float32)
        for j in range(size):
            positions[j] = fold(scale * (j + 0.5) + shift, low, high, padding_mode)
            starts[j + 1] = j + 1
        return AxisTaps(starts, positions, weights)
    most = int(2 * span) + 2
    positions, weights = np.empty(size * most), np.empty(size * most, np.float32)
    bounded = padding_mode in (_EXTEND, _CONSTANT)
    at = 0
    for j in range(size):
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
    return AxisTaps(starts, positions[:at], weights[:at])


@relaxed_part
def _axis_coverage(axis: Axis) -> Any:
    """How much of the window each output of an axis sees: float32 ``(size,)`` in [0, 1]."""
    scale, shift, low, high, feather = axis.scale, axis.shift, axis.low, axis.high, axis.feather
    if axis.antialias and abs(scale) > _POINT_SPAN:
        feather = max(feather, abs(scale))
    coverage = np.empty(axis.size, np.float32)
    for j in range(axis.size):
        centre = scale * (j + 0.5) + shift
        coverage[j] = min(max(min(centre - low, high - centre) / feather + 0.5, 0.0), 1.0)
    return coverage


@relaxed_part
def aligned_coverage(maps: Maps, b: int) -> Any:
    """How much of the window every output pixel of sample b sees, in [0, 1].

    Returns:
        float32 ``(height, width)``; ``(0, 0)`` if nothing is filled with a colour.
    """
    if maps.padding_mode != _CONSTANT:
        return np.empty((0, 0), np.float32)
    down, across = _axis_coverage(vertical_axis(maps, b)), _axis_coverage(horizontal_axis(maps, b))
    return down.reshape(-1, 1) * across
