"""What decoders of all families are given: records of a batch, and what its maps say of each sample; compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.axes import axis_taps
from inrformat.decode.cpu.sampling import Maps, aligned_coverage, coverages
from inrformat.jit import relaxed_inline

__all__ = ["Batch", "coverage", "extent", "map_taps"]


class Batch(NamedTuple):
    """Records of B samples: uint16 payload, int64 ``(B,)`` word ranges, native heights and widths, and rANS lanes."""

    words: NDArray[np.uint16]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    lanes: NDArray[np.int64]


@relaxed_inline
def map_taps(maps: Maps, b: int, height: int, width: int) -> tuple[Any, Any]:
    """Taps of the rows and of the columns of an aligned map."""
    m, window = maps.matrices[b], maps.windows[b]
    return (
        axis_taps(m[4], m[5], window[1], window[3], height, maps.padding_mode, maps.antialias),
        axis_taps(m[0], m[2], window[0], window[2], width, maps.padding_mode, maps.antialias),
    )


@relaxed_inline
def extent(positions: Any) -> tuple[float, float]:
    """Bounds of the positions, a little wider: one on a border may belong to either cell. None where there are none."""
    low, high = 1e9, -1e9
    for position in positions:
        low, high = min(low, position), max(high, position)
    return low - 1, high + 1


@relaxed_inline
def coverage(maps: Maps, b: int, height: int, width: int) -> Any:
    if not maps.constant:
        return np.empty((0, 0), np.float32)
    return aligned_coverage(maps, b, height, width) if maps.aligned else coverages(maps, b, height, width)
