"""The CPU backend of ``cells``: records to finished pixels (``decode.cpu.backend.CpuBackend``), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.batch import Batch, coverage, extent, map_taps
from inrformat.decode.cpu.epilogue import Finish, finish_rows
from inrformat.decode.cpu.rans import OK
from inrformat.decode.cpu.sampling import Maps
from inrformat.families.cells.cpu.aligned import add_strip, aligned_margin, cell_grids, strip_rows
from inrformat.families.cells.cpu.descriptors import cell_network as prepare
from inrformat.families.cells.cpu.general import evaluate_anywhere
from inrformat.families.cells.cpu.read import read_cells
from inrformat.families.cells.cpu.symbols import FAULTS
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.reference import OFFSET
from inrformat.jit import relaxed

__all__ = ["FAULTS", "colours", "decode", "prepare"]


def colours(network: Cells) -> tuple[NDArray[np.float32], float]:
    """See ``CpuBackend.colours``."""
    return network.colour / np.float32(255), OFFSET / 255


@relaxed
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


@relaxed
def decode(
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
            down, across = map_taps(maps, b, height, width)
            (top, bottom), (left, right) = extent(down[1]), extent(across[1])
            seen = top, bottom, left, right
        status[b], sparse = read_cells(net, slots, words, batch.heights[b], batch.widths[b], batch.lanes[b], seen)
        if status[b] != OK:
            continue
        seen_share, target = coverage(maps, b, height, width), pixels[b * image : (b + 1) * image]
        if maps.aligned:
            _decode_strips(sparse, cell_grids(sparse[0], down, across), channels, seen_share, form, target)
        else:
            evaluate_anywhere(net, sparse, maps, b, channels)
            finish_rows(channels, (0, height), seen_share, form, target)
