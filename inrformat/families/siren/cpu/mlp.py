"""The multilayer perceptron of ``siren`` at any positions (spec section 6.1), compiled.

Matrix products are blocked 4 x 4: four rows of activations feed four rows of results, sixteen multiply-adds for eight
loads, with the positions of a tile in the vector lanes. Widths are padded to multiples of 4 with zeros
(``families/siren/padding.py``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inrformat.decoding.cpu.batch import Sample
from inrformat.families.siren.cpu.descriptors import FlatSiren
from inrformat.jit import relaxed_part

__all__ = ["INVERSE_PI", "TILE_PIXELS", "affine", "evaluate_at", "reduced", "sine_of_half_turns"]

TILE_PIXELS = 128
"""Positions of a tile: a compile-time constant, so that row strides are known and the loops vectorize."""

_T = TILE_PIXELS
_HALF, _ONE, _FOUR = (np.float32(v) for v in (0.5, 1.0, 4.0))
INVERSE_PI = np.float32(1 / math.pi)
# sin(pi r) / r in powers of r^2 for |r| <= 1/2, least squares at Chebyshev points: error 1e-7.
_S0, _S1, _S2, _S3, _S4 = (np.float32(v) for v in (3.14159274, -5.1677103, 2.55007744, -0.598291218, 0.0776575729))


@relaxed_part
def affine(w: Any, rows: int, cols: int, bias: Any, a: Any, z: Any) -> None:
    """z (rows, T) = w (rows, cols) a (cols, T) + bias (rows,); all flat."""
    for o in range(0, rows, 4):
        zb = z[o * _T : (o + 4) * _T]
        for i in range(0, cols, 4):
            ab = a[i * _T : (i + 4) * _T]
            k = o * cols + i
            w00, w01, w02, w03 = w[k], w[k + 1], w[k + 2], w[k + 3]
            k += cols
            w10, w11, w12, w13 = w[k], w[k + 1], w[k + 2], w[k + 3]
            k += cols
            w20, w21, w22, w23 = w[k], w[k + 1], w[k + 2], w[k + 3]
            k += cols
            w30, w31, w32, w33 = w[k], w[k + 1], w[k + 2], w[k + 3]
            if i == 0:
                b0, b1, b2, b3 = bias[o], bias[o + 1], bias[o + 2], bias[o + 3]
                for p in range(_T):
                    a0, a1, a2, a3 = ab[p], ab[_T + p], ab[2 * _T + p], ab[3 * _T + p]
                    zb[p] = b0 + w00 * a0 + w01 * a1 + w02 * a2 + w03 * a3
                    zb[_T + p] = b1 + w10 * a0 + w11 * a1 + w12 * a2 + w13 * a3
                    zb[2 * _T + p] = b2 + w20 * a0 + w21 * a1 + w22 * a2 + w23 * a3
                    zb[3 * _T + p] = b3 + w30 * a0 + w31 * a1 + w32 * a2 + w33 * a3
            else:
                for p in range(_T):
                    a0, a1, a2, a3 = ab[p], ab[_T + p], ab[2 * _T + p], ab[3 * _T + p]
                    zb[p] += w00 * a0 + w01 * a1 + w02 * a2 + w03 * a3
                    zb[_T + p] += w10 * a0 + w11 * a1 + w12 * a2 + w13 * a3
                    zb[2 * _T + p] += w20 * a0 + w21 * a1 + w22 * a2 + w23 * a3
                    zb[3 * _T + p] += w30 * a0 + w31 * a1 + w32 * a2 + w33 * a3


@relaxed_part
def reduced(half_turns: Any) -> tuple[Any, Any]:
    """An angle in half turns as r in [-1/2, 1/2] and the sign of its sine and cosine."""
    k = np.rint(half_turns)
    # An odd number of half turns flips the sign: k / 2 is then 1/2 away from a whole number.
    half = k * _HALF
    return half_turns - k, _ONE - _FOUR * np.abs(half - np.rint(half))


@relaxed_part
def sine_of_half_turns(r: Any) -> Any:
    """sin(pi r) for |r| <= 1/2."""
    u = r * r
    return r * (_S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * _S4))))


@relaxed_part
def evaluate_at(network: FlatSiren, parameters: Any, sample: Sample, x: Any, y: Any, width: int) -> Any:
    """The network at positions that lie in rows of ``width``, tile by tile.

    Args:
        parameters: float32 ``(padded_count,)``. x, y: float64 ``(rows * width,)``, native px.

    Returns:
        float32 ``(rows, C, width)``: outputs before the step to colours.
    """
    channels, native_height, native_width = network.channels, sample.height, sample.width
    out = np.empty((len(x) // width, channels, width), np.float32)
    activations, sums = np.zeros(network.widest * _T, np.float32), np.empty(network.widest * _T, np.float32)
    for first in range(0, len(x), _T):
        count = min(_T, len(x) - first)
        activations[2 * _T : 4 * _T] = 0
        for p in range(count):
            activations[p] = 2 * x[first + p] / native_width - 1
            activations[_T + p] = 2 * y[first + p] / native_height - 1
        _evaluate_tile(parameters, network.widths, network.omega, activations, sums)
        for k in range(channels):
            for p in range(count):
                out[(first + p) // width, k, (first + p) % width] = sums[k * _T + p]
    return out


@relaxed_part
def _evaluate_tile(parameters: Any, widths: Any, omega: Any, activations: Any, sums: Any) -> None:
    """The network at the tile of positions whose coordinates are in ``activations``.

    Args:
        parameters: float32 ``(padded_count,)``. widths: int64, padded. omega: float32.
        activations: float32 ``(widest * TILE_PIXELS,)``, scratch, with x and y in its first two rows.
        sums: float32 likewise, written: outputs before the step to colours, row by row.
    """
    half_turns = omega * INVERSE_PI
    at = 0
    for layer in range(len(widths) - 1):
        rows, cols = widths[layer + 1], widths[layer]
        bias = at + rows * cols
        affine(parameters[at:bias], rows, cols, parameters[bias : bias + rows], activations, sums)
        at = bias + rows
        if layer < len(widths) - 2:
            for p in range(rows * _T):
                r, sign = reduced(sums[p] * half_turns)
                activations[p] = sign * sine_of_half_turns(r)
