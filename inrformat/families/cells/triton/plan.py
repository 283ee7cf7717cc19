"""What a file's ``cells`` need of a device: descriptors, where a record's symbols lie, and the scratch of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton.descriptors import Descriptors
from inrformat.families.cells.nodes import CELL_SIDES, TOP_SIDE_MAX, grid, top_side
from inrformat.families.cells.triton.descriptors import flatten, unit_words
from inrformat.families.cells.triton.symbols import CHUNK

__all__ = ["CellsPlan", "CellsScratch"]


@dataclass(frozen=True, slots=True, eq=False)
class CellsScratch:
    """Of ``batch`` records.

    Attributes:
        symbols: int16 ``(batch, symbol_count)``: see `CellsPlan`. work: int32: lists and work items, see
            ``symbols.WorkLists``. node_means: float32 ``(batch, node_count * C)``: the pyramid of means.
        cell_means: float32 ``(batch, C * fine_nodes)``, mean weight of the cell that covers each 8 px node.
        cell_sides: int32 ``(batch, fine_nodes)``, ``side | extent << 8`` of that cell: its side in px, and one more
            than the greatest a + b of a unit that it keeps.
        steps: float32 ``(batch,)``, quantization step of each record.
    """

    symbols: Tensor
    work: Tensor
    node_means: Tensor
    cell_means: Tensor
    cell_sides: Tensor
    steps: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class CellsPlan:
    """Sized for the greatest native height and width of the file.

    Symbols of a record lie one after the other: classes of all nodes, then from ``details_start`` three details of each
    node and channel, from ``roots_start`` means of the top nodes, from ``plane_start`` planes of weights, one for each
    channel, in which the weight (b, a) of a cell lies where its pixel (b, a) would, and last the record's step scale.

    Attributes:
        unit_words: see ``descriptors.unit_words``. node_count: of a record, at most.
        plane_height, plane_width: of a plane of weights, px, multiples of 32.
    """

    channels: int
    descriptors: Descriptors
    unit_words: Tensor
    node_count: int
    details_start: int
    roots_start: int
    plane_start: int
    plane_height: int
    plane_width: int

    @classmethod
    def of(cls, file: DeviceFile) -> CellsPlan:
        """Of the greatest sizes in the file."""
        height, width, channels, device = file.max_height, file.max_width, file.channels, file.device
        top = top_side(height, width)
        sides = [TOP_SIDE_MAX >> k for k in range(6) if top >= TOP_SIDE_MAX >> k]
        counts = [rows * columns for rows, columns in (grid(height, width, side) for side in sides)]
        # A smaller image may have fewer levels, but nowhere more nodes.
        node_count, root_count = sum(counts), counts[0]
        roots_start = node_count + node_count * 3 * channels
        block = CELL_SIDES[0]
        return cls(
            channels=channels,
            descriptors=flatten(file.networks, table_count=len(file.codebook.tables.tables), device=device),
            unit_words=unit_words(device),
            node_count=node_count,
            details_start=node_count,
            roots_start=roots_start,
            plane_start=-(-(roots_start + root_count * channels) // 16) * 16,
            plane_height=-(-height // block) * block,
            plane_width=-(-width // block) * block,
        )

    @property
    def plane_size(self) -> int:
        """Weights of one channel of the largest image."""
        return self.plane_height * self.plane_width

    @property
    def symbol_count(self) -> int:
        """Symbols of a record, a multiple of 16."""
        return self.plane_start + self.channels * self.plane_size + 16

    @property
    def scale_position(self) -> int:
        """Where the record's step scale lies among its symbols."""
        return self.symbol_count - 1

    @property
    def fine_columns(self) -> int:
        """Columns of 8 px nodes in a plane."""
        return self.plane_width // 8

    @property
    def fine_nodes(self) -> int:
        """8 px nodes in a plane."""
        return self.plane_size // 64

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        numbers = (
            2 * (CHUNK + self.node_count) + (self.node_count + self.fine_nodes) * self.channels + self.fine_nodes + 1
        )
        return 2 * self.symbol_count + 4 * numbers

    def allocate(self, batch: int, arena: Arena) -> CellsScratch:
        """Scratch for ``batch`` records, cut from ``arena``."""

        def empty(*shape: int, dtype: torch.dtype) -> Tensor:
            return arena.empty(batch, *shape, dtype=dtype)

        return CellsScratch(
            symbols=empty(self.symbol_count, dtype=torch.int16),
            work=empty(2 * (CHUNK + self.node_count), dtype=torch.int32),
            node_means=empty(self.node_count * self.channels, dtype=torch.float32),
            cell_means=empty(self.fine_nodes * self.channels, dtype=torch.float32),
            cell_sides=empty(self.fine_nodes, dtype=torch.int32),
            steps=empty(dtype=torch.float32),
        )
