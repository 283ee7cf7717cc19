"""``Cells`` descriptors as the flat arrays that its kernels read (``decoding/triton/descriptors.py``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from inrformat.coding.tables import TableSet
from inrformat.decoding.triton.descriptors import IN_FAMILY, DescriptorArrays, Descriptors, FlatArray
from inrformat.families.cells.descriptor import NULL_TABLE as NULL_NUMBER, Cells, Level
from inrformat.families.cells.nodes import CELL_SIDES, unit_order
from inrformat.families.family import Network

__all__ = [
    "CLASSES",
    "CLASS_TABLE",
    "COLOUR",
    "EXTENTS",
    "FIELDS",
    "HAS_LOW_BITS",
    "KEPT",
    "LANE_PIXELS",
    "NULL_TABLE",
    "ROOT_LOW_BITS",
    "ROOT_TEMPLATE",
    "SCALE_LOW_BITS",
    "SCALE_TEMPLATE",
    "SPLIT_CLASSES",
    "STEP",
    "TEMPLATES",
    "TEMPLATE_BITS",
    "class_templates",
    "flatten",
    "level_of",
    "weight_numbers",
]

# Fields of a network.
STEP = tl.constexpr(1)
"""Where its quantization step lies in ``floats``."""
LANE_PIXELS = tl.constexpr(2)
COLOUR = tl.constexpr(3)
"""Where its C x C matrix begins in ``floats``: image channels, the columns, of the network's."""
NULL_TABLE = tl.constexpr(4)
SCALE_TEMPLATE = tl.constexpr(5)
ROOT_TEMPLATE = tl.constexpr(6)
"""Where the template of the step scale, or of one top node's means, begins among those of classes, see TEMPLATES."""
SCALE_LOW_BITS = tl.constexpr(7)
ROOT_LOW_BITS = tl.constexpr(8)
TEMPLATE_BITS = tl.constexpr(9)
"""How far behind a template symbol's table its low bits are: those before it and its own, ``before << 4 | own``."""
HAS_LOW_BITS = tl.constexpr(10)
"""Whether any symbol of a body may have low bits."""
_LEVELS = tl.constexpr(12)
"""Where the fields of its levels begin: of 32, 16, 8 and 64 px."""

# Fields of a level.
CLASSES = tl.constexpr(0)
SPLIT_CLASSES = tl.constexpr(1)
CLASS_TABLE = tl.constexpr(2)
KEPT = tl.constexpr(3)
TEMPLATES = tl.constexpr(4)
"""Where the list begins that has three numbers for each class, those of cells first: where its template begins, a list
of the tables of all symbols of such a node; how long it is; and how many low bits they have together."""
EXTENTS = tl.constexpr(5)
"""Where the list begins that has, for each class, one more than the greatest a + b of a unit that it keeps."""
_LEVEL_FIELDS = tl.constexpr(6)

FIELDS = tl.constexpr(36)
"""Fields of a network and its four levels."""


@triton.jit
def level_of(head, side):
    """The fields of the level of ``side`` px in a network's ``head``."""
    number = tl.where(side == 32, 0, tl.where(side == 16, 1, tl.where(side == 8, 2, 3)))
    return head + _LEVELS + number * _LEVEL_FIELDS


def flatten(networks: Sequence[Network], *, tables: TableSet, device: torch.device) -> Descriptors:
    """The `Cells` among a file's networks, on ``device``; ``tables``: of the file."""
    arrays = DescriptorArrays(networks=len(networks), fields=FIELDS.value)
    for head, network in zip(arrays.heads, networks, strict=True):
        if isinstance(network, Cells):
            _add_network(network, head, arrays, tables=tables)
    return arrays.to(device)


def weight_numbers(device: torch.device) -> Tensor:
    """int16 ``(32**2 + 16**2 + 8**2,)``: of each unit b * side + a of cells of 32, 16, 8 px, which weight is its.

    Weights are numbered in unit order, without unit 0, the mean, which has -1 here.
    """
    numbers = FlatArray()
    for side in CELL_SIDES:
        numbers.add(np.argsort(unit_order(side)) - 1)
    return numbers.to(device, torch.int16)


def class_templates(level: Level) -> list[NDArray[np.int64]]:
    """Of each class, those of cells first, the tables of a node's symbols in the order of a record."""
    units = np.arange(level.side**2 if len(level.kept) else 1)
    coded = (units > 0) & (units < level.kept[..., None])
    cells = [tables[mask].astype(np.int64) for tables, mask in zip(level.unit_tables(), coded, strict=True)]
    return cells + [tables.ravel().astype(np.int64) for tables in level.split_tables]


def _add_network(network: Cells, head: NDArray[np.int32], arrays: DescriptorArrays, *, tables: TableSet) -> None:
    levels = [class_templates(level) for level in network.levels]
    templates = [
        np.array([network.scale_table]),
        np.array(network.root_tables),
        *(t for level in levels for t in level),
    ]
    numbers = [np.minimum(template + network.first_table, len(tables.tables) - 1) for template in templates]
    low_bits = [tables.low_bits[template].astype(np.int64) for template in numbers]
    ends = np.cumsum([len(template) for template in numbers])
    first = arrays.integers.add(np.concatenate(numbers))
    entries = [
        (first + end - len(bits), len(bits), bits.sum()) for end, bits in zip(ends.tolist(), low_bits, strict=True)
    ]
    (scale, _, scale_bits), (root, _, root_bits), *by_class = entries

    head[IN_FAMILY.value] = 1
    head[STEP.value] = arrays.floats.add(network.step)
    head[COLOUR.value] = arrays.floats.add(network.colour)
    head[LANE_PIXELS.value] = network.lane_pixels
    head[NULL_TABLE.value] = network.first_table + NULL_NUMBER
    head[SCALE_TEMPLATE.value], head[SCALE_LOW_BITS.value] = scale, scale_bits
    head[ROOT_TEMPLATE.value], head[ROOT_LOW_BITS.value] = root, root_bits
    behind = arrays.integers.add(np.concatenate([(np.cumsum(bits) - bits) << 4 | bits for bits in low_bits]))
    head[TEMPLATE_BITS.value] = behind - first
    head[HAS_LOW_BITS.value] = any(bits.any() for bits in low_bits)
    for number, (level, known) in enumerate(zip(network.levels, levels, strict=True)):
        fields, own, by_class = (
            head[_LEVELS.value + number * _LEVEL_FIELDS.value :],
            by_class[: len(known)],
            by_class[len(known) :],
        )
        fields[CLASSES.value] = len(level.kept)
        fields[SPLIT_CLASSES.value] = len(level.split_tables)
        fields[CLASS_TABLE.value] = network.first_table + level.class_table
        fields[KEPT.value] = arrays.integers.add(level.kept)
        fields[TEMPLATES.value] = arrays.integers.add(own)
        fields[EXTENTS.value] = arrays.integers.add(_extents(level))


def _extents(level: Level) -> NDArray[np.int64]:
    if not len(level.kept):
        return np.zeros(0, np.int64)
    b, a = np.divmod(unit_order(level.side), level.side)
    # In unit order a + b never falls, so the last kept unit has the greatest.
    extents: NDArray[np.int64] = (a + b + 1)[level.kept.max(1) - 1]
    return extents
