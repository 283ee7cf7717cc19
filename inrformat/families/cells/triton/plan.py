"""What a file's ``cells`` need of a device: descriptors, where a record's symbols lie, and the scratch of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.descriptors import Descriptors
from inrformat.families.cells.nodes import CELL_SIDES, TOP_SIDE_MAX, grid, top_side
from inrformat.families.cells.triton.descriptors import flatten, unit_words, weight_numbers
from inrformat.families.cells.triton.symbols import CHUNK

__all__ = ["CellsPlan", "CellsScratch"]

_ALIGNED = 16
"""What a record has in a tensor begins at a multiple of 16 bytes, which compilers are told of pointers."""


@dataclass(frozen=True, slots=True, eq=False)
class CellsScratch:
    """What reading leaves of ``batch`` records.

    Attributes:
        items: int16 ``(batch, item_capacity)``, symbols, among them the weights of cells: cell after cell, channel
            after channel, units 1 .. kept - 1 in unit order.
        classes: int16 ``(batch, node_count)``, of each node; -1 where there is none.
        starts: int32 ``(batch, node_count)``: of a node that is a cell, the number in ``items`` of its first weight.
        node_means: float32 ``(batch, node_count * C)``: the pyramid of means, in 1/255 units.
        steps: float32 ``(batch,)``, quantization step of each record.
        work: int32: lists and work items, see ``symbols.WorkLists``.
    """

    items: Tensor
    classes: Tensor
    starts: Tensor
    node_means: Tensor
    steps: Tensor
    work: Tensor

    def __getitem__(self, samples: slice) -> CellsScratch:
        return CellsScratch(
            items=self.items[samples],
            classes=self.classes[samples],
            starts=self.starts[samples],
            node_means=self.node_means[samples],
            steps=self.steps[samples],
            work=self.work[samples],
        )


@dataclass(frozen=True, slots=True, eq=False)
class CellsPlan:
    """Sized for the greatest native height and width of the file.

    Symbols of a record lie one after the other: from ``details_start`` three details of each node and channel, from
    ``roots_start`` means of the top nodes, from ``weights_start`` the weights of cells, last the record's step scale.

    Attributes:
        unit_words, weight_numbers: see ``descriptors.py``. node_count: of a record, at most, a multiple of 16.
        height, width: greatest native size in whole cells of 32 px.
    """

    device: torch.device
    channels: int
    descriptors: Descriptors
    unit_words: Tensor
    weight_numbers: Tensor
    node_count: int
    details_start: int
    roots_start: int
    weights_start: int
    height: int
    width: int

    @classmethod
    def of(cls, records: DeviceRecords) -> CellsPlan:
        """Reads the greatest sizes from the device."""
        _, height, width = records.shapes.amax(0).tolist()
        channels, device = records.channels, records.device
        top = top_side(height, width)
        sides = [TOP_SIDE_MAX >> k for k in range(6) if top >= TOP_SIDE_MAX >> k]
        counts = [rows * columns for rows, columns in (grid(height, width, side) for side in sides)]
        # A smaller image may have fewer levels, but nowhere more nodes.
        node_count, root_count = -(-sum(counts) // _ALIGNED) * _ALIGNED, counts[0]
        roots_start = node_count * 3 * channels
        largest = CELL_SIDES[0]
        return cls(
            device=device,
            channels=channels,
            descriptors=flatten(records.networks, table_count=len(records.codebook.tables.tables), device=device),
            unit_words=unit_words(device),
            weight_numbers=weight_numbers(device),
            node_count=node_count,
            details_start=0,
            roots_start=roots_start,
            weights_start=roots_start + root_count * channels,
            height=-(-height // largest) * largest,
            width=-(-width // largest) * largest,
        )

    @property
    def item_capacity(self) -> int:
        """Symbols of a record, at most, a multiple of 16."""
        return -(-(self.weights_start + self.channels * self.height * self.width + 1) // _ALIGNED) * _ALIGNED

    @property
    def scale_position(self) -> int:
        """Where the record's step scale lies among its symbols."""
        return self.item_capacity - 1

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        numbers = 2 * (CHUNK + self.node_count) + self.node_count * (1 + self.channels) + 1
        return 2 * (self.item_capacity + self.node_count) + 4 * numbers

    def allocate(self, batch: int) -> CellsScratch:
        """Scratch for ``batch`` records."""

        def empty(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.empty((batch, *shape), dtype=dtype, device=self.device)

        return CellsScratch(
            items=empty(self.item_capacity, dtype=torch.int16),
            classes=empty(self.node_count, dtype=torch.int16),
            starts=empty(self.node_count, dtype=torch.int32),
            node_means=empty(self.node_count * self.channels, dtype=torch.float32),
            steps=empty(dtype=torch.float32),
            work=empty(2 * (CHUNK + self.node_count), dtype=torch.int32),
        )
