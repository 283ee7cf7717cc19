"""Numbering of a ``cells`` record's nodes: all levels one after the other, greatest side first, each in raster order.

That is the order of classes and of details in a record, and that of cells from the 32 px level on (spec section 6.2.4).
Levels above the image's top side have no nodes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

__all__ = ["NodeGrid", "locate", "node_grid", "start_of", "top_node_count", "top_side"]


class NodeGrid(NamedTuple):
    """An image's nodes: its width in px, the number of the first node of each side, 256 px at 0, and of all nodes."""

    width: Any
    first_128: Any
    first_64: Any
    first_32: Any
    first_16: Any
    first_8: Any
    node_count: Any


@triton.jit
def top_side(height, width):
    """Side of the greatest nodes in px, 32..256."""
    longest = tl.maximum(height, width)
    return tl.where(longest > 128, 256, tl.where(longest > 64, 128, tl.where(longest > 32, 64, 32)))


@triton.jit
def top_node_count(height, width):
    """How many nodes of the greatest side there are."""
    side = top_side(height, width)
    return ((height + side - 1) // side) * ((width + side - 1) // side)


@triton.jit
def _count(height, width, side: tl.constexpr):
    return ((height + side - 1) // side) * ((width + side - 1) // side)


@triton.jit
def node_grid(height, width):
    """The `NodeGrid` of an image of that native size."""
    top = top_side(height, width)
    first_128 = tl.where(top >= 256, _count(height, width, 256), 0)
    first_64 = first_128 + tl.where(top >= 128, _count(height, width, 128), 0)
    first_32 = first_64 + tl.where(top >= 64, _count(height, width, 64), 0)
    first_16 = first_32 + _count(height, width, 32)
    first_8 = first_16 + _count(height, width, 16)
    return NodeGrid(
        width=width,
        first_128=first_128,
        first_64=first_64,
        first_32=first_32,
        first_16=first_16,
        first_8=first_8,
        node_count=first_8 + _count(height, width, 8),
    )


@triton.jit
def start_of(side, grid):
    """Number of the first node of ``side``."""
    small = tl.where(side == 32, grid.first_32, tl.where(side == 16, grid.first_16, grid.first_8))
    large = tl.where(side == 128, grid.first_128, tl.where(side == 64, grid.first_64, small))
    return tl.where(side >= 256, 0, large)


@triton.jit
def locate(node, grid):
    """Side, row and column of ``node``."""
    small = tl.where(node < grid.first_16, 32, tl.where(node < grid.first_8, 16, 8))
    large = tl.where(node < grid.first_64, 128, tl.where(node < grid.first_32, 64, small))
    side = tl.where(node < grid.first_128, 256, large)
    columns = (grid.width + side - 1) // side
    within = node - start_of(side, grid)
    row = within // columns
    return side, row, within - row * columns
