"""Network channels to finished pixels: colours, fill, clamp, normalisation, dtype and layout in one pass, compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.jit import relaxed

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


@relaxed
def _fill(row: Any, cover: Any, fill: float, squared: bool) -> None:
    """Colours of a row where the window has the share ``cover`` of a pixel and ``fill`` has the rest."""
    for x in range(len(row)):
        seen = cover[x] * row[x] if squared else row[x]
        row[x] = fill + (seen - fill) * cover[x]


@relaxed
def finish_rows(channels: Any, rows: tuple[int, int], cover: Any, form: Finish, pixels: Any) -> None:
    """Write some rows of one image.

    What every image needs is in one function, whose arrays are plain names: handing a row of them to another one counts
    references, which takes longer than the row.

    Args:
        channels: float32 ``(H, C, W)``, from the first of these rows on. rows: the first, and the one behind the last.
        cover: float32 ``(H, W)``, share of the window; ``(0, 0)`` where all is inside.
        pixels: flat, float32, of the image alone.
    """
    _, count, width = channels.shape
    row = np.empty(width, np.float32)
    filled, offset = len(cover) > 0, form.offset
    colour, scales, shifts = form.colour, form.scale, form.shift
    plane, down, across = form.strides
    for y in range(rows[0], rows[1]):
        for d in range(count):
            if count == 3:  # the usual case in one pass instead of four
                f0, f1, f2 = colour[0, d], colour[1, d], colour[2, d]
                c0, c1, c2 = channels[y - rows[0], 0], channels[y - rows[0], 1], channels[y - rows[0], 2]
                for x in range(width):
                    row[x] = offset + f0 * c0[x] + f1 * c1[x] + f2 * c2[x]
            else:
                row[:] = offset
                for c in range(count):
                    factor, source = colour[c, d], channels[y - rows[0], c]
                    for x in range(width):
                        row[x] += factor * source[x]
            if filled:
                _fill(row, cover[y], form.fill[d], form.squared)
            scale, shift = scales[d], shifts[d]
            first = d * plane + y * down
            if across == 1:
                target = pixels[first : first + width]
                for x in range(width):
                    target[x] = scale * min(max(row[x], np.float32(0)), np.float32(1)) + shift
            else:
                for x in range(width):
                    pixels[first + x * across] = scale * min(max(row[x], np.float32(0)), np.float32(1)) + shift
