"""Network outputs to finished pixels: colours, fill, clamp, normalisation and strides in one pass; compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = ["ColourTransform", "Epilogue", "finish_image", "finish_rows"]


class ColourTransform(NamedTuple):
    """Colours in [0, 1] are ``matrix^T y + offset`` of C network outputs y; ``matrix`` is float32 ``(C, C)``."""

    matrix: NDArray[np.float32]
    offset: np.float32


class Epilogue(NamedTuple):
    """How network outputs become pixels.

    Attributes:
        colour: colours of network outputs.
        fill: float32 ``(C,)`` in [0, 1]. aligned: whether the map is: how the window's coverage weighs depends on it.
        scale, shift: float32 ``(C,)``: a pixel is ``scale v + shift`` of the clamped colour v.
        strides: int64 ``(3,)``, elements from one channel, row and column of ``pixels`` to the next.
    """

    colour: ColourTransform
    fill: NDArray[np.float32]
    aligned: bool
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    strides: NDArray[np.int64]

    @classmethod
    def of(cls, colour: ColourTransform, geometry: Geometry, pixels: PixelFormat) -> Epilogue:
        """That of a network with this ``colour``. Bytes come as 0.5 .. 255.5, yet to be cut to whole numbers."""
        channels, (height, width) = len(colour.matrix), geometry.size
        if pixels.dtype == torch.uint8:
            scale, shift = (255.0,) * channels, (0.5,) * channels
        else:
            scale, shift = pixels.scale_shift(channels)
        strides = (1, width * channels, channels) if pixels.channels_last else (height * width, width, 1)
        return cls(
            colour=colour,
            fill=np.array(geometry.fills(channels), np.float32),
            aligned=geometry.aligned,
            scale=np.array(scale, np.float32),
            shift=np.array(shift, np.float32),
            strides=np.array(strides, np.int64),
        )


@relaxed_part
def _blend(row: Any, coverage: Any, fill: float, aligned: bool) -> None:
    """Blend a row of colours with the fill colour, by the coverage of each pixel (spec section 8.2)."""
    for x in range(len(row)):
        colour = row[x] if aligned else coverage[x] * row[x]
        row[x] = fill + (colour - fill) * coverage[x]


@relaxed_part
def finish_rows(outputs: Any, first: Any, end: int, coverage: Any, epilogue: Epilogue, pixels: Any) -> None:
    """Write rows ``first .. end - 1`` of one image.

    What every image needs is in one function, whose arrays are plain names: handing a row of them to another one counts
    references, which takes longer than the row.

    Args:
        outputs: float32 ``(at least end - first, C, W)``, of the network, from row ``first`` on.
        coverage: as ``axes.aligned_coverage`` returns it.
        pixels: float32, flat, of this image alone.
    """
    _, channels, width = outputs.shape
    row = np.empty(width, np.float32)
    filled, aligned = len(coverage) > 0, epilogue.aligned
    matrix, offset = epilogue.colour.matrix, epilogue.colour.offset
    fills, scales, shifts = epilogue.fill, epilogue.scale, epilogue.shift
    plane, down, across = epilogue.strides
    for y in range(first, end):
        for d in range(channels):
            if channels == 3:  # the usual case in one pass instead of four
                f0, f1, f2 = matrix[0, d], matrix[1, d], matrix[2, d]
                c0, c1, c2 = outputs[y - first, 0], outputs[y - first, 1], outputs[y - first, 2]
                for x in range(width):
                    row[x] = offset + f0 * c0[x] + f1 * c1[x] + f2 * c2[x]
            else:
                row[:] = offset
                for c in range(channels):
                    factor, source = matrix[c, d], outputs[y - first, c]
                    for x in range(width):
                        row[x] += factor * source[x]
            if filled:
                _blend(row, coverage[y], fills[d], aligned)
            scale, shift = scales[d], shifts[d]
            begin = d * plane + y * down
            if across == 1:
                target = pixels[begin : begin + width]
                for x in range(width):
                    target[x] = scale * min(max(row[x], np.float32(0)), np.float32(1)) + shift
            else:
                for x in range(width):
                    pixels[begin + x * across] = scale * min(max(row[x], np.float32(0)), np.float32(1)) + shift


@relaxed_inline
def finish_image(outputs: Any, coverage: Any, epilogue: Epilogue, pixels: Any) -> None:
    """``finish_rows`` of all rows."""
    # A plain 0 is a type of its own to numba, and all of finish_rows would be compiled for it a second time.
    finish_rows(outputs, np.int64(0), outputs.shape[0], coverage, epilogue, pixels)
