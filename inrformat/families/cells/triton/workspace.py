"""Memory in which samples of a view are evaluated: blocks of coefficients and operators of both axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena, measuring_arena
from inrformat.decoding.triton.backend import View
from inrformat.families.cells.triton.basis import BLOCK
from inrformat.families.cells.triton.operators import LEVELS, TILE

__all__ = ["WORKSPACE_BYTES", "NativeSize", "Workspace", "Workspaces"]

WORKSPACE_BYTES = 64 << 20
"""Larger batches are evaluated in parts of this size, or one sample at a time; much of it stays in a GPU's L2 cache."""

_ALIGNED = 16
_MARGIN_BYTES = 2048
"""What the beginnings of five tensors may waste."""


class NativeSize(NamedTuple):
    """Channels of a file's images, and their greatest height and width in whole cells of 32 px."""

    channels: int
    height: int
    width: int


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
        size_bytes: of all of them.
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
    size_bytes: int

    @classmethod
    def of(cls, native: NativeSize, view: View, memory: Tensor) -> Workspace:
        """Of as many samples of ``view`` as are evaluated at a time, in ``memory`` where it is large enough for one."""
        height, width = view.out.shape[2:] if view.maps.aligned else (0, 0)
        tile_rows, tile_columns = -(-height // TILE), -(-width // TILE)
        block_rows, block_columns = native.height // BLOCK.value, native.width // BLOCK.value
        numbers = torch.float16 if view.precision.half else torch.float32
        tiles, block_count = tile_rows + tile_columns, block_rows * block_columns
        block = native.channels * BLOCK.value**2
        operator = max(block_rows, block_columns) * LEVELS.value * TILE * BLOCK.value
        sample_bytes = (
            numbers.itemsize * (block_count * block + tiles * operator) + 2 * block_count + (8 + 4 * TILE) * tiles
        )
        fitting = min(WORKSPACE_BYTES, len(memory)) - _MARGIN_BYTES
        samples = max(min(len(view), fitting // sample_bytes), 1)
        if samples > _ALIGNED:  # so that kernels are compiled once for all parts: their pointers stay aligned
            samples -= samples % _ALIGNED

        def cut(arena: Arena) -> Workspace:
            return cls(
                block_rows=block_rows,
                block_columns=block_columns,
                tile_rows=tile_rows,
                tile_columns=tile_columns,
                blocks=arena.empty(samples, block_count, block, dtype=numbers),
                covers=arena.empty(samples, block_count, dtype=torch.int16),
                operators=arena.empty(samples, tiles, operator, dtype=numbers),
                spans=arena.empty(samples, tiles, 2, dtype=torch.int32),
                totals=arena.empty(samples, tiles, TILE, dtype=torch.float32),
                size_bytes=arena.used_bytes,
            )

        needed = measuring_arena()
        cut(needed)
        if needed.used_bytes > len(memory):
            memory = torch.empty(needed.used_bytes, dtype=torch.uint8, device=view.out.device)
        return cut(Arena(memory))

    def __len__(self) -> int:
        return len(self.blocks)


class Workspaces:
    """Workspaces in one piece of memory, uint8 ``(n,)``, of which one is in use at a time."""

    def __init__(self, memory: Tensor, native: NativeSize) -> None:
        self.memory, self.native = memory, native
        self._known: dict[tuple[object, ...], Workspace] = {}

    def suited(self, view: View) -> Workspace:
        """That of a view; cut once for all views of its form, since cutting takes the host longer than launching."""
        form = (len(view), *view.out.shape[2:], view.maps.aligned, view.precision.half)
        if form not in self._known:
            workspace = Workspace.of(self.native, view, self.memory)
            if workspace.size_bytes > len(self.memory):
                return workspace  # in memory of its own, too large to be kept
            self._known[form] = workspace
        return self._known[form]
