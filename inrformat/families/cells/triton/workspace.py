"""Memory in which samples of a view are evaluated: blocks of coefficients and operators of both axes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.decoding.triton.backend import View
from inrformat.families.cells.triton.basis import BLOCK
from inrformat.families.cells.triton.operators import LEVELS, TILE
from inrformat.families.cells.triton.plan import CellsPlan

__all__ = ["WORKSPACE_BYTES", "Workspace"]

WORKSPACE_BYTES = 64 << 20
"""Larger batches are evaluated in parts of this size, or one sample at a time; much of it stays in a GPU's L2 cache."""

_ALIGNED = 16


@dataclass(frozen=True, slots=True, eq=False)
class Workspace:
    """Of ``n`` samples; numbers are float16, or float32 for exact products.

    Attributes:
        block_rows, block_columns: of an image. tile_rows, tile_columns: of the output, 0 where the map is not aligned.
        blocks: ``(n, block_rows * block_columns, C, 16, 16)``, see ``blocks.py``.
        covers: int16 ``(n, block_rows * block_columns)``, see ``blocks.cover_of``.
        operators: ``(n, tile_rows + tile_columns, axis_blocks, 3, TILE, 16)``, see ``operators.py``.
        spans: int32 ``(n, tile_rows + tile_columns, 2)``, the first and the last block that each tile sees.
        totals: float32 ``(n, tile_rows + tile_columns, TILE)``: 1, or 0 for outputs that see no pixel of the window.
    """

    block_rows: int
    block_columns: int
    tile_rows: int
    tile_columns: int
    blocks: Tensor
    covers: Tensor
    operators: Tensor
    spans: Tensor
    totals: Tensor

    @classmethod
    def of(cls, plan: CellsPlan, view: View) -> Workspace:
        """Of as many samples of ``view`` as are evaluated at a time; on the current stream."""
        height, width = view.out.shape[2:] if view.maps.aligned else (0, 0)
        tile_rows, tile_columns = -(-height // TILE), -(-width // TILE)
        block_rows, block_columns = plan.height // BLOCK.value, plan.width // BLOCK.value
        numbers = torch.float16 if view.precision.half else torch.float32
        tiles, block_count = tile_rows + tile_columns, block_rows * block_columns
        block = plan.channels * BLOCK.value**2
        operator = max(block_rows, block_columns) * LEVELS.value * TILE * BLOCK.value
        sample_bytes = (
            numbers.itemsize * (block_count * block + tiles * operator) + 2 * block_count + (8 + 4 * TILE) * tiles
        )
        samples = max(min(len(view), WORKSPACE_BYTES // sample_bytes), 1)
        if samples > _ALIGNED:  # so that kernels are compiled once for all parts: their pointers stay aligned
            samples -= samples % _ALIGNED

        def empty(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.empty((samples, *shape), dtype=dtype, device=view.out.device)

        return cls(
            block_rows=block_rows,
            block_columns=block_columns,
            tile_rows=tile_rows,
            tile_columns=tile_columns,
            blocks=empty(block_count, block, dtype=numbers),
            covers=empty(block_count, dtype=torch.int16),
            operators=empty(tiles, operator, dtype=numbers),
            spans=empty(tiles, 2, dtype=torch.int32),
            totals=empty(tiles, TILE, dtype=torch.float32),
        )

    def __len__(self) -> int:
        return len(self.blocks)
