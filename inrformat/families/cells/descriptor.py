"""The `cells` family: a grid of one-hidden-layer sine networks with shared hidden units (spec section 6.2).

    f(u, v) = offset + C^T sum_ab W[:, a, b] h_a(u) h_b(v),   h_a(u) = sqrt(2 / s) cos(pi a u)   (sqrt(1 / s) for a = 0)

in the coordinates (u, v) in [0, 1] of a square cell of s = 8, 16 or 32 px. Hidden units are orthonormal at pixel
centres: sampled there, the readout weights W are block-cosine coefficients, which is why fitting needs no descent.
A *class* of a cell says how many hidden units it keeps and which symbol table codes each weight. A node that is split
into four has a class too: of the three *detail* weights a channel that tell its children's means apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inrformat.errors import InvalidFileError
from inrformat.families.cells.nodes import CELL_SIDES, grid, unit_groups

__all__ = ["NULL_TABLE", "SCALES_PER_OCTAVE", "Cells", "Level", "describe", "parse"]

NULL_TABLE = 0
"""Relative number of the table that holds only zero: the table of padding."""
SCALES_PER_OCTAVE = 4
"""Step scales of a record, an octave of the quantization step."""
_MAX_CLASSES, _MAX_CHANNELS = 256, 16
_LEVELS = (*CELL_SIDES, 64)


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

    def unit_tables(self) -> NDArray[np.int32]:
        """Table of each hidden unit: int32 ``(K, C, side**2)``; pruned units and the mean get the null table."""
        if not len(self.kept):
            return np.zeros((0, self.kept.shape[1], 1), np.int32)
        units = self.side**2
        groups = unit_groups(self.side)
        tables = self.group_tables[:, :, np.maximum(groups, 0)].astype(np.int32)
        pruned = np.arange(units) >= self.kept[..., None]
        return np.where(pruned | (groups < 0), NULL_TABLE, tables).astype(np.int32)

    def to_map(self) -> dict[str, Any]:
        """Plain types. Group tables as differences along the groups: smooth, so they compress well."""
        tables = np.where(self._used(), self.group_tables, 0)
        steps = np.diff(tables, axis=2, prepend=np.uint8(0)).astype(np.uint8)
        return {
            "class_table": self.class_table,
            "group_tables": np.ascontiguousarray(steps).tobytes(),
            "kept": self.kept.astype("<u2").tobytes(),
            "side": self.side,
            "split_tables": self.split_tables.tobytes(),
        }

    def _used(self) -> NDArray[np.bool_]:
        """Groups that have a kept unit: bool ``(K, C, G)``. A trailing unused one is stored as 0."""
        if not len(self.kept):
            return np.zeros(self.group_tables.shape, bool)
        groups = unit_groups(self.side)
        first = np.array([np.argmax(groups == g) for g in range(int(groups.max()) + 1)])
        used: NDArray[np.bool_] = first < self.kept[..., None]
        return used

    @classmethod
    def from_map(cls, stored: Any, *, side: int, channels: int) -> Level:
        """Parse and check one entry of ``levels``."""
        match stored:
            case {
                "class_table": int(class_table), "group_tables": bytes(steps), "kept": bytes(kept),
                "side": int(stored_side), "split_tables": bytes(splits), **rest,
            } if not rest and stored_side == side and 0 <= class_table < 256:  # fmt: skip
                pass
            case _:
                raise InvalidFileError("CELLS-LEVEL", f"cells descriptor: malformed level of side {side}")
        groups = int(unit_groups(side).max()) + 1 if side in CELL_SIDES else 0
        classes, s = len(kept) // (2 * channels), len(splits) // (3 * channels)
        sizes_fit = len(kept) == 2 * channels * classes and len(splits) == 3 * channels * s
        if not sizes_fit or len(steps) != classes * channels * groups or not 1 <= classes + s <= _MAX_CLASSES:
            raise InvalidFileError("CELLS-LEVEL", f"cells descriptor: sizes of level {side} do not agree")
        if (side not in CELL_SIDES and classes) or (side == CELL_SIDES[-1] and s):
            raise InvalidFileError("CELLS-LEVEL", f"cells descriptor: level {side} has classes it cannot have")
        units = np.frombuffer(kept, "<u2").astype(np.int32).reshape(classes, channels)
        if ((units < 1) | (units > side**2)).any():
            raise InvalidFileError("CELLS-KEPT", f"cells descriptor: level {side} keeps more units than there are")
        tables = np.cumsum(np.frombuffer(steps, np.uint8).reshape(classes, channels, groups), axis=2, dtype=np.uint8)
        return cls(side, units, tables, np.frombuffer(splits, np.uint8).reshape(s, channels, 3), class_table)


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
        return self.channels * CELL_SIDES[0] ** 2

    def level(self, side: int) -> Level:
        """The level of nodes of ``side`` px."""
        return self.levels[_LEVELS.index(min(side, _LEVELS[-1]))]

    def multiply_adds(self, *, height: int, width: int) -> int:
        """Multiply-adds to evaluate at every pixel centre of ``height x width``, one axis after the other."""
        rows, columns = grid(height, width, CELL_SIDES[0])
        return rows * columns * CELL_SIDES[0] ** 2 * self.channels * (2 * sum(CELL_SIDES) + self.channels)

    def lanes(self, *, height: int, width: int) -> int:
        """rANS lanes of a record: a power of two, 1..32, at most one for every ``lane_pixels`` pixels."""
        return int(min(1 << max(height * width // self.lane_pixels, 1).bit_length() - 1, 32))

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
        """Parse and check a descriptor; a key it does not know could change what the record means, so it is refused."""
        match stored:
            case {
                "colour": bytes(colour), "family": _, "first_table": int(first), "head": 0,
                "lane_pixels": int(lane_pixels),
                "levels": list(levels), "root_tables": list(roots),
                "scale_table": int(scale), "step": float(step), **rest,
            } if not rest and all(isinstance(r, int) for r in roots):  # fmt: skip
                pass
            case _:
                raise InvalidFileError("CELLS-FORM", f"cells descriptor: unexpected keys or types in {sorted(stored)}")
        channels = len(roots)
        if not 1 <= channels <= _MAX_CHANNELS or len(colour) != 4 * channels**2 or len(levels) != len(_LEVELS):
            raise InvalidFileError("CELLS-FORM", f"cells descriptor: sizes do not fit {channels} channels")
        matrix = np.frombuffer(colour, "<f4").astype(np.float32).reshape(channels, channels)
        if not np.isfinite(matrix).all() or not np.allclose(matrix @ matrix.T, np.eye(channels), atol=1e-4):
            raise InvalidFileError("CELLS-COLOUR", "cells descriptor: the colour matrix is not orthonormal")
        if not 0.01 <= step <= 1e4 or not 1 <= lane_pixels <= 1 << 28:
            raise InvalidFileError(
                "CELLS-STEP", f"cells descriptor: step {step} or lane_pixels {lane_pixels} out of range"
            )
        parsed = tuple(Level.from_map(m, side=s, channels=channels) for s, m in zip(_LEVELS, levels, strict=True))
        highest = max(scale, *roots, *(_highest_table(level) for level in parsed))
        if first < 0 or min(scale, *roots) < 0 or first + highest >= table_count:
            raise InvalidFileError(
                "CELLS-TABLES", f"cells descriptor: refers to table {first + highest} of {table_count}"
            )
        return cls(step, matrix, parsed, tuple(roots), scale, first, lane_pixels)


def _highest_table(level: Level) -> int:
    return max(int(level.unit_tables().max(initial=0)), int(level.split_tables.max(initial=0)), level.class_table)


def parse(stored: dict[str, Any], *, table_count: int) -> Cells:
    """See ``Cells.from_map``."""
    return Cells.from_map(stored, table_count=table_count)


def describe(_stored: dict[str, Any]) -> str:
    """What ``info`` says of a stored descriptor."""
    return Cells.family
