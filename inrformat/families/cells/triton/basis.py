"""Hidden units of ``cells`` along one axis, for the outputs of a tile (spec sections 6.2.1 and 8.2)."""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decoding.triton.axes import first_and_last_pixel, lattice_filter
from inrformat.decoding.triton.epilogue import CONSTANT
from inrformat.decoding.triton.sampling import fold
from inrformat.decoding.triton.trigonometry import cosine
from inrformat.families.cells.reference import BORDER

__all__ = ["BLOCK", "fine_node", "operator", "survey"]

BLOCK = tl.constexpr(32)
"""Native pixels of a block, the greatest cell: coefficients of one block are read together."""
_BORDER = tl.constexpr(BORDER)


@triton.jit
def fine_node(position, count):
    """Which of the ``count`` nodes of 8 px on an axis covers a position."""
    node = tl.floor((position + _BORDER) * 0.125).to(tl.int32)
    return tl.minimum(tl.maximum(node, 0), count - 1)


@triton.jit
def _units(position, fine_nodes, block, level):
    """Units of the cells of 2**level px of a block at positions, ``(n, BLOCK)``; 0 of cells that do not cover them."""
    k = tl.arange(0, BLOCK)
    side = (1 << level) * 1.0
    own = fine_node(position, fine_nodes) >> (level - 3)
    unit = (k & ((1 << level) - 1)).to(tl.float32)
    cell = (k + block * BLOCK) >> level
    u = position / side - own.to(tl.float32)
    norm = tl.where(unit == 0, tl.sqrt(1.0 / side), tl.sqrt(2.0 / side))
    return tl.where(own[:, None] == cell[None, :], norm[None, :] * cosine(u[:, None] * unit[None, :]), 0.0)


@triton.jit
def _blocks_of(axis, PADDING_MODE: tl.constexpr):
    """First block of native pixels that a filtered axis sees, before folding, and the one after the last."""
    first, last = first_and_last_pixel(axis, PADDING_MODE)
    return first >> 5, (last >> 5) + 1


@triton.jit
def survey(axis, fine_nodes, PADDING_MODE: tl.constexpr, FILTER: tl.constexpr):
    """Sums of the filter's weights for each output, and the first and the last block that the outputs see."""
    begin, end = _blocks_of(axis, PADDING_MODE)
    total = tl.zeros_like(axis.centres)
    first, last = (fine_nodes - 1) >> 2, 0
    if not FILTER or axis.at_points:
        total += 1.0
        block = fine_node(fold(axis.centres, axis.window, PADDING_MODE), fine_nodes) >> 2
        first, last = tl.min(block, axis=0), tl.max(block, axis=0)
    else:
        for chunk in range(begin, end):
            at, weight = lattice_filter(chunk * BLOCK, axis, PADDING_MODE, BLOCK)
            total += tl.sum(weight, axis=1)
            block = fine_node(fold(at, axis.window, PADDING_MODE), fine_nodes) >> 2
            seen = tl.max(weight, axis=0) > 0.0
            first = tl.minimum(first, tl.min(tl.where(seen, block, first), axis=0))
            last = tl.maximum(last, tl.max(tl.where(seen, block, last), axis=0))
    return total, first, last


@triton.jit
def operator(
    block,
    level,
    axis,
    fine_nodes,
    PADDING_MODE: tl.constexpr,
    FILTER: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """What each coefficient of a block adds to each output of the axis: ``(n, BLOCK)``, filter and basis in one."""
    if not FILTER or axis.at_points:
        across = _units(fold(axis.centres, axis.window, PADDING_MODE), fine_nodes, block, level)
    else:
        across = tl.zeros((axis.centres.shape[0], BLOCK), tl.float32)
        begin, end = _blocks_of(axis, PADDING_MODE)
        # Without folding a block is evaluated at its own pixels alone.
        first = tl.maximum(begin, block) if PADDING_MODE <= CONSTANT else begin
        stop = tl.minimum(end, block + 1) if PADDING_MODE <= CONSTANT else end
        for chunk in range(first, stop):
            at, weight = lattice_filter(chunk * BLOCK, axis, PADDING_MODE, BLOCK)
            units = _units(fold(at, axis.window, PADDING_MODE), fine_nodes, block, level)
            across += tl.dot(weight, units, input_precision=PRECISION)
    return across
