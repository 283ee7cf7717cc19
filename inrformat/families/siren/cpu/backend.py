"""The CPU backend of ``siren``: records to finished pixels (``decoding.cpu.backend.CpuBackend``), compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.axes import axis_taps, horizontal_axis, vertical_axis
from inrformat.decoding.cpu.batch import Batch, Maps, sample_of
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue, finish_image
from inrformat.decoding.cpu.rans import OK
from inrformat.decoding.cpu.sampling import window_coverage
from inrformat.families.siren.cpu.aligned import evaluate_aligned
from inrformat.families.siren.cpu.descriptors import FlatSiren, flatten
from inrformat.families.siren.cpu.general import evaluate_general
from inrformat.families.siren.cpu.read import read_record
from inrformat.families.siren.descriptor import Siren
from inrformat.jit import relaxed

__all__ = ["FAULTS", "colour_transform", "decode", "flatten"]

FAULTS: dict[int, tuple[str, str]] = {}


def colour_transform(network: Siren) -> ColourTransform:
    """See ``CpuBackend.colour_transform``."""
    return ColourTransform(np.eye(network.channels, dtype=np.float32) / np.float32(2), np.float32(0.5))


@relaxed
def decode(
    network: FlatSiren,
    batch: Batch,
    maps: Maps,
    epilogue: Epilogue,
    members: NDArray[np.int64],
    pixels: NDArray[np.float32],
    status: NDArray[np.int64],
) -> None:
    """See ``CpuBackend.decode``."""
    outputs = np.empty((maps.height, network.channels, maps.width), np.float32)
    for b in members:
        sample, target = sample_of(batch, b), pixels[b * outputs.size : (b + 1) * outputs.size]
        status[b], parameters = read_record(network, sample)
        if status[b] != OK:
            continue
        if maps.aligned:
            down, across = axis_taps(vertical_axis(maps, b)), axis_taps(horizontal_axis(maps, b))
            evaluate_aligned(network, parameters, sample, down, across, outputs)
        else:
            evaluate_general(network, parameters, sample, maps, b, outputs)
        finish_image(outputs, window_coverage(maps, b), epilogue, target)
