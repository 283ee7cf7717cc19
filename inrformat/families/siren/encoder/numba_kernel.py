"""One image's whole fit as one compiled loop: forward, backward and Adam, resident in the processor's cache.

A batched tensor library moves every layer's activations through memory and pays for dozens of calls a step; at 15 to 40
hidden units those calls cost more than the arithmetic. Here a tile of pixels passes through all layers and back while
its activations are in the first- and second-level cache, and thousands of steps run without returning to Python. Images
are independent, so that threads (the global interpreter lock is released) take one each: see ``cpu.py``.

Matrix products are blocked 4 x 4: four rows of activations feed four rows of results, sixteen multiply-adds for eight
loads, with the pixels of the tile in the vector lanes. Widths are padded to multiples of 4 with zeros.
Against a float64 reference the gradient's relative error is about 4e-7 (tests/encoding/siren/test_gradients.py).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.cpu.mlp import INVERSE_PI, TILE_PIXELS, affine, reduced, sine_of_half_turns
from inrformat.jit import relaxed

__all__ = ["MSE_UNKNOWN", "fit_image", "loss_and_gradient", "workspace_size"]

_T = TILE_PIXELS
_ZERO, _HALF, _ONE, _TWO = (np.float32(v) for v in (0.0, 0.5, 1.0, 2.0))
MSE_UNKNOWN = 1e30
# cos(pi r) in powers of r^2 for |r| <= 1/2, least squares at Chebyshev points: error 1.4e-7.
_C0, _C1, _C2, _C3, _C4, _C5 = (
    np.float32(v) for v in (1.0, -4.93480206, 4.05870914, -1.33521199, 0.234937295, -0.0243963022)
)


def workspace_size(padded_widths: NDArray[np.int64]) -> int:
    """Floats of scratch that one call needs."""
    widths = padded_widths.tolist()
    parameters = sum((a + 1) * b for a, b in pairwise(widths))
    return int(_T * (2 * sum(widths) + 2 * max(widths)) + 6 * parameters)


@relaxed
def _accumulate_weight_gradient(dz: Any, rows: int, a: Any, cols: int, gw: Any, gb: Any) -> None:
    """gw (rows, cols) += dz (rows, T) a (cols, T)^T and gb (rows,) += the sums of dz; all flat."""
    for o in range(0, rows, 4):
        zb = dz[o * _T : (o + 4) * _T]
        for i in range(0, cols, 4):
            ab = a[i * _T : (i + 4) * _T]
            g00 = g01 = g02 = g03 = g10 = g11 = g12 = g13 = _ZERO
            g20 = g21 = g22 = g23 = g30 = g31 = g32 = g33 = _ZERO
            for p in range(_T):
                a0, a1, a2, a3 = ab[p], ab[_T + p], ab[2 * _T + p], ab[3 * _T + p]
                z0, z1, z2, z3 = zb[p], zb[_T + p], zb[2 * _T + p], zb[3 * _T + p]
                g00, g01, g02, g03 = g00 + z0 * a0, g01 + z0 * a1, g02 + z0 * a2, g03 + z0 * a3
                g10, g11, g12, g13 = g10 + z1 * a0, g11 + z1 * a1, g12 + z1 * a2, g13 + z1 * a3
                g20, g21, g22, g23 = g20 + z2 * a0, g21 + z2 * a1, g22 + z2 * a2, g23 + z2 * a3
                g30, g31, g32, g33 = g30 + z3 * a0, g31 + z3 * a1, g32 + z3 * a2, g33 + z3 * a3
            k = o * cols + i
            gw[k], gw[k + 1], gw[k + 2], gw[k + 3] = gw[k] + g00, gw[k + 1] + g01, gw[k + 2] + g02, gw[k + 3] + g03
            k += cols
            gw[k], gw[k + 1], gw[k + 2], gw[k + 3] = gw[k] + g10, gw[k + 1] + g11, gw[k + 2] + g12, gw[k + 3] + g13
            k += cols
            gw[k], gw[k + 1], gw[k + 2], gw[k + 3] = gw[k] + g20, gw[k + 1] + g21, gw[k + 2] + g22, gw[k + 3] + g23
            k += cols
            gw[k], gw[k + 1], gw[k + 2], gw[k + 3] = gw[k] + g30, gw[k + 1] + g31, gw[k + 2] + g32, gw[k + 3] + g33
        t0 = t1 = t2 = t3 = _ZERO
        for p in range(_T):
            t0, t1, t2, t3 = t0 + zb[p], t1 + zb[_T + p], t2 + zb[2 * _T + p], t3 + zb[3 * _T + p]
        gb[o], gb[o + 1], gb[o + 2], gb[o + 3] = gb[o] + t0, gb[o + 1] + t1, gb[o + 2] + t2, gb[o + 3] + t3


@relaxed
def _sine(z: Any, count: int, omega: Any, h: Any, slope: Any) -> None:
    """h = sin(omega z), slope = omega cos(omega z): reduce to |r| <= 1/2 half turns, then polynomials."""
    half_turns = omega * INVERSE_PI
    for p in range(count):
        r, sign = reduced(z[p] * half_turns)
        u = r * r
        h[p] = sign * sine_of_half_turns(r)
        slope[p] = sign * omega * (_C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * (_C4 + u * _C5)))))


@relaxed
def _transposed(params: Any, widths: Any, wt: Any) -> int:
    """Write every layer's weights but the first's to ``wt``, transposed; returns where they end."""
    at, end = 0, 0
    for layer in range(len(widths) - 1):
        rows, cols = widths[layer + 1], widths[layer]
        if layer > 0:
            for o in range(rows):
                for i in range(cols):
                    wt[end + i * rows + o] = params[at + o * cols + i]
            end += rows * cols
        at += rows * cols + rows
    return int(end)


@relaxed
def _residual(out: Any, colour: Any, channels: int, start: int, valid: int, scale: Any) -> float:
    """Replace the outputs (channels, T) by ``scale`` times their errors, 0 past ``valid``; returns their square sum."""
    sse = 0.0
    for channel in range(channels):
        e = out[channel * _T : (channel + 1) * _T]
        truth = colour[channel, start : start + _T]
        s = _ZERO
        for p in range(_T):
            v = _HALF + _HALF * e[p] - truth[p]
            if p >= valid:
                v = _ZERO
            s += v * v
            e[p] = v * scale
        sse += float(s)
    return sse


@relaxed
def loss_and_gradient(
    params: Any, widths: Any, omega: Any, xy: Any, colour: Any, channels: int, first: int, count: int,
    workspace: Any, gradient: Any,
) -> float:  # fmt: skip
    """Squared error summed over pixels ``first .. first + count`` and channels.

    Args:
        params: float32 ``(P',)`` padded parameters (``siren_layout.py``). widths: int64, padded. omega: float32.
        xy, colour: float32 ``(padded inputs or outputs, N + TILE_PIXELS)``.
        workspace: float32, ``workspace_size`` long. gradient: float32 ``(P',)``, overwritten with the gradient of
            the *mean* squared error; of length 0 to skip the backward pass.
    """
    layers = len(widths) - 1
    units, widest = widths.sum() * _T, widths.max() * _T
    h, slope = workspace[:units], workspace[units : 2 * units]
    d = workspace[2 * units : 2 * units + 2 * widest]
    wt = workspace[2 * units + 2 * widest :]
    backward = len(gradient) > 0
    wt_end = _transposed(params, widths, wt) if backward else 0
    zeros = wt[wt_end : wt_end + widths.max()]
    zeros[:] = _ZERO
    gradient[:] = _ZERO
    scale = np.float32(1.0 / (channels * count))
    sse = 0.0
    for start in range(first, first + count, _T):
        for row in range(widths[0]):
            h[row * _T : (row + 1) * _T] = xy[row, start : start + _T]
        at, units_at = 0, 0
        for layer in range(layers):
            rows, cols = widths[layer + 1], widths[layer]
            bias = at + rows * cols
            z = d[: rows * _T]
            affine(params[at:bias], rows, cols, params[bias : bias + rows], h[units_at : units_at + cols * _T], z)
            at = bias + rows
            units_at += cols * _T
            if layer < layers - 1:
                here = slice(units_at, units_at + rows * _T)
                _sine(z, rows * _T, omega, h[here], slope[here])
        d[channels * _T : widths[-1] * _T] = _ZERO
        sse += _residual(d, colour, channels, start, min(_T, first + count - start), scale)
        if not backward:
            continue
        now, wt_at = 0, wt_end
        for layer in range(layers - 1, -1, -1):
            rows, cols = widths[layer + 1], widths[layer]
            at -= rows * cols + rows
            bias = at + rows * cols
            units_at -= cols * _T
            below = slice(units_at, units_at + cols * _T)
            dz = d[now : now + rows * _T]
            _accumulate_weight_gradient(dz, rows, h[below], cols, gradient[at:bias], gradient[bias : bias + rows])
            if layer > 0:
                wt_at -= rows * cols
                now = widest - now
                da = d[now : now + cols * _T]
                affine(wt[wt_at : wt_at + rows * cols], cols, rows, zeros, dz, da)
                da *= slope[below]
    return sse


@relaxed
def _quantized(origin: Any, latent: Any, quantum: Any, params: Any) -> None:
    """params = origin + latent, rounded to whole multiples of ``quantum`` where that is positive."""
    for i in range(len(params)):
        x = latent[i]
        if quantum[i] > _ZERO:
            x = np.rint(x / quantum[i]) * quantum[i]
        params[i] = origin[i] + x


@relaxed
def fit_image(
    latent: Any, origin: Any, quantum: Any, mask: Any, widths: Any, omega: Any, xy: Any, colour: Any,
    channels: int, pixels: int, lattices: int, blocks: int, steps: int, rate: float, floor: float, target_mse: float,
    every: int, workspace: Any, best: Any,
) -> tuple[float, int]:  # fmt: skip
    """Adam with cosine decay on one network; the gradient passes rounding straight through (``quantum`` > 0).

    Args:
        latent: float32 ``(P',)``, updated: the network's difference to ``origin`` ``(P',)``, before rounding.
        quantum, mask: float32 ``(P',)``: rounding step or 0; 1 where a weight may move, 0 where it is pruned.
        pixels, lattices, blocks: the pixels, in random order, and as many points of each further lattice (see
            ``lattice.py``) are used in ``blocks`` equal parts, one a step, of one lattice after the other.
        rate, floor: learning rate at the start, and as a fraction of it at the end. target_mse: stop when reached.
        every: steps between evaluations on all pixels, where ``blocks`` > 1.
        best: float32 ``(P',)``, written: the latent of the best network seen, as evaluated.

    Returns:
        the best network's mean squared error over all pixels and channels (1e30: none was finite), and steps taken.
    """
    n = len(latent)
    moments = workspace[len(workspace) - 4 * n :]
    params, gradient, m, v = moments[:n], moments[n : 2 * n], moments[2 * n : 3 * n], moments[3 * n :]
    nothing = gradient[:0]
    m[:], v[:] = _ZERO, _ZERO
    latent *= mask
    best_mse = MSE_UNKNOWN
    decay1, decay2 = 1.0, 1.0
    for t in range(steps + 1):
        _quantized(origin, latent, quantum, params)
        # Successive steps see parts far apart: where they lay close, the fit would forget the rest.
        part = (t // lattices + t % lattices * blocks // lattices) % blocks
        first = part * pixels // blocks
        count = (part + 1) * pixels // blocks - first
        first += t % lattices * pixels
        if t < steps:
            sse = loss_and_gradient(params, widths, omega, xy, colour, channels, first, count, workspace, gradient)
            if not np.isfinite(sse):
                return best_mse, t
        if t == steps or (t % every == 0 and blocks > 1):
            sse = loss_and_gradient(params, widths, omega, xy, colour, channels, 0, pixels, workspace, nothing)
        if blocks == 1 or t == steps or t % every == 0:
            mse = sse / (channels * pixels)
            if mse < best_mse:
                best_mse = mse
                for i in range(n):
                    best[i] = params[i] - origin[i]
            if best_mse <= target_mse or t == steps:
                return best_mse, t
        decay1 *= 0.9
        decay2 *= 0.999
        cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * t / steps))
        _adam(latent, gradient, mask, m, v, np.float32(rate * cosine / (1 - decay1)), np.float32(1 / (1 - decay2)))
    return best_mse, steps


@relaxed
def _adam(latent: Any, gradient: Any, mask: Any, m: Any, v: Any, rate: Any, correction: Any) -> None:
    beta1, beta2, eps = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
    for i in range(len(latent)):
        g = gradient[i] * mask[i]
        m[i] = beta1 * m[i] + (_ONE - beta1) * g
        v[i] = beta2 * v[i] + (_ONE - beta2) * g * g
        latent[i] -= rate * m[i] / (np.sqrt(v[i] * correction) + eps)
