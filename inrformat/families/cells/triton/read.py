"""Records of ``cells`` to weights: one program of one warp a record (spec section 6.2.4).

Lists of nodes come from running sums; each segment's work items (table, destination) are made a chunk at a time by the
whole warp and then decoded in order. All symbols of a record go to one int16 area, in which destinations lie inside by
construction, whatever the bytes: classes that do not exist become the last one that does, and the record is reported.
"""

from __future__ import annotations

import triton
import triton.language as tl

from inrformat.decode.triton.descriptors import (
    CELLS,
    CLASS_TABLE,
    CLASSES,
    EXTENTS,
    FAMILY,
    FIELDS,
    FLOATS,
    GROUP_COUNT,
    GROUPS,
    KEPT,
    LANE_PIXELS,
    ROOT_TABLES,
    SCALE_TABLE,
    SPLIT_CLASSES,
    SPLIT_TABLES,
)
from inrformat.decode.triton.rans import decode_items, open_record, record_faults
from inrformat.families.cells.triton.nodes import level_of, locate, node_grid, parent_of, start_of, top_side

__all__ = ["CHUNK", "NO_SUCH_CLASS", "NO_SUCH_SCALE", "OPTIONS", "read_cells_kernel"]

CHUNK = 128
"""Work items made at a time; with 512, registers spill."""
OPTIONS = {"num_warps": 1, "maxnreg": 160}
NO_SUCH_CLASS = tl.constexpr(8)
NO_SUCH_SCALE = tl.constexpr(16)
_SCALE_LIMIT = tl.constexpr(32)


@triton.jit
def shape_of(shapes, rows, sample, records, networks, max_height, max_width):
    """Row, network number, height and width of a sample; inside what the file was loaded with, whatever they are."""
    row = tl.minimum(tl.maximum(tl.load(rows + sample), 0), records - 1)
    network = tl.load(shapes + 3 * row).to(tl.int32)
    height = tl.load(shapes + 3 * row + 1).to(tl.int32)
    width = tl.load(shapes + 3 * row + 2).to(tl.int32)
    network = tl.minimum(tl.maximum(network, 0), networks - 1)
    height = tl.minimum(tl.maximum(height, 1), max_height)
    return row, network, height, tl.minimum(tl.maximum(width, 1), max_width)


@triton.jit
def _lanes(height, width, lane_pixels):
    wanted = height * width // lane_pixels
    lanes = 1
    for _ in tl.static_range(5):
        lanes = tl.where(2 * lanes <= wanted, 2 * lanes, lanes)
    return lanes


@triton.jit
def _is_split(head, classes, node, side, mask):
    """Whether nodes that exist (class not -1) are split."""
    number = tl.load(classes + node, mask=mask, other=-1).to(tl.int32)
    return mask & (number >= 0) & (number >= tl.load(level_of(head, side) + CLASSES))


@triton.jit
def _append(kept, node, listed, count):
    """Put the nodes that are ``kept`` on the list; returns its new length."""
    kept = kept.to(tl.int32)
    tl.store(listed + count + tl.cumsum(kept, axis=0) - kept, node, mask=kept > 0)
    return count + tl.sum(kept, axis=0)


@triton.jit
def _read_classes(
    low, high, state, following, faults, stream, head, grid, classes, listed, tables, places, CHUNK: tl.constexpr
):
    """Classes of the nodes ``low`` to ``high`` that exist; -1 for the others."""
    step = tl.arange(0, CHUNK)
    count = 0
    for base in range(low, high, CHUNK):
        node = base + step
        inside = node < high
        side, row, column = locate(node, grid)
        parent = parent_of(side, row, column, grid)
        small = inside & (side < 32)
        exists = inside & ((side >= 32) | _is_split(head, classes, parent, 2 * side, small))
        tl.store(classes + node, tl.full((CHUNK,), -1, tl.int16), mask=inside)
        count = _append(exists, node, listed, count)
    tl.debug_barrier()
    for base in range(0, count, CHUNK):
        item = base + step
        node = tl.load(listed + item, mask=item < count, other=0)
        side, _, _ = locate(node, grid)
        tl.store(tables + step, tl.load(level_of(head, side) + CLASS_TABLE), mask=item < count)
        tl.store(places + step, node, mask=item < count)
        tl.debug_barrier()
        state, following = decode_items(
            state, following, stream, tables, places, classes, tl.minimum(count - base, CHUNK)
        )
        tl.debug_barrier()
    for base in range(0, count, CHUNK):
        item = base + step
        node = tl.load(listed + item, mask=item < count, other=0)
        side, _, _ = locate(node, grid)
        level = level_of(head, side)
        last = tl.load(level + CLASSES) + tl.load(level + SPLIT_CLASSES) - 1
        number = tl.load(classes + node, mask=item < count, other=0).to(tl.int32)
        wrong = (item < count) & ((number < 0) | (number > last))
        tl.store(classes + node, tl.minimum(tl.maximum(number, 0), last).to(tl.int16), mask=wrong)
        faults |= tl.where(tl.max(wrong.to(tl.int32), axis=0) > 0, NO_SUCH_CLASS, 0)
    tl.debug_barrier()
    return state, following, faults


@triton.jit
def _read_means(
    state, following, stream, head, grid, integers, symbols, listed, tables, places, details, roots, top_nodes,
    C: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Means of the top nodes and details of the split ones."""
    step = tl.arange(0, CHUNK)
    split = 0
    fine = start_of(8, grid)
    for base in range(0, fine, CHUNK):
        node = base + step
        side, _, _ = locate(node, grid)
        split = _append(_is_split(head, symbols, node, side, node < fine), node, listed, split)
    tl.debug_barrier()
    root_tables = integers + tl.load(head + ROOT_TABLES)
    count = top_nodes * C + split * 3 * C
    for base in range(0, count, CHUNK):
        item = base + step
        inside = item < count
        root = item < top_nodes * C
        detail = inside & (item >= top_nodes * C)
        late = tl.where(detail, item - top_nodes * C, 0)
        which, part = late // (3 * C), late % (3 * C)
        node = tl.load(listed + which, mask=detail, other=0)
        side, _, _ = locate(node, grid)
        level = level_of(head, side)
        number = tl.load(symbols + node, mask=detail, other=0).to(tl.int32) - tl.load(level + CLASSES)
        at = tl.load(level + SPLIT_TABLES) + number * 3 * C + part
        table = tl.load(integers + at, mask=detail, other=0)
        table = tl.where(root, tl.load(root_tables + item % C, mask=root & inside, other=0), table)
        tl.store(tables + step, table, mask=inside)
        tl.store(places + step, tl.where(root, roots + item, details + node * 3 * C + part), mask=inside)
        tl.debug_barrier()
        state, following = decode_items(
            state, following, stream, tables, places, symbols, tl.minimum(count - base, CHUNK)
        )
        tl.debug_barrier()
    return state, following


@triton.jit
def _read_weights(
    state, following, stream, head, grid, integers, units, symbols, listed, begins, tables, places,
    plane, plane_size, plane_width,
    C: tl.constexpr, CHUNK: tl.constexpr, NODE_BITS: tl.constexpr,
):  # fmt: skip
    """Weights of all cells, each to its place in the plane."""
    step = tl.arange(0, CHUNK)
    cells, count, end = 0, 0, grid[6]
    for base in range(start_of(32, grid), end, CHUNK):
        node = base + step
        side, _, _ = locate(node, grid)
        level = level_of(head, side)
        number = tl.load(symbols + node, mask=node < end, other=-1).to(tl.int32)
        is_cell = (number >= 0) & (number < tl.load(level + CLASSES))
        length = tl.zeros((CHUNK,), tl.int32)
        for c in tl.static_range(C):
            length += tl.load(integers + tl.load(level + KEPT) + number * C + c, mask=is_cell, other=1) - 1
        rank = tl.cumsum(is_cell.to(tl.int32), axis=0) - 1 + cells
        tl.store(begins + rank, count + tl.cumsum(length, axis=0) - length, mask=is_cell)
        cells = _append(is_cell, node, listed, cells)
        count += tl.sum(length, axis=0)
    tl.debug_barrier()
    for base in range(0, count, CHUNK):
        item = base + step
        inside = item < count
        which, last = tl.zeros((CHUNK,), tl.int32), tl.full((CHUNK,), 1, tl.int32) * (cells - 1)
        for _ in range(NODE_BITS):
            # The last cell that begins at or before the item: cells of no weights share their successor's beginning.
            middle = (which + last + 1) // 2
            behind = tl.load(begins + middle, mask=inside, other=0) <= item
            which = tl.where(behind, middle, which)
            last = tl.where(behind, last, middle - 1)
        node = tl.load(listed + which, mask=inside, other=0)
        side, row, column = locate(node, grid)
        level = level_of(head, side)
        number = tl.load(symbols + node, mask=inside, other=0).to(tl.int32)
        unit = item - tl.load(begins + which, mask=inside, other=0)
        channel = tl.zeros((CHUNK,), tl.int32)
        for c in tl.static_range(C - 1):
            length = tl.load(integers + tl.load(level + KEPT) + number * C + c, mask=inside, other=1) - 1
            passed = (channel == c) & (unit >= length)
            unit = tl.where(passed, unit - length, unit)
            channel = tl.where(passed, c + 1, channel)
        unit = tl.minimum(unit + 1, side * side - 1)
        what = tl.load(units + tl.where(side == 32, 0, tl.where(side == 16, 1024, 1280)) + unit, mask=inside, other=0)
        b, a, group = what & 255, (what >> 8) & 255, what >> 16
        groups = tl.load(level + GROUPS) + (number * C + channel) * tl.load(level + GROUP_COUNT)
        tl.store(tables + step, tl.load(integers + groups + group, mask=inside, other=0), mask=inside)
        place = plane + channel * plane_size + (row * side + b) * plane_width + column * side + a
        tl.store(places + step, place, mask=inside)
        tl.debug_barrier()
        state, following = decode_items(
            state, following, stream, tables, places, symbols, tl.minimum(count - base, CHUNK)
        )
        tl.debug_barrier()
    return state, following


@triton.jit
def _build_means(
    quantum, height, width, grid, symbols, means, details, roots, top_nodes, C: tl.constexpr, CHUNK: tl.constexpr
):
    """The pyramid of means: float32 ``(nodes, C)``, each level from the one above."""
    step = tl.arange(0, CHUNK)
    for base in range(0, top_nodes * C, CHUNK):
        item = base + step
        root = tl.load(symbols + roots + item, mask=item < top_nodes * C, other=0).to(tl.float32)
        tl.store(means + item, quantum * root, mask=item < top_nodes * C)
    tl.debug_barrier()
    side = top_side(height, width) // 2
    while side >= 8:
        above = start_of(2 * side, grid)
        first = start_of(side, grid)
        rows, columns = (height + 2 * side - 1) // (2 * side), (width + 2 * side - 1) // (2 * side)
        here = (width + side - 1) // side
        count = here * ((height + side - 1) // side)
        for base in range(0, count, CHUNK):
            item = base + step
            inside = item < count
            row, column = item // here, item % here
            up, left = row // 2, column // 2
            sign_v, sign_h = (1 - 2 * (row & 1)).to(tl.float32), (1 - 2 * (column & 1)).to(tl.float32)
            node = above + up * columns + left
            west = node - tl.where(left > 0, 1, 0)
            east = node + tl.where(left < columns - 1, 1, 0)
            north = node - tl.where(up > 0, columns, 0)
            south = node + tl.where(up < rows - 1, columns, 0)
            for c in tl.static_range(C):
                q = symbols + details + node * 3 * C + 3 * c
                across = tl.load(means + west * C + c, mask=inside, other=0.0)
                across = (across - tl.load(means + east * C + c, mask=inside, other=0.0)) / 8
                down = tl.load(means + north * C + c, mask=inside, other=0.0)
                down = (down - tl.load(means + south * C + c, mask=inside, other=0.0)) / 8
                h = across + quantum * tl.load(q, mask=inside, other=0).to(tl.float32)
                v = down + quantum * tl.load(q + 1, mask=inside, other=0).to(tl.float32)
                x = quantum * tl.load(q + 2, mask=inside, other=0).to(tl.float32)
                mean = tl.load(means + node * C + c, mask=inside, other=0.0)
                mean = (mean + sign_h * h + sign_v * v + sign_h * sign_v * x) / 2
                tl.store(means + (first + item) * C + c, mean, mask=inside)
        tl.debug_barrier()
        side = side // 2


@triton.jit
def _store_cover(
    head, grid, integers, symbols, means, cover, dc, grid_width, grid_size, C: tl.constexpr, CHUNK: tl.constexpr
):
    """For each 8 px node: side of the cell that covers it, its extent (bits 8 on), and the cell's mean weight."""
    step, end = tl.arange(0, CHUNK), grid[6]
    for base in range(start_of(8, grid), end, CHUNK):
        node = base + step
        inside = node < end
        side, row, column = locate(tl.minimum(node, end - 1), grid)
        parent = parent_of(side, row, column, grid)
        grand = parent_of(2 * side, row // 2, column // 2, grid)
        split = _is_split(head, symbols, grand, 4 * side, inside)
        split_again = _is_split(head, symbols, parent, 2 * side, inside)
        side = tl.where(split, tl.where(split_again, 8, 16), 32)
        cell = tl.where(split, tl.where(split_again, node, parent), grand)
        number = tl.load(symbols + cell, mask=inside, other=0).to(tl.int32)
        extent = tl.load(integers + tl.load(level_of(head, side) + EXTENTS) + number, mask=inside, other=0)
        place = row * grid_width + column
        tl.store(cover + place, side | (extent << 8), mask=inside)
        for c in tl.static_range(C):
            mean = tl.load(means + cell * C + c, mask=inside, other=0.0)
            tl.store(dc + c * grid_size + place, mean, mask=inside)


@triton.jit
def read_cells_kernel(
    words, offsets, lengths, shapes, rows, entries, heads, integers, floats, units,
    area, work, means, dc, cover, steps, status,
    records, networks, total_words, max_height, max_width, nodes, area_size, details, roots, scale_at, plane,
    plane_width, plane_size,
    C: tl.constexpr, CHUNK: tl.constexpr, NODE_BITS: tl.constexpr,
):  # fmt: skip
    """One record a program: symbols to ``area``, dequantized means to ``dc``, sides to ``cover``, its step."""
    sample = tl.program_id(0).to(tl.int64)
    row, network, height, width = shape_of(shapes, rows, sample, records, networks, max_height, max_width)
    head = heads + network * FIELDS
    if tl.load(head + FAMILY) != CELLS:
        return
    symbols = area + sample * area_size
    tables = work + sample * 2 * (CHUNK + nodes)
    places, listed = tables + CHUNK, tables + 2 * CHUNK
    begins = listed + nodes
    means += sample * nodes * C
    grid_width, grid_size = plane_width // 8, plane_size // 64
    grid = node_grid(height, width)
    top = top_side(height, width)
    top_nodes = ((height + top - 1) // top) * ((width + top - 1) // top)
    lanes = _lanes(height, width, tl.load(head + LANE_PIXELS))
    stream, state, following = open_record(words, offsets, lengths, entries, row, total_words, lanes)
    faults = 0

    tl.store(tables, tl.load(head + SCALE_TABLE))
    tl.store(places, scale_at)
    tl.debug_barrier()
    state, following = decode_items(state, following, stream, tables, places, symbols, 1)
    tl.debug_barrier()
    scale = tl.load(symbols + scale_at).to(tl.int32)
    faults |= tl.where((scale > _SCALE_LIMIT) | (scale < -_SCALE_LIMIT), NO_SUCH_SCALE, 0)
    scale = tl.minimum(tl.maximum(scale, -_SCALE_LIMIT), _SCALE_LIMIT)
    quantum = tl.load(floats + tl.load(head + FLOATS)) * tl.exp2(scale.to(tl.float32) / 4)
    tl.store(steps + sample, quantum)

    low, high = 0, start_of(16, grid)  # of 32 px and more, then of 16 px, then of 8
    for _ in range(3):
        state, following, faults = _read_classes(
            low, high, state, following, faults, stream, head, grid, symbols, listed, tables, places, CHUNK
        )
        low, high = high, tl.where(high == start_of(16, grid), start_of(8, grid), grid[6])
    state, following = _read_means(
        state, following, stream, head, grid, integers, symbols, listed, tables, places, details, roots, top_nodes,
        C, CHUNK,
    )  # fmt: skip
    state, following = _read_weights(
        state, following, stream, head, grid, integers, units, symbols, listed, begins, tables, places,
        plane, plane_size, plane_width, C, CHUNK, NODE_BITS,
    )  # fmt: skip
    tl.store(status + sample, faults | record_faults(state, following, stream))
    _build_means(quantum, height, width, grid, symbols, means, details, roots, top_nodes, C, CHUNK)
    _store_cover(
        head, grid, integers, symbols, means, cover + sample * grid_size, dc + sample * C * grid_size,
        grid_width, grid_size, C, CHUNK,
    )  # fmt: skip
