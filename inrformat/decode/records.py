"""Records on a device: the bytes of the file as they lie, and what is needed to find and decode each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inrformat.coding.rans_torch import TorchRansDecoder, TorchTables
from inrformat.coding.tables import TableSet

__all__ = ["DeviceRecords", "join_records"]


@dataclass(frozen=True, slots=True, eq=False)
class DeviceRecords:
    """Records end to end in one tensor.

    Attributes:
        words: int16 ``(payload bytes / 2,)``, the payload's bytes unchanged.
        offsets, lengths: int64 ``(records,)``, bytes.
        tables: of the file, on the same device.
    """

    words: Tensor
    offsets: Tensor
    lengths: Tensor
    tables: TorchTables

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def device(self) -> torch.device:
        return self.words.device

    def decoder(self, rows: Tensor, *, lanes: int) -> TorchRansDecoder:
        """A decoder at the heads of the records ``rows``, int64 ``(B,)`` on the same device."""
        return TorchRansDecoder(self.words, self.offsets[rows], self.lengths[rows], self.tables, lanes=lanes)


def join_records(records: Sequence[bytes], tables: TableSet, *, device: torch.device) -> DeviceRecords:
    """Put separate records on ``device``, in order."""
    lengths = np.array([len(r) for r in records], np.int64)
    payload = np.frombuffer(b"".join(records), "<i2").astype(np.int16)
    return DeviceRecords(
        words=torch.from_numpy(payload).to(device),
        offsets=torch.from_numpy(np.cumsum(lengths) - lengths).to(device),
        lengths=torch.from_numpy(lengths).to(device),
        tables=TorchTables.of(tables, device),
    )
