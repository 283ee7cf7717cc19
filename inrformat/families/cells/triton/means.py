"""The mean pyramid of a ``cells`` record (spec section 6.2.4)."""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.families.cells.triton.nodes import start_of, top_side

__all__ = ["build_node_means"]


@triton.jit
def build_node_means(record, quantization_step, height, width, node_means, C: tl.constexpr, CHUNK: tl.constexpr):
    """The pyramid of means: float32 ``(nodes, C)``, each level from the one above."""
    chunk = tl.arange(0, CHUNK)
    items, grid = record.items, record.grid
    for base in range(0, record.top_nodes * C, CHUNK):
        item = base + chunk
        inside = item < record.top_nodes * C
        root = tl.load(items + record.roots_start + item, mask=inside, other=0).to(tl.float32)
        tl.store(node_means + item, quantization_step * root, mask=inside)
    tl.debug_barrier()
    side = top_side(height, width) // 2
    while side >= 8:
        above = start_of(2 * side, grid)
        first = start_of(side, grid)
        parent_rows, parent_columns = (height + 2 * side - 1) // (2 * side), (width + 2 * side - 1) // (2 * side)
        columns = (width + side - 1) // side
        count = columns * ((height + side - 1) // side)
        for base in range(0, count, CHUNK):
            item = base + chunk
            inside = item < count
            row, column = item // columns, item % columns
            parent_row, parent_column = row // 2, column // 2
            sign_v, sign_h = (1 - 2 * (row & 1)).to(tl.float32), (1 - 2 * (column & 1)).to(tl.float32)
            parent = above + parent_row * parent_columns + parent_column
            west = parent - tl.where(parent_column > 0, 1, 0)
            east = parent + tl.where(parent_column < parent_columns - 1, 1, 0)
            north = parent - tl.where(parent_row > 0, parent_columns, 0)
            south = parent + tl.where(parent_row < parent_rows - 1, parent_columns, 0)
            for c in tl.static_range(C):
                detail = items + record.details_start + parent * 3 * C + 3 * c
                across = tl.load(node_means + west * C + c, mask=inside, other=0.0)
                across = (across - tl.load(node_means + east * C + c, mask=inside, other=0.0)) / 8
                down = tl.load(node_means + north * C + c, mask=inside, other=0.0)
                down = (down - tl.load(node_means + south * C + c, mask=inside, other=0.0)) / 8
                h = across + quantization_step * tl.load(detail, mask=inside, other=0).to(tl.float32)
                v = down + quantization_step * tl.load(detail + 1, mask=inside, other=0).to(tl.float32)
                x = quantization_step * tl.load(detail + 2, mask=inside, other=0).to(tl.float32)
                mean = tl.load(node_means + parent * C + c, mask=inside, other=0.0)
                mean = (mean + sign_h * h + sign_v * v + sign_h * sign_v * x) / 2
                tl.store(node_means + (first + item) * C + c, mean, mask=inside)
        tl.debug_barrier()
        side = side // 2
