"""The CPU backend of ``siren``: records to finished pixels (``decode.cpu.backend.CpuBackend``), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.batch import Batch, coverage, map_taps
from inrformat.decode.cpu.epilogue import Finish, finish_rows
from inrformat.decode.cpu.rans import OK
from inrformat.decode.cpu.sampling import Maps
from inrformat.families.siren.cpu.siren import (
    evaluate_siren_aligned,
    evaluate_siren_anywhere,
    read_siren,
    siren_network as prepare,
)
from inrformat.families.siren.descriptor import Siren
from inrformat.jit import relaxed

__all__ = ["FAULTS", "colours", "decode", "prepare"]

FAULTS: dict[int, tuple[str, str]] = {}


def colours(network: Siren) -> tuple[NDArray[np.float32], float]:
    """See ``CpuBackend.colours``."""
    return np.eye(network.channels, dtype=np.float32) / np.float32(2), 0.5


@relaxed
def decode(
    net: Any, slots: Any, batch: Batch, maps: Maps, form: Finish, size: tuple[int, int], members: Any,
    pixels: Any, status: Any,
) -> None:  # fmt: skip
    """See ``CpuBackend.decode``."""
    height, width = size
    channels = np.empty((height, net.channels, width), np.float32)
    image = net.channels * height * width
    for b in members:
        status[b], parameters = read_siren(net, slots, batch.words[batch.first[b] : batch.last[b]], batch.lanes[b])
        if status[b] != OK:
            continue
        native = (batch.heights[b], batch.widths[b])
        if maps.aligned:
            down, across = map_taps(maps, b, height, width)
            evaluate_siren_aligned(net, parameters, native, down, across, channels)
        else:
            evaluate_siren_anywhere(net, parameters, native, maps, b, channels)
        target = pixels[b * image : (b + 1) * image]
        finish_rows(channels, (0, height), coverage(maps, b, height, width), form, target)
