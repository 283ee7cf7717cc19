"""A SIREN forward and back on a tile of points, compiled operation by operation: fits decide the bytes of a file.

Matrix products are blocked 4 x 4: four rows of activations feed four rows of results, sixteen multiply-adds for eight
loads, with the points of the tile in the vector lanes. Widths are padded to multiples of 4 with zeros
(``families/siren/padding.py``). The decoder's ``cpu/mlp.py`` leaves order and rounding of such sums to the compiler.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.lanes import ROWS, TILE_PIXELS, add_products, add_row_sums
from inrformat.jit import exact, fma

__all__ = ["PaddedShape", "Workspace", "backward", "forward", "square", "transpose_weights", "workspace"]

_T = TILE_PIXELS


class PaddedShape(NamedTuple):
    """Widths: int64, padded. omega: float32. channels: outputs without padding."""

    widths: NDArray[np.int64]
    omega: np.float32
    channels: int


class Workspace(NamedTuple):
    """What a tile leaves on its way through networks of one shape: float32, flat, T values for each unit.

    Attributes:
        h, slope: of the units of all layers, one after the other: what goes into the next layer, and its derivative by
            the unit's sum. d, below: of the widest layer: sums on the way forward, derivatives on the way back.
        zeros: as many as the widest layer has units. transposed: weights of all layers but the first, transposed.
    """

    h: NDArray[np.float32]
    slope: NDArray[np.float32]
    d: NDArray[np.float32]
    below: NDArray[np.float32]
    zeros: NDArray[np.float32]
    transposed: NDArray[np.float32]


def workspace(shape: PaddedShape) -> Workspace:
    """For one thread."""
    widths = shape.widths.tolist()
    units, widest = sum(widths) * _T, max(widths) * _T
    weights = sum(a * b for a, b in pairwise(widths[1:]))
    h, slope, d, below = (np.zeros(n, np.float32) for n in (units, units, widest, widest))
    return Workspace(h, slope, d, below, np.zeros(max(widths), np.float32), np.zeros(weights, np.float32))


_HALF, _ONE, _FOUR = (np.float32(v) for v in (0.5, 1.0, 4.0))
_INVERSE_PI = np.float32(1 / math.pi)
# sin(pi r) / r and cos(pi r) in powers of r^2 for |r| <= 1/2, least squares at Chebyshev points: errors 1e-7, 1.4e-7.
_S0, _S1, _S2, _S3, _S4 = (np.float32(v) for v in (3.14159274, -5.1677103, 2.55007744, -0.598291218, 0.0776575729))
_C0, _C1, _C2, _C3, _C4, _C5 = (
    np.float32(v) for v in (1.0, -4.93480206, 4.05870914, -1.33521199, 0.234937295, -0.0243963022)
)


@exact
def _affine(w: Any, bias: Any, a: Any, z: Any) -> None:
    """z (rows, T) = w (rows, cols) a (cols, T) + bias (rows,); all flat."""
    rows, cols = len(bias), len(w) // len(bias)
    for o in range(0, rows, ROWS):
        zb = z[o * _T : (o + ROWS) * _T]
        for i in range(0, cols, ROWS):
            ab = a[i * _T : (i + ROWS) * _T]
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
                    zb[p] = fma(w03, a3, fma(w02, a2, fma(w01, a1, fma(w00, a0, b0))))
                    zb[_T + p] = fma(w13, a3, fma(w12, a2, fma(w11, a1, fma(w10, a0, b1))))
                    zb[2 * _T + p] = fma(w23, a3, fma(w22, a2, fma(w21, a1, fma(w20, a0, b2))))
                    zb[3 * _T + p] = fma(w33, a3, fma(w32, a2, fma(w31, a1, fma(w30, a0, b3))))
            else:
                for p in range(_T):
                    a0, a1, a2, a3 = ab[p], ab[_T + p], ab[2 * _T + p], ab[3 * _T + p]
                    zb[p] = fma(w03, a3, fma(w02, a2, fma(w01, a1, fma(w00, a0, zb[p]))))
                    zb[_T + p] = fma(w13, a3, fma(w12, a2, fma(w11, a1, fma(w10, a0, zb[_T + p]))))
                    zb[2 * _T + p] = fma(w23, a3, fma(w22, a2, fma(w21, a1, fma(w20, a0, zb[2 * _T + p]))))
                    zb[3 * _T + p] = fma(w33, a3, fma(w32, a2, fma(w31, a1, fma(w30, a0, zb[3 * _T + p]))))


@exact
def _sine(z: Any, omega: Any, h: Any, slope: Any) -> None:
    """h = sin(omega z), slope = omega cos(omega z): reduce to |r| <= 1/2 half turns, then polynomials."""
    scale = omega * _INVERSE_PI
    for p in range(len(h)):
        half_turns = z[p] * scale
        k = np.rint(half_turns)
        # An odd number of half turns flips the sign: k / 2 is then 1/2 away from a whole number.
        half = k * _HALF
        sign = _ONE - _FOUR * np.abs(half - np.rint(half))
        r = half_turns - k
        u = r * r
        h[p] = sign * (r * fma(u, fma(u, fma(u, fma(u, _S4, _S3), _S2), _S1), _S0))
        cosine = fma(u, fma(u, fma(u, fma(u, fma(u, _C5, _C4), _C3), _C2), _C1), _C0)
        slope[p] = sign * omega * cosine


@exact
def forward(shape: PaddedShape, params: Any, work: Workspace) -> None:
    """A tile through all layers, from its coordinates in the first rows of ``work.h``; fills ``h``, ``slope``, ``d``.

    Args:
        params: float32 ``(P',)``, padded.
    """
    widths, h, slope, sums = shape.widths, work.h, work.slope, work.d
    at, units_at = 0, 0
    for layer in range(len(widths) - 1):
        rows, cols = widths[layer + 1], widths[layer]
        bias = at + rows * cols
        _affine(params[at:bias], params[bias : bias + rows], h[units_at : units_at + cols * _T], sums)
        at = bias + rows
        units_at += cols * _T
        if layer < len(widths) - 2:
            here = slice(units_at, units_at + rows * _T)
            _sine(sums, shape.omega, h[here], slope[here])


@exact
def transpose_weights(shape: PaddedShape, params: Any, work: Workspace) -> None:
    """Fill ``work.transposed``, which ``backward`` needs."""
    widths, transposed = shape.widths, work.transposed
    at, end = 0, 0
    for layer in range(len(widths) - 1):
        rows, cols = widths[layer + 1], widths[layer]
        if layer > 0:
            for o in range(rows):
                for i in range(cols):
                    transposed[end + i * rows + o] = params[at + o * cols + i]
            end += rows * cols
        at += rows * cols + rows


@exact
def backward(shape: PaddedShape, inputs: Any, work: Workspace, squares: Any, sums: Any) -> None:
    """A tile back through all layers, from the derivatives by the last layer's sums in ``work.d``.

    Args:
        inputs: float32 ``(units * T,)``, of all layers, as in ``work.h``: factors of the derivatives.
        squares: float32 ``(widest * T,)``, scratch: derivatives are squared first; of length 0: they are not.
        sums: float32 ``(P',)``: the products' sums over the tile are added to it.
    """
    widths = shape.widths
    at, units_at, transposed_at = len(sums), (widths.sum() - widths[-1]) * _T, len(work.transposed)
    d, below = work.d, work.below
    for layer in range(len(widths) - 2, -1, -1):
        rows, cols = widths[layer + 1], widths[layer]
        at -= rows * cols + rows
        bias = at + rows * cols
        units_at -= cols * _T
        here = slice(units_at, units_at + cols * _T)
        factors = d
        if len(squares) > 0:
            square(d[: rows * _T], squares)
            factors = squares
        _accumulate_products(factors, inputs[here], sums[at:bias], sums[bias : bias + rows])
        if layer > 0:
            transposed_at -= rows * cols
            w = work.transposed[transposed_at : transposed_at + rows * cols]
            _affine(w, work.zeros[:cols], d, below)
            _multiply(below, work.slope[here])
            d, below = below, d


@exact
def square(values: Any, squares: Any) -> None:
    """Squares of as many values as there are."""
    for i in range(len(values)):
        squares[i] = values[i] * values[i]


@exact
def _multiply(values: Any, factors: Any) -> None:
    # Written out: numba's array expressions do not fill vector lanes where sums may not be reordered.
    for i in range(len(factors)):
        values[i] *= factors[i]


@exact
def _accumulate_products(d: Any, a: Any, weights: Any, biases: Any) -> None:
    """weights (rows, cols) += d (rows, T) a (cols, T)^T and biases (rows,) += the sums of d; all flat."""
    cols = len(a) // _T
    for o in range(0, len(biases), ROWS):
        db = d[o * _T : (o + ROWS) * _T]
        for i in range(0, cols, ROWS):
            add_products(weights[o * cols + i :], cols, db, a[i * _T : (i + ROWS) * _T])
        add_row_sums(biases[o : o + ROWS], db)
