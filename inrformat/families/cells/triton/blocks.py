"""Coefficients of ``cells`` as evaluation reads them: blocks of 16 x 16, cell by cell, in the channels of the image.

A block has the place of its native pixels. One that lies in a cell of 16 px holds that cell's coefficients, (b, a) at
b down and a across; one of cells of 8 px has four of them in its quarters; the coefficients of a cell of 32 px are in
four blocks, (b, a) where its pixel (b, a) would be.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.families.cells import reference
from inrformat.families.cells.triton.basis import BLOCK

__all__ = ["OFFSET", "UNIT", "cover_of", "holds_weights", "side_and_extent"]

OFFSET = tl.constexpr(reference.OFFSET / 255)
"""The colour, in [0, 1], of a network whose weights are all zero."""
UNIT = tl.constexpr(1.0 / 255)
"""Colours are in [0, 1], outputs of networks are not."""


@triton.jit
def cover_of(side, extent):
    """What ``Canvas.covers`` says of a block: side in px of its cells, and their greatest extent.

    The extent of a cell is one more than the greatest a + b of a unit that it keeps; 0 where there is no cell.
    """
    return (side | (extent << 8)).to(tl.int16)


@triton.jit
def side_and_extent(cover):
    """The side and the extent of a cover."""
    cover = cover.to(tl.int32)
    return cover & 255, cover >> 8


@triton.jit
def holds_weights(side, extent, r, c):
    """Whether the block in row ``r`` and column ``c`` holds any weight."""
    return extent > tl.where(side == 32, ((r & 1) + (c & 1)) * BLOCK, 0)
