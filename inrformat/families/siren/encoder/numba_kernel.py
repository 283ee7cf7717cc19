"""One image's whole fit as one compiled loop: forward, backward and Adam, resident in the processor's cache.

A batched tensor library moves every layer's activations through memory and pays for dozens of calls per step; at 15 to
40 hidden units those calls cost more than the arithmetic. Here a tile of points passes through all layers and back
while its activations are in the first- and second-level cache, and thousands of steps run without returning to Python.
Images are independent, so threads (the global interpreter lock is released) take one each: see ``numba_engine.py``.

Against a float64 reference the gradient's relative error is about 4e-7
(tests/families/siren/encoder/test_gradients.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.exact_mlp import PaddedShape, Workspace, backward, forward, transpose_weights
from inrformat.families.siren.encoder.lanes import ROWS, TILE_PIXELS, add_square_sums
from inrformat.jit import exact

__all__ = [
    "MSE_UNKNOWN",
    "AdamPlan",
    "PaddedInitialization",
    "TrainingPoints",
    "fit_image",
    "loss_and_gradient",
]

_T = TILE_PIXELS
_ZERO, _HALF, _ONE = (np.float32(v) for v in (0.0, 0.5, 1.0))
_BETA1, _BETA2, _EPSILON = (np.float32(v) for v in (0.9, 0.999, 1e-8))
MSE_UNKNOWN = 1e30


class TrainingPoints(NamedTuple):
    """The points of an image: its pixels in random order, then as many of each further point grid.

    Attributes:
        xy, colours: float32 ``(padded inputs or outputs, points + TILE_PIXELS)``.
        pixels: of each point grid. point_grids: see ``training_points.py``.
    """

    xy: NDArray[np.float32]
    colours: NDArray[np.float32]
    pixels: int
    point_grids: int


class PaddedInitialization(NamedTuple):
    """One network of an ``Initialization``, padded: float32 ``(P',)`` each.

    Attributes:
        latent: updated: the network's difference to ``origin`` before rounding.
        quantization_steps: or 0 where nothing is rounded. mask: 1 where a weight may move, 0 where it is pruned.
    """

    latent: NDArray[np.float32]
    origin: NDArray[np.float32]
    quantization_steps: NDArray[np.float32]
    mask: NDArray[np.float32]


class AdamPlan(NamedTuple):
    """How Adam runs on one image.

    Attributes:
        rates, corrections: float32 ``(steps,)``: of each step, the learning rate with the first moment's bias
            correction, and the second moment's bias correction.
        blocks: points are used in so many equal parts, one per step, of one point grid after the other.
        every: steps between evaluations on all pixels, where ``blocks`` > 1. target_mse: stop when it is reached.
    """

    rates: NDArray[np.float32]
    corrections: NDArray[np.float32]
    blocks: int
    every: int
    target_mse: float


@exact
def _residual(out: Any, rows: int, colours: Any, channels: int, start: int, valid: int, squares: Any) -> None:
    """Replace the outputs (rows, T) by their errors, 0 past ``valid`` and ``channels``; add up ``squares (rows,)``."""
    out[channels * _T : rows * _T] = _ZERO
    for channel in range(channels):
        error = out[channel * _T : (channel + 1) * _T]
        truth = colours[channel, start : start + _T]
        for p in range(_T):
            error[p] = _HALF + _HALF * error[p] - truth[p]
        error[valid:] = _ZERO
    for o in range(0, rows, ROWS):
        add_square_sums(squares[o : o + ROWS], out[o * _T : (o + ROWS) * _T])


@exact
def loss_and_gradient(
    shape: PaddedShape, params: Any, points: TrainingPoints, first: int, count: int, work: Workspace, gradient: Any
) -> float:
    """Squared error summed over points ``first .. first + count`` and channels.

    Args:
        params: float32 ``(P',)``, padded. gradient: float32 ``(P',)``, overwritten with the gradient of the *mean*
            squared error; of length 0 to skip the backward pass.
    """
    xy, colours, channels = points.xy, points.colours, shape.channels
    inputs, outputs, h, d = shape.widths[0], shape.widths[-1], work.h, work.d
    nothing, squares = h[:0], np.zeros(outputs, np.float32)
    gradient[:] = _ZERO
    if len(gradient) > 0:
        transpose_weights(shape, params, work)
    scale = np.float32(1.0 / (channels * count))
    sse = 0.0
    for start in range(first, first + count, _T):
        for row in range(inputs):
            h[row * _T : (row + 1) * _T] = xy[row, start : start + _T]
        forward(shape, params, work)
        squares[:] = _ZERO
        _residual(d, outputs, colours, channels, start, min(_T, first + count - start), squares)
        for channel in range(channels):
            sse += squares[channel]
        if len(gradient) > 0:
            for i in range(outputs * _T):
                d[i] *= scale
            backward(shape, h, work, nothing, gradient)
    return sse


@exact
def _quantized(origin: Any, latent: Any, quantization_steps: Any, params: Any) -> None:
    """params = origin + latent, rounded to whole multiples of the quantization step where that is positive."""
    for i in range(len(params)):
        x = latent[i]
        if quantization_steps[i] > _ZERO:
            x = np.rint(x / quantization_steps[i]) * quantization_steps[i]
        params[i] = origin[i] + x


@exact
def _adam(latent: Any, gradient: Any, mask: Any, m: Any, v: Any, rate: Any, correction: Any) -> None:
    for i in range(len(latent)):
        g = gradient[i] * mask[i]
        m[i] = _BETA1 * m[i] + (_ONE - _BETA1) * g
        v[i] = _BETA2 * v[i] + (_ONE - _BETA2) * g * g
        latent[i] -= rate * m[i] / (np.sqrt(v[i] * correction) + _EPSILON)


@exact
def fit_image(
    shape: PaddedShape, initialization: PaddedInitialization, points: TrainingPoints, plan: AdamPlan, work: Workspace
) -> tuple[Any, float, int]:
    """Adam on one network; the gradient passes rounding straight through.

    Returns:
        The best network seen as its difference to the origin, rounded as asked, float32 ``(P',)``; its mean squared
        error over all pixels and channels (1e30: none was finite); and steps taken.
    """
    latent, origin, quantization_steps, mask = initialization
    pixels, point_grids, blocks, every = points.pixels, points.point_grids, plan.blocks, plan.every
    iterations, n = len(plan.rates), len(latent)
    params, gradient = np.empty(n, np.float32), np.empty(n, np.float32)
    m, v, best = np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32)
    nothing = gradient[:0]
    latent *= mask
    best_mse = MSE_UNKNOWN
    for t in range(iterations + 1):
        _quantized(origin, latent, quantization_steps, params)
        # Successive iterations see parts far apart: where they lay close, the fit would forget the rest.
        part = (t // point_grids + t % point_grids * blocks // point_grids) % blocks
        first = part * pixels // blocks
        count = (part + 1) * pixels // blocks - first
        first += t % point_grids * pixels
        if t < iterations:
            sse = loss_and_gradient(shape, params, points, first, count, work, gradient)
            if not np.isfinite(sse):
                return best, best_mse, t
        if t == iterations or (t % every == 0 and blocks > 1):
            sse = loss_and_gradient(shape, params, points, 0, pixels, work, nothing)
        if blocks == 1 or t == iterations or t % every == 0:
            mse = sse / (shape.channels * pixels)
            if mse < best_mse:
                best_mse = mse
                for i in range(n):
                    best[i] = params[i] - origin[i]
            if best_mse <= plan.target_mse or t == iterations:
                return best, best_mse, t
        _adam(latent, gradient, mask, m, v, plan.rates[t], plan.corrections[t])
    return best, best_mse, iterations
