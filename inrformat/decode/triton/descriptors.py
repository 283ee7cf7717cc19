"""Network descriptors as flat arrays that kernels read: one row of numbers a network, which points into the rest.

Table numbers are absolute here and inside the file's tables, so that kernels need not check them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from inrformat.families.cells.descriptor import Cells, Level
from inrformat.families.cells.nodes import CELL_SIDES, unit_groups, unit_order
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren, layer_slices

__all__ = ["CELLS", "SIREN", "Descriptors", "flatten", "siren_extent"]

CELLS, SIREN = tl.constexpr(0), tl.constexpr(1)

# Places in a network's row of ``heads``.
FIELDS = tl.constexpr(48)
FAMILY = tl.constexpr(0)
FLOATS = tl.constexpr(1)
"""Where its numbers begin in ``floats``. cells: step. siren: step and base of each parameter."""
SCALE_TABLE = tl.constexpr(2)
MIX = tl.constexpr(7)
"""Where its C x C matrix begins in ``floats``: image channels, the columns, of the network's."""
# cells
LANE_PIXELS = tl.constexpr(3)
ROOT_TABLES = tl.constexpr(4)
LEVELS = tl.constexpr(8)
"""Eight fields each for the levels of 32, 16, 8 and 64 px."""
# siren
LANES = tl.constexpr(3)
PARAMETERS = tl.constexpr(4)
TABLES = tl.constexpr(5)
"""Table of each parameter, then its place in the padded layout."""
LAYERS = tl.constexpr(6)

# Places in a level.
LEVEL_FIELDS = tl.constexpr(8)
CLASSES = tl.constexpr(0)
SPLIT_CLASSES = tl.constexpr(1)
CLASS_TABLE = tl.constexpr(2)
KEPT = tl.constexpr(3)
GROUPS = tl.constexpr(4)
GROUP_COUNT = tl.constexpr(5)
SPLIT_TABLES = tl.constexpr(6)
EXTENTS = tl.constexpr(7)
"""Of each class, one more than the greatest a + b of a unit that it keeps."""


@dataclass(frozen=True, slots=True, eq=False)
class Descriptors:
    """On the device. ``heads`` int32 ``(N, FIELDS)``; ``integers`` int32 and ``floats`` float32, what they point to;
    ``units`` int32: of each unit of sides 32, 16, 8, in unit order, ``b | a << 8 | group << 16``."""

    heads: Tensor
    integers: Tensor
    floats: Tensor
    units: Tensor


def siren_extent(networks: tuple[object, ...]) -> tuple[int, int]:
    """(layers, padded width) that hold every siren of the file; zeros where there is none."""
    widths = [n.widths for n in networks if isinstance(n, Siren)]
    if not widths:
        return 0, 0
    widest = max(max(w) for w in widths)
    return max(len(w) for w in widths) - 1, max(1 << (widest - 1).bit_length(), 16)


class _Flat:
    """Arrays put end to end."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float64]] = []
        self.size = 0

    def add(self, values: object) -> int:
        """Append; returns where they begin."""
        array = np.asarray(values, np.float64).ravel()
        self.parts.append(array)
        self.size += len(array)
        return self.size - len(array)

    def on(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.concatenate([*self.parts, np.zeros(1)])).to(dtype).to(device)


def flatten(codebook: Codebook, device: torch.device) -> Descriptors:
    """All descriptors of a file, on ``device``."""
    heads = np.zeros((max(len(codebook.networks), 1), FIELDS.value), np.int32)
    integers, floats = _Flat(), _Flat()
    last = max(len(codebook.tables.tables) - 1, 0)
    for head, network in zip(heads, codebook.networks, strict=False):
        if isinstance(network, Cells):
            _flatten_cells(head, network, integers, floats, last=last)
        elif isinstance(network, Siren):
            _flatten_siren(head, network, integers, floats, extent=siren_extent(codebook.networks))
    units = _Flat()
    for side in CELL_SIDES:
        b, a = np.divmod(unit_order(side), side)
        units.add(b | a << 8 | np.maximum(unit_groups(side), 0) << 16)
    return Descriptors(
        torch.from_numpy(heads).to(device),
        integers.on(device, torch.int32),
        floats.on(device, torch.float32),
        units.on(device, torch.int32),
    )


def _flatten_cells(head: NDArray[np.int32], network: Cells, integers: _Flat, floats: _Flat, *, last: int) -> None:
    def tables(relative: object) -> NDArray[np.int64]:
        return np.minimum(np.asarray(relative, np.int64) + network.first_table, last)

    head[FAMILY.value] = CELLS.value
    head[FLOATS.value] = floats.add(network.step)
    head[MIX.value] = floats.add(network.colour)
    head[SCALE_TABLE.value] = tables(network.scale_table)
    head[LANE_PIXELS.value] = network.lane_pixels
    head[ROOT_TABLES.value] = integers.add(tables(network.root_tables))
    for number, level in enumerate(network.levels):
        row = head[LEVELS.value + number * LEVEL_FIELDS.value :]
        row[CLASSES.value], row[SPLIT_CLASSES.value] = len(level.kept), len(level.split_tables)
        row[CLASS_TABLE.value] = tables(level.class_table)
        row[KEPT.value] = integers.add(level.kept)
        row[GROUPS.value] = integers.add(tables(level.group_tables))
        row[GROUP_COUNT.value] = level.group_tables.shape[2]
        row[SPLIT_TABLES.value] = integers.add(tables(level.split_tables))
        row[EXTENTS.value] = integers.add(_extents(level))


def _extents(level: Level) -> NDArray[np.int64]:
    if not len(level.kept):
        return np.zeros(0, np.int64)
    b, a = np.divmod(unit_order(level.side), level.side)
    # In unit order a + b never falls, so the last kept unit has the greatest.
    extents: NDArray[np.int64] = (a + b + 1)[level.kept.max(1) - 1]
    return extents


def _flatten_siren(
    head: NDArray[np.int32], network: Siren, integers: _Flat, floats: _Flat, *, extent: tuple[int, int]
) -> None:
    layers, pad = extent
    parameters = network.parameter_count
    places = np.empty(parameters, np.int64)
    for number, ((weights, biases), (inputs, outputs)) in enumerate(
        zip(layer_slices(network.widths), pairwise(network.widths), strict=True)
    ):
        into, out = np.arange(inputs), np.arange(outputs)
        places[weights] = ((number * pad + out[:, None]) * pad + into).ravel()
        places[biases] = (layers * pad + number) * pad + out
    head[FAMILY.value] = SIREN.value
    base = np.zeros(parameters) if network.base is None else network.base
    # Sines are taken of half turns. The last layer has none.
    scale = np.full(parameters, network.omega / np.pi)
    scale[layer_slices(network.widths)[-1][0].start :] = 1
    head[FLOATS.value] = floats.add([network.step_vector * scale, base * scale])
    head[MIX.value] = floats.add(np.eye(network.widths[-1]))
    head[SCALE_TABLE.value] = network.scale_table
    head[LANES.value] = network.lanes(height=1, width=1)
    head[PARAMETERS.value] = parameters
    head[TABLES.value] = integers.add(np.concatenate([network.table_vector, places]))
    head[LAYERS.value] = len(network.widths) - 1
