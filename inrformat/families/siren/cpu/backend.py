"""The CPU backend of ``siren``: records to finished pixels (``decoding.cpu.backend.CpuBackend``), compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.cpu.axes import aligned_coverage, axis_taps, horizontal_axis, vertical_axis
from inrformat.decoding.cpu.batch import Batch, Maps, sample_of
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue, finish_image
from inrformat.decoding.cpu.sampling import general_coverage
from inrformat.families.codebook import Codebook
from inrformat.families.siren.cpu.aligned import evaluate_aligned
from inrformat.families.siren.cpu.descriptors import FlatSiren, flatten
from inrformat.families.siren.cpu.general import evaluate_general
from inrformat.families.siren.cpu.read import read_records as read
from inrformat.families.siren.descriptor import Siren
from inrformat.jit import relaxed

__all__ = ["FAULTS", "colour_transform", "example", "flatten", "read", "render"]

FAULTS: dict[int, tuple[str, str]] = {}


def example() -> Codebook:
    """See ``CpuBackend.example``."""
    network = Siren(widths=(2, 4, 3), omega=30.0, steps=(0.01,) * 4, tables=(0,) * 4, scale_table=0, base=None)
    return Codebook(TableSet.of([SymbolTable.from_values(np.zeros(0))]), (network,))


def colour_transform(network: Siren) -> ColourTransform:
    """See ``CpuBackend.colour_transform``."""
    return ColourTransform(np.eye(network.channels, dtype=np.float32) / np.float32(2), np.float32(0.5))


def render(
    network: FlatSiren,
    weights: NDArray[np.float32],
    batch: Batch,
    members: NDArray[np.int64],
    maps: Maps,
    epilogue: Epilogue,
    pixels: NDArray[np.float32],
) -> None:
    """See ``CpuBackend.render``."""
    # Apart, so that what draws maps that are not aligned is compiled when one is first asked for.
    (_render_aligned if maps.aligned else _render_general)(network, weights, batch, members, maps, epilogue, pixels)


@relaxed
def _render_aligned(
    network: FlatSiren,
    weights: NDArray[np.float32],
    batch: Batch,
    members: NDArray[np.int64],
    maps: Maps,
    epilogue: Epilogue,
    pixels: NDArray[np.float32],
) -> None:
    outputs = np.empty((maps.height, network.channels, maps.width), np.float32)
    for n in range(len(members)):
        b = members[n]
        down, across = axis_taps(vertical_axis(maps, b)), axis_taps(horizontal_axis(maps, b))
        evaluate_aligned(network, weights[n], sample_of(batch, b), down, across, outputs)
        finish_image(outputs, aligned_coverage(maps, b), epilogue, pixels[b * outputs.size : (b + 1) * outputs.size])


@relaxed
def _render_general(
    network: FlatSiren,
    weights: NDArray[np.float32],
    batch: Batch,
    members: NDArray[np.int64],
    maps: Maps,
    epilogue: Epilogue,
    pixels: NDArray[np.float32],
) -> None:
    outputs = np.empty((maps.height, network.channels, maps.width), np.float32)
    for n in range(len(members)):
        b = members[n]
        evaluate_general(network, weights[n], sample_of(batch, b), maps, b, outputs)
        finish_image(outputs, general_coverage(maps, b), epilogue, pixels[b * outputs.size : (b + 1) * outputs.size])
