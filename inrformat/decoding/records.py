"""Records on a device: the bytes of the file as they lie, and what is needed to find and decode each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.coding.rans_torch import TorchRansDecoder, TorchTables
from inrformat.decoding.device_file import DeviceFile
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network

__all__ = ["DeviceRecords", "join_records"]


@dataclass(frozen=True, slots=True, eq=False)
class DeviceRecords:
    """Records end to end in one tensor.

    Attributes:
        words: int16 ``(payload bytes / 2,)``, the payload's bytes unchanged.
        offsets, lengths: int64 ``(records,)``, bytes.
        shapes: int64 ``(records, 3)``: network number, native height, native width.
        file: that they are of, or some of them.
    """

    words: Tensor
    offsets: Tensor
    lengths: Tensor
    shapes: Tensor
    file: DeviceFile

    @classmethod
    def of(
        cls,
        payload: NDArray[np.int16],
        *,
        offsets: NDArray[np.int64],
        lengths: NDArray[np.int64],
        shapes: NDArray[np.int64],
        codebook: Codebook,
        device: torch.device,
    ) -> DeviceRecords:
        """Copy all of a file to ``device``, checked on the host: ranges inside the payload, shapes in the codebook."""
        arrays = (payload, offsets, lengths, shapes)
        words, at, sizes, of = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays)
        return cls(words, at, sizes, of, DeviceFile.of(codebook, shapes=shapes, device=device))

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def device(self) -> torch.device:
        return self.words.device

    @property
    def tables(self) -> TorchTables:
        """Symbol tables of the file, on the same device."""
        return self.file.tables

    @property
    def codebook(self) -> Codebook:
        """Tables and networks of the file, on the host."""
        return self.file.codebook

    @property
    def networks(self) -> tuple[Network, ...]:
        """Network descriptors by number."""
        return self.file.networks

    @property
    def channels(self) -> int:
        """See ``DeviceFile.channels``."""
        return self.file.channels

    def decoder(self, rows: Tensor, *, lanes: int) -> TorchRansDecoder:
        """A decoder at the heads of the records ``rows``, int64 ``(B,)`` on the same device."""
        return TorchRansDecoder(self.words, self.offsets[rows], self.lengths[rows], self.tables, lanes=lanes)


def join_records(
    records: Sequence[bytes], codebook: Codebook, *, shapes: NDArray[np.int64], device: torch.device
) -> DeviceRecords:
    """Put separate records on ``device``, in order; ``shapes`` as in `DeviceRecords`."""
    lengths = np.array([len(r) for r in records], np.int64)
    return DeviceRecords.of(
        np.frombuffer(b"".join(records), "<i2").astype(np.int16),
        offsets=np.cumsum(lengths) - lengths,
        lengths=lengths,
        shapes=shapes,
        codebook=codebook,
        device=device,
    )
