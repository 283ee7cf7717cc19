"""The CPU backend of ``cells``: records to finished pixels (``decoding.cpu.backend.CpuBackend``), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.axes import axis_taps, horizontal_axis, vertical_axis
from inrformat.decoding.cpu.batch import Batch, Maps, Sample, sample_of
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue, finish_image, finish_rows
from inrformat.decoding.cpu.rans import OK
from inrformat.decoding.cpu.sampling import window_coverage
from inrformat.families.cells.cpu.aligned import add_strip, aligned_margin, strip_rows
from inrformat.families.cells.cpu.basis import aligned_basis
from inrformat.families.cells.cpu.descriptors import FlatCells, flatten
from inrformat.families.cells.cpu.general import evaluate_general
from inrformat.families.cells.cpu.read import View, read_record
from inrformat.families.cells.cpu.symbols import FAULTS
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.reference import OFFSET
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["FAULTS", "colour_transform", "decode", "flatten"]


def colour_transform(network: Cells) -> ColourTransform:
    """See ``CpuBackend.colour_transform``."""
    return ColourTransform(np.ascontiguousarray(network.colour / np.float32(255)), np.float32(OFFSET / 255))


@relaxed
def decode(
    network: FlatCells,
    batch: Batch,
    maps: Maps,
    epilogue: Epilogue,
    members: NDArray[np.int64],
    pixels: NDArray[np.float32],
    status: NDArray[np.int64],
) -> None:
    """See ``CpuBackend.decode``."""
    height, channels, width = maps.height, network.channels, maps.width
    image = height * channels * width
    outputs = np.zeros(image + aligned_margin(channels, width), np.float32)[:image].reshape(height, channels, width)
    for b in members:
        sample, target = sample_of(batch, b), pixels[b * image : (b + 1) * image]
        if maps.aligned:
            status[b] = _decode_aligned(network, sample, maps, b, epilogue, outputs, target)
        else:
            status[b] = _decode_general(network, sample, maps, b, epilogue, outputs, target)


@relaxed_inline
def _decode_aligned(
    network: FlatCells, sample: Sample, maps: Maps, b: int, epilogue: Epilogue, outputs: Any, pixels: Any
) -> int:
    """Decode one image by strips of 32 px: all of it at once would leave the nearer caches in between.

    Args:
        outputs: float32 ``(H, C, W)``, of the network, with ``aligned_margin`` behind; all zero before and after.

    Returns:
        The record's status; nothing is decoded if it is not 0.
    """
    down, across = axis_taps(vertical_axis(maps, b)), axis_taps(horizontal_axis(maps, b))
    (top, bottom), (left, right) = _extent(down.positions), _extent(across.positions)
    status, sparse = read_record(network, sample, View(top, bottom, left, right))
    if status != OK:
        return status
    coverage, basis = window_coverage(maps, b), aligned_basis(sparse.cell_at, down, across)
    rows = strip_rows(basis, len(outputs))
    # The output row that ``outputs`` begins with. A plain 0 is a type of its own to numba, to be compiled for as well.
    row: Any = np.int64(0)
    for strip in range(len(rows.complete)):
        complete, end = rows.complete[strip], rows.end[strip]
        add_strip(sparse, basis, strip, row, outputs)
        finish_rows(outputs, row, complete, coverage, epilogue, pixels)
        if complete > row:
            kept = max(end - complete, 0)
            outputs[:kept] = outputs[complete - row : complete - row + kept]
            outputs[kept : max(end, complete) - row] = 0
            row = complete
    return OK


@relaxed_inline
def _extent(positions: Any) -> tuple[float, float]:
    """The least and the greatest position, 1 px wider because one on a border may belong to either cell.

    Where there are no positions, nothing lies between the two.
    """
    low, high = 1e9, -1e9
    for position in positions:
        low, high = min(low, position), max(high, position)
    return low - 1, high + 1


@relaxed_inline
def _decode_general(
    network: FlatCells, sample: Sample, maps: Maps, b: int, epilogue: Epilogue, outputs: Any, pixels: Any
) -> int:
    """Decode one image under a map that is not aligned; see ``_decode_aligned``, but ``outputs`` hold anything."""
    status, sparse = read_record(network, sample, View(-1.0, 1e9, -1.0, 1e9))
    if status == OK:
        evaluate_general(sparse, maps, b, outputs)
        finish_image(outputs, window_coverage(maps, b), epilogue, pixels)
    return status
