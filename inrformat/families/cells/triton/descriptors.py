"""``Cells`` descriptors as the flat arrays that its kernels read (``decoding/triton/descriptors.py``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from inrformat.decoding.triton.descriptors import IN_FAMILY, DescriptorArrays, Descriptors, FlatArray
from inrformat.families.cells.descriptor import Cells, Level
from inrformat.families.cells.nodes import CELL_SIDES, unit_groups, unit_order
from inrformat.families.family import Network

__all__ = [
    "CLASSES",
    "CLASS_TABLE",
    "COLOUR",
    "EXTENTS",
    "FIELDS",
    "GROUPS",
    "GROUP_TABLES",
    "KEPT",
    "LANE_PIXELS",
    "ROOT_TABLES",
    "SCALE_TABLE",
    "SPLIT_CLASSES",
    "SPLIT_TABLES",
    "STEP",
    "flatten",
    "level_of",
    "unit_words",
    "weight_numbers",
]

# Fields of a network.
STEP = tl.constexpr(1)
"""Where its quantization step lies in ``floats``."""
SCALE_TABLE = tl.constexpr(2)
LANE_PIXELS = tl.constexpr(3)
ROOT_TABLES = tl.constexpr(4)
COLOUR = tl.constexpr(5)
"""Where its C x C matrix begins in ``floats``: image channels, the columns, of the network's."""
_LEVELS = tl.constexpr(8)
"""Where the fields of its levels begin: of 32, 16, 8 and 64 px."""

# Fields of a level.
CLASSES = tl.constexpr(0)
SPLIT_CLASSES = tl.constexpr(1)
CLASS_TABLE = tl.constexpr(2)
KEPT = tl.constexpr(3)
GROUP_TABLES = tl.constexpr(4)
GROUPS = tl.constexpr(5)
SPLIT_TABLES = tl.constexpr(6)
EXTENTS = tl.constexpr(7)
"""Where the list begins that has, for each class, one more than the greatest a + b of a unit that it keeps."""
_LEVEL_FIELDS = tl.constexpr(8)

FIELDS = tl.constexpr(40)
"""Fields of a network and its four levels."""


@triton.jit
def level_of(head, side):
    """The fields of the level of ``side`` px in a network's ``head``."""
    number = tl.where(side == 32, 0, tl.where(side == 16, 1, tl.where(side == 8, 2, 3)))
    return head + _LEVELS + number * _LEVEL_FIELDS


def flatten(networks: Sequence[Network], *, table_count: int, device: torch.device) -> Descriptors:
    """The `Cells` among a file's networks, on ``device``."""
    arrays = DescriptorArrays(networks=len(networks), fields=FIELDS.value)
    for head, network in zip(arrays.heads, networks, strict=True):
        if isinstance(network, Cells):
            _add_network(network, head, arrays, last_table=table_count - 1)
    return arrays.to(device)


def unit_words(device: torch.device) -> Tensor:
    """int32 ``(32**2 + 16**2 + 8**2,)``: of each unit of cells of 32, 16, 8 px, in unit order, ``group << 16``."""
    words = FlatArray()
    for side in CELL_SIDES:
        words.add(np.maximum(unit_groups(side), 0) << 16)
    return words.to(device, torch.int32)


def weight_numbers(device: torch.device) -> Tensor:
    """int16 ``(32**2 + 16**2 + 8**2,)``: of each unit b * side + a of cells of 32, 16, 8 px, which weight is its.

    Weights are numbered in unit order, without unit 0, the mean, which has -1 here.
    """
    numbers = FlatArray()
    for side in CELL_SIDES:
        numbers.add(np.argsort(unit_order(side)) - 1)
    return numbers.to(device, torch.int16)


def _add_network(network: Cells, head: NDArray[np.int32], arrays: DescriptorArrays, *, last_table: int) -> None:
    def absolute(tables: object) -> NDArray[np.int64]:
        return np.minimum(np.asarray(tables, np.int64) + network.first_table, last_table)

    head[IN_FAMILY.value] = 1
    head[STEP.value] = arrays.floats.add(network.step)
    head[COLOUR.value] = arrays.floats.add(network.colour)
    head[SCALE_TABLE.value] = absolute(network.scale_table)
    head[LANE_PIXELS.value] = network.lane_pixels
    head[ROOT_TABLES.value] = arrays.integers.add(absolute(network.root_tables))
    for number, level in enumerate(network.levels):
        fields = head[_LEVELS.value + number * _LEVEL_FIELDS.value :]
        fields[CLASSES.value] = len(level.kept)
        fields[SPLIT_CLASSES.value] = len(level.split_tables)
        fields[CLASS_TABLE.value] = absolute(level.class_table)
        fields[KEPT.value] = arrays.integers.add(level.kept)
        fields[GROUP_TABLES.value] = arrays.integers.add(absolute(level.group_tables))
        fields[GROUPS.value] = level.group_tables.shape[2]
        fields[SPLIT_TABLES.value] = arrays.integers.add(absolute(level.split_tables))
        fields[EXTENTS.value] = arrays.integers.add(_extents(level))


def _extents(level: Level) -> NDArray[np.int64]:
    if not len(level.kept):
        return np.zeros(0, np.int64)
    b, a = np.divmod(unit_order(level.side), level.side)
    # In unit order a + b never falls, so the last kept unit has the greatest.
    extents: NDArray[np.int64] = (a + b + 1)[level.kept.max(1) - 1]
    return extents
