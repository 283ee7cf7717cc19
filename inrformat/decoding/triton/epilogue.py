"""The last step of every kernel: colours to the bytes or floats of a `PixelFormat`, at any strides.

``channel_style`` is float32 ``(3, C)``: scale, shift and fill of each channel. What is no number becomes 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.triton.sampling import coverage_at

__all__ = ["CONSTANT", "Frame", "finished", "frame_of", "store_points"]

CONSTANT = tl.constexpr(int(PaddingMode.CONSTANT))


class Frame(NamedTuple):
    """One sample's output: a pointer to its first number, its size in pixels, and its strides in numbers."""

    first: Any
    height: Any
    width: Any
    stride_c: Any
    stride_y: Any
    stride_x: Any


@triton.jit
def frame_of(sample, out, height, width, stride_b, stride_c, stride_y, stride_x):
    """The `Frame` of a sample."""
    return Frame(
        first=out + sample * stride_b,
        height=height,
        width=width,
        stride_c=stride_c,
        stride_y=stride_y,
        stride_x=stride_x,
    )


@triton.jit
def finished(colours, scale, shift, BYTES: tl.constexpr):
    """Clamped to [0, 1], then ``floor(255 v + 0.5)`` or ``scale v + shift``; of what is no number the maximum is 0."""
    colours = tl.minimum(tl.maximum(colours, 0.0), 1.0)
    if BYTES:
        return tl.floor(colours * 255.0 + 0.5)
    return colours * scale + shift


@triton.jit
def store_points(
    frame,
    colours,
    packed,
    sample,
    channel_style,
    pixels,
    C: tl.constexpr,
    C_PAD: tl.constexpr,
    PADDING_MODE: tl.constexpr,
    ALIGNED: tl.constexpr,
    BYTES: tl.constexpr,
):
    """``colours`` ``(P, C_PAD)`` of the `OutputPixels` ``pixels``."""
    channel = tl.arange(0, C_PAD)
    used = channel < C
    if PADDING_MODE == CONSTANT:
        coverage = coverage_at(packed, sample, pixels.x, pixels.y)[:, None]
        fill = tl.load(channel_style + 2 * C + channel, mask=used, other=0.0)[None, :]
        # Of maps that are not aligned, what was sampled is weighed by the window as well (spec section 8.2).
        colours = fill + ((colours if ALIGNED else coverage * colours) - fill) * coverage
    scale = tl.load(channel_style + channel, mask=used, other=0.0)[None, :]
    shift = tl.load(channel_style + C + channel, mask=used, other=0.0)[None, :]
    at = pixels.row * frame.stride_y + pixels.column * frame.stride_x
    at = frame.first + at[:, None] + (channel * frame.stride_c)[None, :]
    colours = finished(colours, scale, shift, BYTES)
    tl.store(at, colours.to(frame.first.dtype.element_ty), mask=pixels.exists[:, None] & used[None, :])
