"""Hidden units of ``cells`` along one axis (spec section 6.2.1), in blocks of 16 native pixels."""

from __future__ import annotations

import math

import triton
import triton.language as tl

from inrformat.decoding.triton.trigonometry import approximate_cosine, cosine
from inrformat.families.cells.reference import BORDER

__all__ = ["BLOCK", "fine_node", "units"]

BLOCK = tl.constexpr(16)
"""Native pixels of a block, and how many units of a cell side it has along an axis: two cells of 8 px, one of 16 px,
or one half of the units of a cell of 32 px, whose other half the neighbouring block has."""
_PI = tl.constexpr(math.pi)
_BORDER = tl.constexpr(BORDER)


@triton.jit
def fine_node(position, count):
    """Which of the ``count`` nodes of 8 px on an axis covers a position."""
    node = tl.floor((position + _BORDER) * 0.125).to(tl.int32)
    return tl.minimum(tl.maximum(node, 0), count - 1)


@triton.jit
def units(position, scale, fine_nodes, block, LEVEL: tl.constexpr, EXACT: tl.constexpr):
    """Units of the cells of 2**LEVEL px that ``block`` has, at positions ``(n,)``, times ``scale`` ``(n,)``.

    Returns ``(n, BLOCK)``, 0 where a position lies in another cell. EXACT: to float32's precision, else to float16's.
    """
    k = tl.arange(0, BLOCK)
    node = fine_node(position, fine_nodes)
    cell = node >> (LEVEL - 3)
    u = position * (1.0 / 2**LEVEL) - cell.to(tl.float32)
    unit = (k + block * BLOCK) & (2**LEVEL - 1)
    if LEVEL >= 4:
        scale = tl.where(cell == (block >> (LEVEL - 4)), scale, 0.0)
    phase = u[:, None] * unit.to(tl.float32)[None, :]
    wave = cosine(phase) if EXACT else approximate_cosine(phase * _PI)
    norm = tl.where(unit == 0, 2.0 ** (-0.5 * LEVEL), 2.0 ** (0.5 - 0.5 * LEVEL))
    values = scale[:, None] * norm[None, :] * wave
    if LEVEL == 3:
        values = tl.where(node[:, None] == (2 * block + (k >> 3))[None, :], values, 0.0)
    return values
