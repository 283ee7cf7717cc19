"""Sine and cosine of half turns on a device, without the library's slow path, which spills registers.

Reduced to |r| <= 1/2 half turns, then polynomials, least squares at Chebyshev points: absolute errors of 1e-7 (sine)
and 1.4e-7 (cosine) for the float32 argument they are given; the argument's own rounding, |t| 2^-24 half turns, comes on
top. Good for |t| < 2^22, where float32 still knows a quarter of a turn.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import libdevice

__all__ = ["approximate_cosine", "approximate_sine", "cosine", "sine", "sine_and_cosine"]

_INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)

_SHIFT = tl.constexpr(1.5 * 2.0**23)
"""A float32 of this size counts in ones: adding it rounds, and the sum's last bit says whether to an odd number."""


@triton.jit
def _reduced(t):
    """The rest of ``t`` beside the nearest whole number, and the sign bit, set where that number is odd."""
    shifted = t + _SHIFT
    # Rounding by addition takes the arithmetic's full rate, floor an eighth of it.
    return t - (shifted - _SHIFT), shifted.to(tl.int32, bitcast=True) << 31


@triton.jit
def _signed(x, odd):
    return (x.to(tl.int32, bitcast=True) ^ odd).to(tl.float32, bitcast=True)


@triton.jit
def _sine_near_0(r):
    u = r * r
    s = -0.598291218 + u * 0.0776575729
    return r * (3.14159274 + u * (-5.1677103 + u * (2.55007744 + u * s)))


@triton.jit
def _cosine_near_0(r):
    u = r * r
    c = 0.234937295 - u * 0.0243963022
    return 1.0 + u * (-4.93480206 + u * (4.05870914 + u * (-1.33521199 + u * c)))


@triton.jit
def sine(t):
    """sin(pi t), float32."""
    r, odd = _reduced(t)
    return _signed(_sine_near_0(r), odd)


@triton.jit
def cosine(t):
    """cos(pi t), float32."""
    r, odd = _reduced(t)
    return _signed(_cosine_near_0(r), odd)


@triton.jit
def sine_and_cosine(t):
    """sin(pi t) and cos(pi t), float32."""
    r, odd = _reduced(t)
    return _signed(_sine_near_0(r), odd), _signed(_cosine_near_0(r), odd)


@triton.jit
def approximate_cosine(x):
    """cos(x) of radians by the device's own instruction, float32.

    Its absolute error is at most 2^-20.5 for |x| < 2 pi and 2^-14.7 for |x| < 100 pi, growing as |x| does (PTX,
    ``cos.approx.f32``): below that of what becomes float16.
    """
    return tl.cos(x) if _INTERPRETED else libdevice.fast_cosf(x)  # the interpreter has no device's instructions


@triton.jit
def approximate_sine(x):
    """sin(x) of radians by the device's own instruction, float32.

    Its absolute error is at most 2^-20.5 for |x| < 2 pi and 2^-14.7 for |x| < 100 pi, growing as |x| does (PTX,
    ``sin.approx.f32``): below that of an argument which comes of float16 products.
    """
    return tl.sin(x) if _INTERPRETED else libdevice.fast_sinf(x)  # the interpreter has no device's instructions
