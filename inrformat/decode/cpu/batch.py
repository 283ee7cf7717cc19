"""Samples of a batch, one after the other: record to finished pixels, compiled. Threads take ranges of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.axes import axis_taps, compiled, inlined
from inrformat.decode.cpu.cells import add_strip, aligned_margin, cell_grids, strip_rows
from inrformat.decode.cpu.cells_anywhere import evaluate_anywhere
from inrformat.decode.cpu.finish import Finish, finish_rows
from inrformat.decode.cpu.leaves import read_cells
from inrformat.decode.cpu.sampling import Maps, outer_cover, shares
from inrformat.decode.cpu.siren import evaluate_siren_aligned, evaluate_siren_anywhere, read_siren

__all__ = ["Batch", "decode_cells", "decode_sirens"]


class Batch(NamedTuple):
    """Records of B samples: uint16 payload, int64 ``(B,)`` word ranges, native heights and widths, and rANS lanes."""

    words: NDArray[np.uint16]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    lanes: NDArray[np.int64]


@inlined
def _taps(maps: Maps, b: int, height: int, width: int) -> tuple[Any, Any]:
    """Taps of the rows and of the columns of an aligned map."""
    m, window = maps.matrices[b], maps.windows[b]
    return (
        axis_taps(m[4], m[5], window[1], window[3], height, maps.outside, maps.antialias),
        axis_taps(m[0], m[2], window[0], window[2], width, maps.outside, maps.antialias),
    )


@inlined
def _extent(positions: Any) -> tuple[float, float]:
    """Bounds of the positions, a little wider: one on a border may belong to either cell. None where there are none."""
    low, high = 1e9, -1e9
    for position in positions:
        low, high = min(low, position), max(high, position)
    return low - 1, high + 1


@inlined
def _cover(maps: Maps, b: int, height: int, width: int) -> Any:
    if not maps.constant:
        return np.empty((0, 0), np.float32)
    return outer_cover(maps, b, height, width) if maps.aligned else shares(maps, b, height, width)


@compiled
def _decode_strips(sparse: Any, grids: Any, channels: Any, cover: Any, form: Finish, pixels: Any) -> None:
    """Evaluate and finish one image by strips of 32 px: all of it at once would leave the nearer caches in between.

    Args:
        channels: float32 ``(H, C, W)``, all zero before and after.
    """
    row = 0  # the output row that ``channels`` begins with
    for strip, (complete, reached) in enumerate(strip_rows(grids, len(channels))):
        add_strip(sparse, grids, strip, row, channels)
        finish_rows(channels, (row, complete), cover, form, pixels)
        if complete > row:
            kept = max(reached - complete, 0)
            channels[:kept] = channels[complete - row : complete - row + kept]
            channels[kept : max(reached, complete) - row] = 0
            row = complete


@compiled
def decode_cells(
    net: Any, slots: Any, batch: Batch, maps: Maps, form: Finish, size: tuple[int, int], members: Any,
    pixels: Any, status: Any,
) -> None:  # fmt: skip
    """Decode the samples ``members`` into ``pixels``, flat and of the whole batch; ``status`` int64 ``(B,)``."""
    height, width = size
    image = net.channels * height * width
    margin = aligned_margin(net.channels, width)
    channels = np.zeros(image + margin, np.float32)[:image].reshape(height, net.channels, width)
    for b in members:
        words = batch.words[batch.first[b] : batch.last[b]]
        seen = -1.0, 1e9, -1.0, 1e9
        if maps.aligned:
            down, across = _taps(maps, b, height, width)
            (top, bottom), (left, right) = _extent(down[1]), _extent(across[1])
            seen = top, bottom, left, right
        status[b], sparse = read_cells(net, slots, words, batch.heights[b], batch.widths[b], batch.lanes[b], seen)
        if status[b] != 0:
            continue
        cover, target = _cover(maps, b, height, width), pixels[b * image : (b + 1) * image]
        if maps.aligned:
            _decode_strips(sparse, cell_grids(sparse[0], down, across), channels, cover, form, target)
        else:
            evaluate_anywhere(net, sparse, maps, b, channels)
            finish_rows(channels, (0, height), cover, form, target)


@compiled
def decode_sirens(
    net: Any, slots: Any, batch: Batch, maps: Maps, form: Finish, size: tuple[int, int], members: Any,
    pixels: Any, status: Any,
) -> None:  # fmt: skip
    """As ``decode_cells``."""
    height, width = size
    channels = np.empty((height, net.channels, width), np.float32)
    image = net.channels * height * width
    for b in members:
        status[b], parameters = read_siren(net, slots, batch.words[batch.first[b] : batch.last[b]], batch.lanes[b])
        if status[b] != 0:
            continue
        native = (batch.heights[b], batch.widths[b])
        if maps.aligned:
            down, across = _taps(maps, b, height, width)
            evaluate_siren_aligned(net, parameters, native, down, across, channels)
        else:
            evaluate_siren_anywhere(net, parameters, native, maps, b, channels)
        target = pixels[b * image : (b + 1) * image]
        finish_rows(channels, (0, height), _cover(maps, b, height, width), form, target)
