"""Elementary functions of float64 numbers that every device gives the same bits of.

Libraries' own differ in their last bits from one device to the next, and random parameters must not. These are made of
additions and multiplications, each rounded by itself. They take numbers and tensors, and are compiled by numba and
Triton from this very source: so no function here calls another, every constant stands where it is used, and
annotations name what Triton can look up.
"""

from __future__ import annotations

import typing

__all__ = ["cosine", "exponential", "sine"]


def exponential(x: typing.Any) -> typing.Any:
    """exp(x), to a relative error of 1e-11 for \\|x\\| <= 5: the series at x / 16, to its 16th power."""
    y = x * 0.0625
    tail = 1.0 + y * (1.0 / 7) * (1.0 + y * (1.0 / 8) * (1.0 + y * (1.0 / 9) * (1.0 + y * (1.0 / 10))))
    tail = 1.0 + y * (1.0 / 4) * (1.0 + y * (1.0 / 5) * (1.0 + y * (1.0 / 6) * tail))
    p = 1.0 + y * (1.0 + y * (1.0 / 2) * (1.0 + y * (1.0 / 3) * tail))
    p = p * p
    p = p * p
    p = p * p
    return p * p


def sine(degrees: typing.Any) -> typing.Any:
    """The sine of an angle below 2**50 degrees, to an error of 1e-14: its series within half a turn of 0."""
    turns = degrees * (1.0 / 360)
    x = (turns - (turns + 6755399441055744.0 - 6755399441055744.0)) * 6.283185307179586
    u = x * x
    tail = 1.0 - u * (1.0 / 420) * (1.0 - u * (1.0 / 506) * (1.0 - u * (1.0 / 600) * (1.0 - u * (1.0 / 702))))
    tail = 1.0 - u * (1.0 / 210) * (1.0 - u * (1.0 / 272) * (1.0 - u * (1.0 / 342) * tail))
    tail = 1.0 - u * (1.0 / 72) * (1.0 - u * (1.0 / 110) * (1.0 - u * (1.0 / 156) * tail))
    return x * (1.0 - u * (1.0 / 6) * (1.0 - u * (1.0 / 20) * (1.0 - u * (1.0 / 42) * tail)))


def cosine(degrees: typing.Any) -> typing.Any:
    """The cosine of an angle below 2**50 degrees, to an error of 1e-14: its series within half a turn of 0."""
    turns = degrees * (1.0 / 360)
    x = (turns - (turns + 6755399441055744.0 - 6755399441055744.0)) * 6.283185307179586
    u = x * x
    tail = 1.0 - u * (1.0 / 380) * (1.0 - u * (1.0 / 462) * (1.0 - u * (1.0 / 552) * (1.0 - u * (1.0 / 650))))
    tail = 1.0 - u * (1.0 / 182) * (1.0 - u * (1.0 / 240) * (1.0 - u * (1.0 / 306) * tail))
    tail = 1.0 - u * (1.0 / 56) * (1.0 - u * (1.0 / 90) * (1.0 - u * (1.0 / 132) * tail))
    return 1.0 - u * (1.0 / 2) * (1.0 - u * (1.0 / 12) * (1.0 - u * (1.0 / 30) * tail))
