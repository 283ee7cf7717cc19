"""How much each weight matters: the diagonal of the Gauss-Newton matrix, exactly.

It holds the mean squared derivative of a colour value by each weight: to second order an image's mean squared error
grows by ``sum_i diagonal_i * change_i ** 2`` when independent changes are made to the weights. Quantization steps and
pruning are decided with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.engine import Shape
from inrformat.families.siren.encoder.exact_mlp import (
    PaddedShape,
    Workspace,
    backward,
    forward,
    square,
    transpose_weights,
    workspace,
)
from inrformat.families.siren.encoder.lanes import TILE_PIXELS
from inrformat.families.siren.padding import PaddedParameters
from inrformat.jit import exact

__all__ = ["gauss_newton_diagonal"]

_T = TILE_PIXELS
_GRID_SIDE = 32
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)


def gauss_newton_diagonal(shape: Shape, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over pixels and channels of ``(d colour / d parameter) ** 2``, over a grid of 32 x 32 points.

    Args:
        parameters: float32 ``(B, P)``.

    Returns:
        float32 ``(B, P)``.
    """
    padding = PaddedParameters.of(shape.widths)
    padded_shape = PaddedShape(padding.widths, np.float32(shape.omega), shape.widths[-1])
    xy, work = _grid(int(padding.widths[0])), workspace(padded_shape)
    sums = np.zeros((len(parameters), padding.size), np.float32)
    for params, own in zip(padding.pad(parameters), sums, strict=True):
        _add_squared_derivatives(padded_shape, params, xy, work, own)
    diagonal: NDArray[np.float32] = padding.unpad(sums)
    diagonal /= np.float32(shape.widths[-1] * xy.shape[1])
    return diagonal


def _grid(rows: int) -> NDArray[np.float32]:
    """Coordinates of the points, float32 ``(rows, 1024)``: x, y, and zeros."""
    centres = (2 * np.arange(_GRID_SIDE, dtype=np.float32) + 1) / _GRID_SIDE - 1
    xy = np.zeros((rows, _GRID_SIDE**2), np.float32)
    xy[0], xy[1] = (axis.ravel() for axis in np.meshgrid(centres, centres, indexing="xy"))
    return xy


@exact
def _add_squared_derivatives(shape: PaddedShape, params: Any, xy: Any, work: Workspace, sums: Any) -> None:
    """Add the squared derivatives of each channel's colour at each point to ``sums``, float32 ``(P',)``."""
    h, d = work.h, work.d
    squared_h, squared_d = np.empty_like(h), np.empty_like(d)
    transpose_weights(shape, params, work)
    for start in range(0, xy.shape[1], _T):
        for row in range(shape.widths[0]):
            h[row * _T : (row + 1) * _T] = xy[row, start : start + _T]
        forward(shape, params, work)
        square(h, squared_h)
        for channel in range(shape.channels):
            d[: shape.widths[-1] * _T] = _ZERO
            d[channel * _T : (channel + 1) * _T] = _HALF
            backward(shape, squared_h, work, squared_d, sums)
