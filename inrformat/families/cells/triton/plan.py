"""What a file's ``cells`` need of a device: descriptors, where a record's symbols lie, and the scratch of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton.bodies import Bodies
from inrformat.decoding.triton.descriptors import Descriptors
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.nodes import CELL_SIDES, grid, node_sides
from inrformat.families.cells.triton.descriptors import class_templates, flatten, weight_numbers
from inrformat.families.cells.triton.workspace import WORKSPACE_BYTES, NativeSize, Workspaces

__all__ = ["CellsPlan", "CellsScratch"]

_ALIGNED = 16
"""What a record has in a tensor begins at a multiple of 16 bytes, which compilers are told of pointers."""


@dataclass(frozen=True, slots=True, eq=False)
class CellsScratch:
    """What reading leaves of ``batch`` records.

    Attributes:
        bodies: symbols of the bodies: the step scale, means of top nodes, then node by node.
        classes: int16 ``(batch, node_count)``, of each node; -1 where there is none.
        starts: int32 ``(batch, node_count)``, the number in ``bodies.items`` of a node's first symbol: a detail of one
            that is split; of a cell weights, channel after channel, units 1 .. kept - 1 in unit order.
        low_bit_starts: int32 ``(batch, node_count)``, of each node, low bits of the body that come before its own.
        node_means: float32 ``(batch, node_count * C)``: the pyramid of means, in 1/255 units.
        steps: float32 ``(batch,)``, quantization step of each record.
        workspaces: memory in which views are evaluated.
    """

    bodies: Bodies
    classes: Tensor
    starts: Tensor
    low_bit_starts: Tensor
    node_means: Tensor
    steps: Tensor
    workspaces: Workspaces


@dataclass(frozen=True, slots=True, eq=False)
class CellsPlan:
    """Sized for the greatest native height and width of the file.

    Attributes:
        weight_numbers: see ``descriptors.py``. node_count, item_capacity: nodes and symbols of the body of a record, at
            most, multiples of 16. lane_capacity: its rANS lanes, at most.
            height, width: greatest native size in whole cells of 32 px.
    """

    channels: int
    descriptors: Descriptors
    weight_numbers: Tensor
    node_count: int
    item_capacity: int
    lane_capacity: int
    height: int
    width: int

    @classmethod
    def of(cls, file: DeviceFile) -> CellsPlan:
        """Of the greatest sizes in the file."""
        height, width, device, largest = file.max_height, file.max_width, file.device, CELL_SIDES[0]
        networks = [network for network in file.networks if isinstance(network, Cells)]
        # A smaller image may have fewer levels, but nowhere more nodes.
        counts = [rows * columns for rows, columns in (grid(height, width, side) for side in node_sides(height, width))]
        return cls(
            channels=file.channels,
            descriptors=flatten(file.networks, tables=file.codebook.tables, device=device),
            weight_numbers=weight_numbers(device),
            node_count=-(-sum(counts) // _ALIGNED) * _ALIGNED,
            item_capacity=-(-max(_most_symbols(network, counts) for network in networks) // _ALIGNED) * _ALIGNED,
            lane_capacity=max(network.lanes(height=height, width=width) for network in networks),
            height=-(-height // largest) * largest,
            width=-(-width // largest) * largest,
        )

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        bodies = Bodies.record_bytes(items=self.item_capacity, lanes=self.lane_capacity)
        return bodies + self.node_count * (2 + 4 + 4 + 4 * self.channels) + 4

    def allocate(self, batch: int, arena: Arena) -> CellsScratch:
        """Scratch for ``batch`` records, cut from ``arena``."""

        def empty(*shape: int, dtype: torch.dtype) -> Tensor:
            return arena.empty(batch, *shape, dtype=dtype)

        return CellsScratch(
            bodies=Bodies.empty(batch, items=self.item_capacity, lanes=self.lane_capacity, arena=arena),
            classes=empty(self.node_count, dtype=torch.int16),
            starts=empty(self.node_count, dtype=torch.int32),
            low_bit_starts=empty(self.node_count, dtype=torch.int32),
            node_means=empty(self.node_count * self.channels, dtype=torch.float32),
            steps=empty(dtype=torch.float32),
            workspaces=Workspaces(
                arena.empty(WORKSPACE_BYTES, dtype=torch.uint8), NativeSize(self.channels, self.height, self.width)
            ),
        )


def _most_symbols(network: Cells, counts: Sequence[int]) -> int:
    """Symbols of a body at most, where the grids of an image have so many nodes, greatest side first."""
    *_, of_32px, _, of_8px = counts
    # What 32 px of the image need at most: that of one cell, or of four of 16 px, or of sixteen of 8 px.
    by_side = {
        level.side: max((len(t) for t in class_templates(level)[: len(level.kept)]), default=0)
        for level in network.levels
    }
    weights = of_32px * max(by_side[32], 4 * by_side[16], 16 * by_side[8])
    roots_and_details = network.channels * (counts[0] + 3 * (sum(counts) - of_8px))
    return 1 + roots_and_details + weights
