"""What all records of a file have in common, on the device that decodes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.coding.rans_torch import TorchTables
from inrformat.errors import UsageError
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network

__all__ = ["DeviceFile"]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class DeviceFile:
    """A file, as far as decoders need it; its records may lie elsewhere, and be sent to the device by the batch.

    What decoders prepare of a file, they prepare once for each of these.

    Attributes:
        device: where records are decoded. codebook: tables and networks, on the host. tables: on the device.
        record_count: of the file. max_height, max_width: greatest native size in pixels; 0 where there is no record.
    """

    device: torch.device
    codebook: Codebook
    tables: TorchTables
    record_count: int
    max_height: int
    max_width: int

    @classmethod
    def of(cls, codebook: Codebook, *, shapes: NDArray[np.int64], device: torch.device) -> DeviceFile:
        """Of a file whose records have ``shapes``, ``(records, 3)`` on the host: network, native height and width."""
        _, height, width = shapes.max(0).tolist() if len(shapes) else (0, 0, 0)
        tables = TorchTables.of(codebook.tables, device)
        # The device of a tensor has a number, also where "cuda" was asked for.
        return cls(tables.slots.device, codebook, tables, len(shapes), height, width)

    @property
    def networks(self) -> tuple[Network, ...]:
        """Network descriptors by number."""
        return self.codebook.networks

    @property
    def channels(self) -> int:
        """Colour channels of every image.

        Raises:
            UsageError: the file holds images of different channel counts, which make no batch.
        """
        counts = {network.channels for network in self.networks}
        if len(counts) != 1:
            raise UsageError(f"images of {sorted(counts)} channels do not make one batch")
        return counts.pop()
