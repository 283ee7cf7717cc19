"""Weights of one ``cells`` sample, as kernels that evaluate networks find them in the scratch."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.families.cells import reference

__all__ = ["OFFSET", "UNIT", "CellWeights", "side_and_extent", "weights_of"]

OFFSET = tl.constexpr(reference.OFFSET)
"""The colour, in 1/255 units, of a network whose weights are all zero."""
UNIT = tl.constexpr(1.0 / 255)
"""Colours are in [0, 1], outputs of networks are not."""


class CellWeights(NamedTuple):
    """One sample's.

    Attributes:
        symbols, cell_means, cell_sides: pointers: planes of its weights, which ``step`` multiplies; see `CellsScratch`.
        fine_rows, fine_columns: 8 px nodes of its image. plane_columns, plane_nodes: 8 px nodes of the planes, which
            are as large as the greatest image of the file and whole blocks of 32 px.
    """

    symbols: Any
    step: Any
    cell_means: Any
    cell_sides: Any
    fine_rows: Any
    fine_columns: Any
    plane_columns: Any
    plane_nodes: Any


@triton.jit
def weights_of(
    sample,
    shape,
    symbols,
    cell_means,
    cell_sides,
    steps,
    symbol_count,
    plane_start,
    plane_columns,
    plane_nodes,
    C: tl.constexpr,
):
    """The `CellWeights` of a sample of that `SampleShape`."""
    return CellWeights(
        symbols=symbols + sample * symbol_count + plane_start,
        step=tl.load(steps + sample),
        cell_means=cell_means + sample * C * plane_nodes,
        cell_sides=cell_sides + sample * plane_nodes,
        fine_rows=(shape.height + 7) // 8,
        fine_columns=(shape.width + 7) // 8,
        plane_columns=plane_columns,
        plane_nodes=plane_nodes,
    )


@triton.jit
def side_and_extent(packed):
    """Side in px and extent of cells, out of ``CellsScratch.cell_sides``."""
    return packed & 255, packed >> 8
