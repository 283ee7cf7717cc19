"""Where a file's records wait for the decoder: on its device, in host memory, or in the file itself.

Only compressed bytes ever cross the bus. What is read by the batch is checked on the very bytes that are handed on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.container.layout import SectionKind
from inrformat.container.reader import InrdReader
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.transfer import sent
from inrformat.errors import UsageError
from inrformat.families.codebook import Codebook

__all__ = ["Part", "RecordStore", "Residency", "load_resident"]

_DEFAULT_SHARE = 0.5
"""Of a device's free memory that records may take where no budget is given."""


class Residency(StrEnum):
    """Where the compressed bytes are kept."""

    DEVICE = "device"
    """All on the device that decodes: in GPU memory on CUDA."""
    PINNED = "pinned"
    """In host memory (page-locked for CUDA), copied over the bus by the batch."""
    MMAP = "mmap"
    """In the file, mapped: read by the batch, cached by the operating system as it sees fit. Of a file that is
    elsewhere, ranges are fetched by the batch and kept in the local cache."""
    AUTO = "auto"
    """As many records from the first on as a budget allows on the device, the rest mapped."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some samples of a batch: their places in it, int64 ``(n,)`` numpy, and their ``rows`` of ``records``."""

    places: NDArray[np.int64]
    records: DeviceRecords
    rows: Tensor


def load_resident(reader: InrdReader, codebook: Codebook, device: torch.device) -> DeviceRecords:
    """Copy the payload, the record places and the symbol tables of a file to ``device``, checksums verified."""
    file = DeviceFile.of(codebook, shapes=reader.index.shapes(slice(None)), device=device)
    return _first_records(reader, file, len(reader))


def _first_records(reader: InrdReader, file: DeviceFile, count: int) -> DeviceRecords:
    payload, index = reader.payload(), reader.index
    if count < len(index):
        payload = payload[: int(index.offsets_bytes[count])]

    def copied(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(file.device)

    return DeviceRecords(
        words=copied(_words(payload)),
        offsets=copied(index.offsets_bytes[:count]),
        lengths=copied(index.lengths_bytes[:count].astype(np.int64)),
        shapes=copied(index.shapes(slice(count))),
        file=file,
    )


def _words(payload: NDArray[np.uint8]) -> NDArray[np.int16]:
    words: NDArray[np.int16] = payload.view("<i2")
    return words.astype(np.int16) if sys.byteorder == "big" else words


class RecordStore:
    """The records of one file, ready to be decoded by the batch.

    Attributes:
        resident: how many records, from the first on, are kept on the device. device: where they are decoded.
    """

    def __init__(
        self,
        reader: InrdReader,
        codebook: Codebook,
        device: torch.device,
        *,
        residency: Residency = Residency.AUTO,
        budget_bytes: int | None = None,
    ) -> None:
        """Copy what is to be resident.

        Args:
            budget_bytes: for AUTO, what the records may take of the device; half of what is free by default.
        """
        if budget_bytes is not None and residency is not Residency.AUTO:
            raise UsageError(f"a budget goes with residency auto, not with {residency}")
        self._reader, self.device = reader, device
        # One for all batches: what decoders prepare of a file must not be made anew with every batch that is sent.
        self._file = DeviceFile.of(codebook, shapes=reader.index.shapes(slice(None)), device=device)
        self.resident = self._resident_count(residency, budget_bytes)
        self._records = _first_records(reader, self._file, self.resident) if self.resident else None
        self._host = self._host_bytes(residency) if self.resident < len(reader) else None
        self._by_range = self._host is None and reader.is_remote

    @property
    def whole(self) -> DeviceRecords | None:
        """All records of the file, where all are on the device and there are any."""
        return self._records if self.resident == len(self._reader) else None

    @property
    def resident_bytes(self) -> int:
        """Bytes of records on the device."""
        offsets_bytes = self._reader.index.offsets_bytes
        return int(offsets_bytes[self.resident]) if self.resident < len(offsets_bytes) else self._payload_bytes

    @property
    def _payload_bytes(self) -> int:
        return self._reader.header.section(SectionKind.PAYLOAD).stored_bytes

    def _resident_count(self, residency: Residency, budget_bytes: int | None) -> int:
        if residency in (Residency.PINNED, Residency.MMAP):
            return 0
        if residency is Residency.DEVICE or (budget_bytes is None and self.device.type != "cuda"):
            return len(self._reader)
        if budget_bytes is None:
            budget_bytes = int(_DEFAULT_SHARE * torch.cuda.mem_get_info(self.device)[0])
        ends = np.append(self._reader.index.offsets_bytes[1:], self._payload_bytes)
        return int(np.searchsorted(ends, budget_bytes, side="right"))

    def _host_bytes(self, residency: Residency) -> NDArray[np.uint8] | None:
        if residency is Residency.PINNED:
            payload = torch.from_numpy(self._reader.payload())
            pinned: NDArray[np.uint8] = (payload.pin_memory() if self.device.type == "cuda" else payload).numpy()
            return pinned
        if self._reader.is_remote:
            return None
        offset = self._reader.header.section(SectionKind.PAYLOAD).offset_bytes
        return np.memmap(self._reader.path, np.uint8, "r", offset=offset, shape=(self._payload_bytes,))

    def parts(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> list[Part]:
        """The records ``rows (n,)`` of the file, which stand at ``places (n,)`` of a batch, on the device."""
        kept = rows < self.resident
        result = []
        if self._records is not None and kept.any():
            result.append(Part(places[kept], self._records, self._sent(rows[kept])))
        if not kept.all():
            staged = self._staged(rows[~kept])
            result.append(Part(places[~kept], staged, torch.arange(len(staged), device=self.device)))
        return result

    def _staged(self, rows: NDArray[np.int64]) -> DeviceRecords:
        """The bytes of some records, copied to the device end to end."""
        index = self._reader.index
        alignment = self._reader.header.record_alignment
        starts, lengths = index.offsets_bytes[rows], index.lengths_bytes[rows].astype(np.int64)
        sizes = -(-lengths // alignment) * alignment
        words = np.concatenate(self._stored(starts, sizes))  # a copy: what is checked is what is decoded
        ends = np.cumsum(sizes)
        self._check(words, rows, ends - sizes)
        return DeviceRecords(
            words=self._sent(_words(words)),
            offsets=self._sent(ends - sizes),
            lengths=self._sent(lengths),
            shapes=self._sent(index.shapes(rows)),
            file=self._file,
        )

    def _stored(self, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Ranges of the payload, where they are kept on this machine or elsewhere."""
        if self._by_range:
            return [np.frombuffer(data, np.uint8) for data in self._reader.payload_ranges(starts, sizes)]
        if self._host is None:
            raise UsageError("every record is on the device: there is nothing to send there")
        return [self._host[a : a + n] for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]

    def _check(self, words: NDArray[np.uint8], rows: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        lengths = self._reader.index.lengths_bytes[rows]
        for k, start, length in zip(rows.tolist(), starts.tolist(), lengths.tolist(), strict=True):
            self._reader.check_record(k, words[start : start + length].tobytes())

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return sent(torch.from_numpy(np.ascontiguousarray(array)), self.device)
