"""What a file's sirens need of a device: descriptors, the shape that holds all, and the scratch of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton.descriptors import Descriptors
from inrformat.families.siren.triton.descriptors import PaddedShape, flatten, padded_shape

__all__ = ["SirenPlan", "SirenScratch"]


@dataclass(frozen=True, slots=True, eq=False)
class SirenScratch:
    """Of ``batch`` records.

    Attributes:
        symbols: int16 ``(batch, symbol_count)``: those of the parameters, padded, and last the record's step scale.
        scale_item: int32 ``(batch, 2)``: the work item of the step scale.
        parameters: float32 ``(batch, PaddedShape.size)``.
    """

    symbols: Tensor
    scale_item: Tensor
    parameters: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SirenPlan:
    """Sized for the greatest siren of the file, see `PaddedShape`."""

    shape: PaddedShape
    descriptors: Descriptors

    @classmethod
    def of(cls, file: DeviceFile) -> SirenPlan:
        """Of the sirens among the file's networks."""
        shape = padded_shape(file.networks)
        return cls(shape, flatten(file.networks, shape=shape, device=file.device))

    @property
    def symbol_count(self) -> int:
        """Symbols of a record, a multiple of 16."""
        return self.shape.size + 16

    @property
    def scale_position(self) -> int:
        """Where the record's step scale lies among its symbols."""
        return self.symbol_count - 1

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        return 2 * self.symbol_count + 4 * (2 + self.shape.size)

    def allocate(self, batch: int, arena: Arena) -> SirenScratch:
        """Scratch for ``batch`` records, cut from ``arena``."""

        def empty(count: int, dtype: torch.dtype) -> Tensor:
            return arena.empty(batch, count, dtype=dtype)

        return SirenScratch(
            symbols=empty(self.symbol_count, torch.int16),
            scale_item=empty(2, torch.int32),
            parameters=empty(self.shape.size, torch.float32),
        )
