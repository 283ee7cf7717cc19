"""The pixels that records decode to, computed exactly: a stored PSNR must not hang on a library's matrix product.

They are those of the reference decoder up to its rounding, which may move a pixel by one level here and there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.codebook import RecordCoder
from inrformat.families.siren.encoder.exact_mlp import PaddedShape, Workspace, forward, workspace
from inrformat.families.siren.encoder.lanes import TILE_PIXELS
from inrformat.families.siren.encoder.quantize import weight_steps
from inrformat.families.siren.padding import PaddedParameters
from inrformat.families.siren.record import read_record
from inrformat.jit import exact

__all__ = ["render_record"]

_T = TILE_PIXELS
_ZERO, _HALF, _ONE, _WHITE = (np.float32(v) for v in (0.0, 0.5, 1.0, 255.0))


class _Axes(NamedTuple):
    """Coordinates in [-1, 1] of columns and rows: float32."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


def render_record(coder: RecordCoder, data: bytes, *, height: int, width: int) -> Image:
    """Read a record back and evaluate its network at every pixel centre: uint8 ``(height, width, channels)``."""
    network = coder.network
    scale, symbols = read_record(network, data, coder.tables, height=height, width=width)
    weights = symbols.astype(np.float32) * weight_steps(network, scale)[0]
    if network.base is not None:
        weights = weights + network.base
    padding = PaddedParameters.of(network.widths)
    shape = PaddedShape(padding.widths, np.float32(network.omega), network.channels)
    pixels = np.empty((height, width, network.channels), np.uint8)
    _render(shape, padding.pad(weights), workspace(shape), _Axes(_coordinates(width), _coordinates(height)), pixels)
    return pixels


def _coordinates(pixels: int) -> NDArray[np.float32]:
    return (2 * np.arange(pixels, dtype=np.float32) + 1) / np.float32(pixels) - 1


@exact
def _render(shape: PaddedShape, params: Any, work: Workspace, axes: _Axes, pixels: Any) -> None:
    """Fill ``pixels``; points run on from row to row in full tiles."""
    height, width, channels = pixels.shape
    x, y, h, out = axes.x, axes.y, work.h, work.d
    for first in range(0, height * width, _T):
        count = min(_T, height * width - first)
        for p in range(count):
            h[p] = x[(first + p) % width]
            h[_T + p] = y[(first + p) // width]
        forward(shape, params, work)
        for channel in range(channels):
            for p in range(count):
                colour = min(max(_HALF + _HALF * out[channel * _T + p], _ZERO), _ONE)
                pixels[(first + p) // width, (first + p) % width, channel] = np.uint8(colour * _WHITE + _HALF)
