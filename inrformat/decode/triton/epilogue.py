"""The last step of every kernel: colours to the bytes or floats of a `PixelFormat`, at any strides."""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["finished"]


@triton.jit
def finished(colours, scale, shift, BYTES: tl.constexpr):
    """Clamped to [0, 1], then ``floor(255 v + 0.5)`` or ``scale v + shift``; what is no number becomes 0."""
    colours = tl.where(colours == colours, colours, 0.0)
    colours = tl.minimum(tl.maximum(colours, 0.0), 1.0)
    if BYTES:
        return tl.floor(colours * 255.0 + 0.5)
    return colours * scale + shift
