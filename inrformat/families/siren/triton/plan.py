"""What a file's sirens need of a device: descriptors, the shape that holds all, and the scratch of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton.bodies import Bodies
from inrformat.decoding.triton.descriptors import Descriptors
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.triton.descriptors import PaddedShape, flatten, padded_shape

__all__ = ["SirenPlan", "SirenScratch"]


@dataclass(frozen=True, slots=True, eq=False)
class SirenScratch:
    """Of ``batch`` records.

    Attributes:
        bodies: the step scale, then the parameters' symbols.
        parameters: float32 ``(batch, PaddedShape.size)``.
    """

    bodies: Bodies
    parameters: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SirenPlan:
    """Sized for the greatest siren of the file, see `PaddedShape`.

    Attributes:
        item_capacity, lane_capacity: symbols of a body and rANS lanes of a record, at most.
    """

    shape: PaddedShape
    descriptors: Descriptors
    item_capacity: int
    lane_capacity: int

    @classmethod
    def of(cls, file: DeviceFile) -> SirenPlan:
        """Of the sirens among the file's networks."""
        shape, tables = padded_shape(file.networks), file.codebook.tables
        sirens = [network for network in file.networks if isinstance(network, Siren)]
        return cls(
            shape=shape,
            descriptors=flatten(file.networks, tables=tables, shape=shape, device=file.device),
            item_capacity=-(-max(1 + network.parameter_count for network in sirens) // 16) * 16,
            lane_capacity=max(network.rans_lanes for network in sirens),
        )

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        return Bodies.record_bytes(items=self.item_capacity, lanes=self.lane_capacity) + 4 * self.shape.size

    def allocate(self, batch: int, arena: Arena) -> SirenScratch:
        """Scratch for ``batch`` records, cut from ``arena``."""
        return SirenScratch(
            bodies=Bodies.empty(batch, items=self.item_capacity, lanes=self.lane_capacity, arena=arena),
            parameters=arena.empty(batch, self.shape.size, dtype=torch.float32),
        )
