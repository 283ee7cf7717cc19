"""The `cells` family: a grid of one-hidden-layer sine networks with shared hidden units (spec section 6.2).

    f(u, v) = offset + C^T sum_ab W[:, a, b] h_a(u) h_b(v),   h_a(u) = sqrt(2 / s) cos(pi a u)   (sqrt(1 / s) for a = 0)

in the coordinates (u, v) in [0, 1] of a square cell of s = 8, 16 or 32 px. Hidden units are orthonormal at pixel
centres: sampled there, the readout weights W are block-cosine coefficients, which is why fitting needs no descent.
A *class* of a cell says how many hidden units it keeps and which symbol table codes each weight. A node that is split
into four has a class too: it says which tables code its *details*, the three weights per channel that tell its
children's means apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import lanes_for
from inrformat.errors import InvalidFileError
from inrformat.families.cells.nodes import CELL_SIDES, FINEST_SIDE, LARGEST_CELL, grid, group_starts, unit_groups

__all__ = ["LEVEL_SIDES", "NULL_TABLE", "SCALES_PER_OCTAVE", "Cells", "Level", "describe", "parse"]

NULL_TABLE = 0
"""Relative number of the table that holds only zero: the table of padding."""
SCALES_PER_OCTAVE = 4
"""A record's step scale counts quarters of an octave: four of them double the quantization step."""
LEVEL_SIDES = (*CELL_SIDES, 2 * LARGEST_CELL)
"""Sides of the levels of a descriptor, in their order; the last stands for all greater sides."""
_MAX_CLASSES, _MAX_CHANNELS, _TABLE_NUMBERS = 256, 16, 256
_LEVEL_FORM = {"class_table": int, "group_tables": bytes, "kept": bytes, "side": int, "split_tables": bytes}
_DESCRIPTOR_FORM = {
    "colour": bytes,
    "family": str,
    "first_table": int,
    "head": int,
    "lane_pixels": int,
    "levels": list,
    "root_tables": list,
    "scale_table": int,
    "step": float,
}


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Classes of the nodes of one side; K of cells, numbered first, then S of split nodes.

    Attributes:
        side: 8, 16, 32; 64 stands for all greater sides, which have no cells.
        kept: int32 ``(K, C)``: hidden units a cell keeps in each channel, in ``unit_order``, the mean too: 1..side**2.
        group_tables: uint8 ``(K, C, G)``: table of each unit group, relative to the descriptor's first table.
        split_tables: uint8 ``(S, C, 3)``: tables of a split node's details.
        class_table: table of the class symbol.
    """

    side: int
    kept: NDArray[np.int32]
    group_tables: NDArray[np.uint8]
    split_tables: NDArray[np.uint8]
    class_table: int

    @property
    def class_count(self) -> int:
        """Classes of cells and of split nodes together, K + S."""
        return len(self.kept) + len(self.split_tables)

    def is_cell(self, classes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of some nodes are cells, from their classes; -1 stands for no node."""
        cells: NDArray[np.bool_] = (classes >= 0) & (classes < len(self.kept))
        return cells

    def is_split(self, classes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of some nodes are split, from their classes."""
        split: NDArray[np.bool_] = classes >= len(self.kept)
        return split

    def unit_tables(self) -> NDArray[np.int32]:
        """Table of each hidden unit: int32 ``(K, C, side**2)``; pruned units and the mean get the null table."""
        if not len(self.kept):
            return np.zeros((0, self.kept.shape[1], 1), np.int32)
        units = self.side**2
        groups = unit_groups(self.side)
        tables = self.group_tables[:, :, np.maximum(groups, 0)].astype(np.int32)
        pruned = np.arange(units) >= self.kept[..., None]
        return np.where(pruned | (groups < 0), NULL_TABLE, tables).astype(np.int32)

    def highest_table(self) -> int:
        """The greatest table number that a node of this level refers to."""
        return max(int(self.unit_tables().max(initial=0)), int(self.split_tables.max(initial=0)), self.class_table)

    def to_map(self) -> dict[str, Any]:
        """Plain types. Group tables as differences along the groups: smooth, so they compress well."""
        has_kept_unit = group_starts(self.side) < self.kept[..., None]
        tables = np.where(has_kept_unit, self.group_tables, 0)
        differences = np.diff(tables, axis=2, prepend=np.uint8(0)).astype(np.uint8)
        return {
            "class_table": self.class_table,
            "group_tables": np.ascontiguousarray(differences).tobytes(),
            "kept": self.kept.astype("<u2").tobytes(),
            "side": self.side,
            "split_tables": self.split_tables.tobytes(),
        }

    @classmethod
    def from_map(cls, stored: Any, *, side: int, channels: int) -> Level:
        """Parse and check one entry of ``levels``.

        Raises:
            InvalidFileError: CELLS-LEVEL or CELLS-KEPT does not hold.
        """
        well_formed = _has_form(stored, _LEVEL_FORM) and stored["side"] == side
        if not well_formed or not 0 <= stored["class_table"] < _TABLE_NUMBERS:
            raise InvalidFileError("CELLS-LEVEL", f"cells descriptor: malformed level of side {side}")
        kept, splits, differences = stored["kept"], stored["split_tables"], stored["group_tables"]
        cell_classes, split_classes = len(kept) // (2 * channels), len(splits) // (3 * channels)
        groups = len(group_starts(side))
        sizes_agree = (
            len(kept) == 2 * channels * cell_classes
            and len(splits) == 3 * channels * split_classes
            and len(differences) == groups * channels * cell_classes
        )
        if not sizes_agree or not 1 <= cell_classes + split_classes <= _MAX_CLASSES:
            raise InvalidFileError("CELLS-LEVEL", f"cells descriptor: sizes of level {side} do not agree")
        if (side not in CELL_SIDES and cell_classes) or (side == FINEST_SIDE and split_classes):
            raise InvalidFileError("CELLS-LEVEL", f"cells descriptor: level {side} has classes it cannot have")
        units = np.frombuffer(kept, "<u2").astype(np.int32).reshape(cell_classes, channels)
        if ((units < 1) | (units > side**2)).any():
            raise InvalidFileError("CELLS-KEPT", f"cells descriptor: level {side} keeps more units than there are")
        by_group = np.frombuffer(differences, np.uint8).reshape(cell_classes, channels, groups)
        return cls(
            side=side,
            kept=units,
            group_tables=np.cumsum(by_group, axis=2, dtype=np.uint8),
            split_tables=np.frombuffer(splits, np.uint8).reshape(split_classes, channels, 3),
            class_table=stored["class_table"],
        )


@dataclass(frozen=True, eq=False)
class Cells:
    """Descriptor of cell networks that share steps, colours, classes and tables.

    Attributes:
        step: quantization step of every weight, in units of 1/255 of the colour range; the basis is orthonormal.
        colour: float32 ``(C, C)``, orthonormal rows: channels of the network from the image's channels.
        levels: of sides 32, 16, 8 and 64, in this order.
        root_tables: table of the mean of a top node, for each channel. scale_table: of the record's step scale.
        first_table: number in the codebook of this descriptor's table 0, the null table.
        lane_pixels: pixels for each rANS lane.
        head: reserved for a shared head; 0 in this version.
    """

    family: ClassVar[str] = "cells"

    step: float
    colour: NDArray[np.float32]
    levels: tuple[Level, ...]
    root_tables: tuple[int, ...]
    scale_table: int
    first_table: int = 0
    lane_pixels: int = 2048
    head: int = 0

    @property
    def channels(self) -> int:
        """Colour channels of an image."""
        return len(self.colour)

    @property
    def parameter_count(self) -> int:
        """Weights of the largest cell; how many cells there are depends on the image."""
        return self.channels * LARGEST_CELL**2

    def level(self, side: int) -> Level:
        """The level of nodes of ``side`` px."""
        return self.levels[LEVEL_SIDES.index(min(side, LEVEL_SIDES[-1]))]

    def behind_tables(self, count: int) -> Cells:
        """See ``families.family.Network``."""
        return replace(self, first_table=self.first_table + count)

    def multiply_adds(self, *, height: int, width: int) -> int:
        """Multiply-adds to evaluate at every pixel centre of ``height x width``, one axis after the other."""
        rows, columns = grid(height, width, LARGEST_CELL)
        return rows * columns * LARGEST_CELL**2 * self.channels * (2 * sum(CELL_SIDES) + self.channels)

    def lanes(self, *, height: int, width: int) -> int:
        """rANS lanes of a record: about one for every ``lane_pixels`` pixels."""
        return lanes_for(height * width // self.lane_pixels)

    def to_map(self) -> dict[str, Any]:
        """Plain types for the codebook section."""
        return {
            "colour": self.colour.astype("<f4").tobytes(),
            "family": self.family,
            "first_table": self.first_table,
            "head": self.head,
            "lane_pixels": self.lane_pixels,
            "levels": [level.to_map() for level in self.levels],
            "root_tables": list(self.root_tables),
            "scale_table": self.scale_table,
            "step": self.step,
        }

    @classmethod
    def from_map(cls, stored: dict[str, Any], *, table_count: int) -> Cells:
        """Parse and check a descriptor; a key it does not know could change what the record means, so it is refused.

        Raises:
            InvalidFileError: a rule of ``cells`` descriptors does not hold.
        """
        roots, levels = stored.get("root_tables", []), stored.get("levels", [])
        if not _has_form(stored, _DESCRIPTOR_FORM) or stored["head"] or not all(isinstance(r, int) for r in roots):
            raise InvalidFileError("CELLS-FORM", f"cells descriptor: unexpected keys or types in {sorted(stored)}")
        channels = len(roots)
        sizes_fit = len(stored["colour"]) == 4 * channels**2 and len(levels) == len(LEVEL_SIDES)
        if not 1 <= channels <= _MAX_CHANNELS or not sizes_fit:
            raise InvalidFileError("CELLS-FORM", f"cells descriptor: sizes do not fit {channels} channels")
        colour = np.frombuffer(stored["colour"], "<f4").astype(np.float32).reshape(channels, channels)
        if not np.isfinite(colour).all() or not np.allclose(colour @ colour.T, np.eye(channels), atol=1e-4):
            raise InvalidFileError("CELLS-COLOUR", "cells descriptor: the colour matrix is not orthonormal")
        step, lane_pixels = stored["step"], stored["lane_pixels"]
        if not 0.01 <= step <= 1e4 or not 1 <= lane_pixels <= 1 << 28:
            raise InvalidFileError(
                "CELLS-STEP", f"cells descriptor: step {step} or lane_pixels {lane_pixels} out of range"
            )
        parsed = tuple(
            Level.from_map(level, side=side, channels=channels) for side, level in zip(LEVEL_SIDES, levels, strict=True)
        )
        first, numbers = stored["first_table"], (stored["scale_table"], *roots)
        highest = first + max(*numbers, *(level.highest_table() for level in parsed))
        if first < 0 or min(numbers) < 0 or highest >= table_count:
            raise InvalidFileError("CELLS-TABLES", f"cells descriptor: refers to table {highest} of {table_count}")
        return cls(step, colour, parsed, tuple(roots), stored["scale_table"], first, lane_pixels)


def _has_form(stored: Any, form: Mapping[str, type]) -> bool:
    """Whether it is a map of these keys and no others, with values of these types."""
    if not isinstance(stored, dict) or stored.keys() != form.keys():
        return False
    return all(isinstance(stored[key], kind) for key, kind in form.items())


def parse(stored: dict[str, Any], *, table_count: int) -> Cells:
    """A descriptor from its map, checked; ``table_count``: symbol tables in the codebook. See ``Family.parse``."""
    return Cells.from_map(stored, table_count=table_count)


def describe(stored: dict[str, Any]) -> str:
    """What ``info`` says of a stored descriptor: family and step; sizes of cells are chosen image by image."""
    step = stored.get("step")
    return f"{Cells.family}, quantization step {step:g}/255" if isinstance(step, float) else Cells.family
