"""Network channels to finished pixels: colours, fill, clamp, normalisation, dtype and layout in one pass, compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.axes import compiled

__all__ = ["Finish", "finish_rows"]


class Finish(NamedTuple):
    """How network channels y become pixels.

    Attributes:
        colour: float32 ``(C, C)``, offset: float32: colours in [0, 1] are ``colour^T y + offset``.
        fill: float32 ``(C,)`` in [0, 1]. squared: the share of the window weighs the colour twice (spec section 8.2).
        scale, shift: float32 ``(C,)``: a pixel is ``scale v + shift`` of the clamped colour v.
        strides: int64 ``(3,)``, elements from one channel, row and column to the next.
    """

    colour: NDArray[np.float32]
    offset: np.float32
    fill: NDArray[np.float32]
    squared: bool
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    strides: NDArray[np.int64]


@compiled
def _mix(form: Finish, channels: Any, d: int, row: Any) -> None:
    """Colour d of a row of pixels from its network channels, float32 ``(C, W)``."""
    if len(channels) == 3:  # the usual case in one pass instead of four
        f0, f1, f2 = form.colour[0, d], form.colour[1, d], form.colour[2, d]
        c0, c1, c2 = channels[0], channels[1], channels[2]
        for x in range(len(row)):
            row[x] = form.offset + f0 * c0[x] + f1 * c1[x] + f2 * c2[x]
        return
    row[:] = form.offset
    for c in range(len(channels)):
        factor, source = form.colour[c, d], channels[c]
        for x in range(len(row)):
            row[x] += factor * source[x]


@compiled
def finish_rows(channels: Any, cover: Any, form: Finish, pixels: Any) -> None:
    """Write one image.

    Args:
        channels: float32 ``(H, C, W)``. cover: float32 ``(H, W)``, share of the window; ``(0, 0)`` where all is inside.
        pixels: flat, float32, of the image alone.
    """
    height, count, width = channels.shape
    colours = np.empty((count, width), np.float32)
    filled = len(cover) > 0
    across = form.strides[2]
    for y in range(height):
        for d in range(count):
            row = colours[d]
            _mix(form, channels[y], d, row)
            if filled:
                fill = form.fill[d]
                for x in range(width):
                    share = cover[y, x]
                    seen = share * row[x] if form.squared else row[x]
                    row[x] = fill + (seen - fill) * share
            scale, shift = form.scale[d], form.shift[d]
            for x in range(width):
                row[x] = scale * min(max(row[x], np.float32(0)), np.float32(1)) + shift
            first = d * form.strides[0] + y * form.strides[1]
            if across == 1:
                target = pixels[first : first + width]
                for x in range(width):
                    target[x] = row[x]
            else:
                for x in range(width):
                    pixels[first + x * across] = row[x]
