"""Sine and cosine of half turns on a device, without the library's slow path, which spills registers.

Reduced to |r| <= 1/2 half turns, then the least-squares polynomials of ``encode/siren/kernel.py``: absolute errors of
1e-7 (sine) and 1.4e-7 (cosine) for the float32 argument they are given; the argument's own rounding, |t| 2^-24 half
turns, comes on top.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["cosine", "sine"]


@triton.jit
def _reduced(t):
    """The rest of ``t`` beside the nearest whole number, and -1 where that number is odd, else 1."""
    k = tl.floor(t + 0.5)
    half = 0.5 * k
    return t - k, 1.0 - 4.0 * tl.abs(half - tl.floor(half + 0.25))


@triton.jit
def sine(t):
    """sin(pi t), float32."""
    r, sign = _reduced(t)
    u = r * r
    s = -0.598291218 + u * 0.0776575729
    return sign * r * (3.14159274 + u * (-5.1677103 + u * (2.55007744 + u * s)))


@triton.jit
def cosine(t):
    """cos(pi t), float32."""
    r, sign = _reduced(t)
    u = r * r
    c = 0.234937295 - u * 0.0243963022
    return sign * (1.0 + u * (-4.93480206 + u * (4.05870914 + u * (-1.33521199 + u * c))))
