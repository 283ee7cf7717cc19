"""Numbering of a ``cells`` record's nodes: all levels one after the other, greatest side first, each in raster order.

That is the order of classes and of details in a record, and that of cells from the 32 px level on (spec section 6.2.4).
Levels above the image's top side have no nodes. A *grid* is the tuple that ``node_grid`` makes.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.descriptors import LEVEL_FIELDS, LEVELS

__all__ = ["level_of", "locate", "node_grid", "parent_of", "start_of", "top_side"]


@triton.jit
def top_side(height, width):
    """Side of the greatest nodes in px, 32..256."""
    longest = tl.maximum(height, width)
    return tl.where(longest > 128, 256, tl.where(longest > 64, 128, tl.where(longest > 32, 64, 32)))


@triton.jit
def _count(height, width, side: tl.constexpr):
    return ((height + side - 1) // side) * ((width + side - 1) // side)


@triton.jit
def node_grid(height, width):
    """The width, the numbers of the first nodes of 128, 64, 32, 16 and 8 px, and of all nodes; 256 px begin at 0."""
    top = top_side(height, width)
    s128 = tl.where(top >= 256, _count(height, width, 256), 0)
    s64 = s128 + tl.where(top >= 128, _count(height, width, 128), 0)
    s32 = s64 + tl.where(top >= 64, _count(height, width, 64), 0)
    s16 = s32 + _count(height, width, 32)
    s8 = s16 + _count(height, width, 16)
    return width, s128, s64, s32, s16, s8, s8 + _count(height, width, 8)


@triton.jit
def start_of(side, grid):
    """Number of the first node of ``side``."""
    _, s128, s64, s32, s16, s8, _ = grid
    small = tl.where(side == 32, s32, tl.where(side == 16, s16, s8))
    return tl.where(side >= 256, 0, tl.where(side == 128, s128, tl.where(side == 64, s64, small)))


@triton.jit
def locate(node, grid):
    """Side, row and column of ``node``."""
    width, s128, s64, s32, s16, s8, _ = grid
    small = tl.where(node < s16, 32, tl.where(node < s8, 16, 8))
    side = tl.where(node < s128, 256, tl.where(node < s64, 128, tl.where(node < s32, 64, small)))
    columns = (width + side - 1) // side
    within = node - start_of(side, grid)
    row = within // columns
    return side, row, within - row * columns


@triton.jit
def parent_of(side, row, column, grid):
    """Number of the node that a node lies in; of a top node, something harmless."""
    double = tl.minimum(2 * side, 256)
    columns = (grid[0] + double - 1) // double
    return start_of(double, grid) + (row // 2) * columns + column // 2


@triton.jit
def level_of(head, side):
    """The fields of the level of ``side`` in a network's ``head``."""
    number = tl.where(side == 32, 0, tl.where(side == 16, 1, tl.where(side == 8, 2, 3)))
    return head + LEVELS + number * LEVEL_FIELDS
