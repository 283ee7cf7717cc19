"""Hidden units of ``cells`` along one axis (spec section 6.2.1), in blocks of 16 native pixels."""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.trigonometry import cosine
from inrformat.families.cells.reference import BORDER

__all__ = ["BLOCK", "fine_node", "units"]

BLOCK = tl.constexpr(16)
"""Native pixels of a block, and how many units of a cell side it has along an axis: two cells of 8 px, one of 16 px,
or one half of the units of a cell of 32 px, whose other half the neighbouring block has."""
_BORDER = tl.constexpr(BORDER)


@triton.jit
def fine_node(position, count):
    """Which of the ``count`` nodes of 8 px on an axis covers a position."""
    node = tl.floor((position + _BORDER) * 0.125).to(tl.int32)
    return tl.minimum(tl.maximum(node, 0), count - 1)


@triton.jit
def units(position, fine_nodes, block, level):
    """Units of the cells of 2**level px that ``block`` has, at positions ``(n,)``: ``(n, BLOCK)``; 0 elsewhere."""
    k = tl.arange(0, BLOCK)
    mask = (1 << level) - 1
    side = (1 << level) * 1.0
    own = fine_node(position, fine_nodes) >> (level - 3)
    unit = ((k + block * BLOCK) & mask).to(tl.float32)
    cell = (k + block * BLOCK) >> level
    u = position / side - own.to(tl.float32)
    norm = tl.where(unit == 0, tl.sqrt(1.0 / side), tl.sqrt(2.0 / side))
    return tl.where(own[:, None] == cell[None, :], norm[None, :] * cosine(u[:, None] * unit[None, :]), 0.0)
