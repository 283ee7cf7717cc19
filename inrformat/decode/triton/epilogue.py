"""The last step of every kernel: colours to the bytes or floats of a `PixelFormat`, at any strides.

``style`` is float32 ``(3, C)``: scale, shift and fill of each channel. What is no number becomes 0.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.geometry import PaddingMode
from inrformat.decode.triton.sampling import coverage_at

__all__ = ["CONSTANT", "finished", "store_points"]

CONSTANT = tl.constexpr(int(PaddingMode.CONSTANT))


@triton.jit
def finished(colours, scale, shift, BYTES: tl.constexpr):
    """Clamped to [0, 1], then ``floor(255 v + 0.5)`` or ``scale v + shift``."""
    colours = tl.where(colours == colours, colours, 0.0)
    colours = tl.minimum(tl.maximum(colours, 0.0), 1.0)
    if BYTES:
        return tl.floor(colours * 255.0 + 0.5)
    return colours * scale + shift


@triton.jit
def store_points(
    out, colours, packed, sample, style, i, j, x, y, inside, stride_c, stride_y, stride_x,
    C: tl.constexpr, CP: tl.constexpr, PADDING_MODE: tl.constexpr, ALIGNED: tl.constexpr, BYTES: tl.constexpr,
):  # fmt: skip
    """``colours`` ``(P, CP)`` of the pixels (i, j) of an image, whose output positions are (x, y)."""
    channel = tl.arange(0, CP)
    used = channel < C
    if PADDING_MODE == CONSTANT:
        coverage = coverage_at(packed, sample, x, y)[:, None]
        fill = tl.load(style + 2 * C + channel, mask=used, other=0.0)[None, :]
        # Of maps that are not aligned, what was sampled is weighed by the window as well (spec section 8.2).
        colours = fill + ((colours if ALIGNED else coverage * colours) - fill) * coverage
    scale = tl.load(style + channel, mask=used, other=0.0)[None, :]
    shift = tl.load(style + C + channel, mask=used, other=0.0)[None, :]
    at = out + (i * stride_y + j * stride_x)[:, None] + (channel * stride_c)[None, :]
    colours = finished(colours, scale, shift, BYTES)
    tl.store(at, colours.to(out.dtype.element_ty), mask=inside[:, None] & used[None, :])
