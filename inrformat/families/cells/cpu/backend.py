"""The CPU backend of ``cells``: records to finished pixels (``decoding.cpu.backend.CpuBackend``), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.axes import aligned_coverage, axis_taps, horizontal_axis, vertical_axis
from inrformat.decoding.cpu.batch import Batch, Maps
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue, finish_image, finish_rows
from inrformat.decoding.cpu.sampling import general_coverage
from inrformat.families.builtin import builtin_names
from inrformat.families.cells.cpu.aligned import add_strip, aligned_margin, strip_rows
from inrformat.families.cells.cpu.basis import aligned_basis
from inrformat.families.cells.cpu.descriptors import FlatCells, flatten
from inrformat.families.cells.cpu.general import evaluate_general
from inrformat.families.cells.cpu.read import PackedWeights, SparseWeights, read_records as read, sparse_of
from inrformat.families.cells.cpu.symbols import FAULTS
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.reference import OFFSET
from inrformat.families.codebook import Codebook
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["FAULTS", "colour_transform", "example", "flatten", "read", "render"]


def example() -> Codebook:
    """See ``CpuBackend.example``: a built-in codebook."""
    return Codebook.from_map({"builtin": builtin_names(Cells.family)[0], "step": 1.0})


def colour_transform(network: Cells) -> ColourTransform:
    """See ``CpuBackend.colour_transform``."""
    return ColourTransform(np.ascontiguousarray(network.colour / np.float32(255)), np.float32(OFFSET / 255))


def render(
    _network: FlatCells,
    weights: PackedWeights,
    batch: Batch,
    members: NDArray[np.int64],
    maps: Maps,
    epilogue: Epilogue,
    pixels: NDArray[np.float32],
) -> None:
    """See ``CpuBackend.render``."""
    # Apart, so that what draws maps that are not aligned is compiled when one is first asked for.
    (_render_aligned if maps.aligned else _render_general)(weights, batch, members, maps, epilogue, pixels)


@relaxed
def _render_aligned(
    packed: PackedWeights,
    batch: Batch,
    members: NDArray[np.int64],
    maps: Maps,
    epilogue: Epilogue,
    pixels: NDArray[np.float32],
) -> None:
    height, channels, width = maps.height, len(epilogue.fill), maps.width
    image = height * channels * width
    outputs = np.zeros(image + aligned_margin(channels, width), np.float32)[:image].reshape(height, channels, width)
    for n in range(len(members)):
        b = members[n]
        sparse = sparse_of(packed, n, channels, batch.heights[b], batch.widths[b])
        _render_strips(sparse, maps, b, epilogue, outputs, pixels[b * image : (b + 1) * image])


@relaxed_inline
def _render_strips(sparse: SparseWeights, maps: Maps, b: int, epilogue: Epilogue, outputs: Any, pixels: Any) -> None:
    """Render one image by strips of 32 px: all of it at once would leave the nearer caches in between.

    Args:
        outputs: float32 ``(H, C, W)``, of the network, with ``aligned_margin`` behind; all zero before and after.
    """
    down, across = axis_taps(vertical_axis(maps, b)), axis_taps(horizontal_axis(maps, b))
    coverage, basis = aligned_coverage(maps, b), aligned_basis(sparse.cell_at, down, across)
    rows = strip_rows(basis, len(outputs))
    # The output row that ``outputs`` begins with. A plain 0 is a type of its own to numba, to be compiled for as well.
    row: Any = np.int64(0)
    for strip in range(len(rows.complete)):
        complete, end = rows.complete[strip], rows.end[strip]
        add_strip(sparse, basis, strip, row, outputs)
        finish_rows(outputs, row, complete, coverage, epilogue, pixels)
        if complete > row:
            _move_up(outputs.reshape(-1), complete - row, max(end, complete) - row, outputs[0].size)
            row = complete


@relaxed_inline
def _move_up(flat: Any, first: Any, end: Any, size: Any) -> None:
    """Move rows ``first .. end - 1`` of ``size`` numbers to the top, zeros behind them.

    In a loop: to assign one slice to another numba would compile the text of an error as well, which takes a second.
    """
    kept = (end - first) * size
    for k in range(kept):
        flat[k] = flat[first * size + k]
    flat[kept : end * size] = 0


@relaxed
def _render_general(
    packed: PackedWeights,
    batch: Batch,
    members: NDArray[np.int64],
    maps: Maps,
    epilogue: Epilogue,
    pixels: NDArray[np.float32],
) -> None:
    outputs = np.empty((maps.height, len(epilogue.fill), maps.width), np.float32)
    for n in range(len(members)):
        b = members[n]
        sparse = sparse_of(packed, n, len(epilogue.fill), batch.heights[b], batch.widths[b])
        evaluate_general(sparse, maps, b, outputs)
        finish_image(outputs, general_coverage(maps, b), epilogue, pixels[b * outputs.size : (b + 1) * outputs.size])
