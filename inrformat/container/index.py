"""The columnar record index (spec section 5.2).

A column is ``base + scale * entry`` with entries of 0, 1, 2, 4 or 8 bytes; width 0 is a column whose value is the same
for all records. Offsets are not stored: they are the running sum of the lengths, each rounded up to the file's
record alignment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.container.layout import (
    ANCILLARY_COLUMN,
    ENTRY_WIDTHS,
    INDEX_ARRAY_ALIGNMENT,
    INDEX_COLUMN,
    INDEX_HEADER,
    MAX_SIDE,
    PSNR_MAX_DB,
    PSNR_UNITS_PER_DB,
    REQUIRED_COLUMNS,
    Column,
    padding,
)
from inrformat.container.limits import Limits
from inrformat.errors import InvalidFileError, LimitError, UnsupportedVersionError

__all__ = ["RecordIndex", "parse_index", "psnr_to_units", "serialize_index"]

_MAX_COLUMNS = 256
_MAX_SCALE = (1 << 32) - 1
_SMALL = 1 << 28  # numbers below it stay in 32 bits when bytes are counted as bits


@dataclass(frozen=True, eq=False)  # without slots, for the sake of a cached property
class RecordIndex:
    """One row per record; every array is ``(records,)``, and no wider than its values need: files have many records.

    Attributes:
        offsets_bytes: int64, from the start of the payload section.
        lengths_bytes: int32, or int64 from 2**28 bytes on; stored size without the padding behind it.
        heights, widths: int32, native size in pixels; the product of two fits as well.
        networks: int32, or int64 as lengths; number of the network descriptor in the codebook.
        crcs: uint32, CRC-32C of the stored bytes.
        psnr_hundredths_db: int32, of the reference decoding against the source at native size; None where not stored.
    """

    offsets_bytes: NDArray[np.int64]
    lengths_bytes: NDArray[np.int32] | NDArray[np.int64]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    networks: NDArray[np.int32] | NDArray[np.int64]
    crcs: NDArray[np.uint32]
    psnr_hundredths_db: NDArray[np.int32] | NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.lengths_bytes)

    @cached_property
    def psnr_db(self) -> NDArray[np.float64] | None:
        """PSNR in dB: float64 ``(records,)``; made when first asked for, which training never does."""
        return None if self.psnr_hundredths_db is None else self.psnr_hundredths_db / PSNR_UNITS_PER_DB

    def shapes(self, rows: Any) -> NDArray[np.int64]:
        """Network number, native height and native width of records, by numbers or a slice: int64 ``(n, 3)``."""
        return np.stack([self.networks[rows], self.heights[rows], self.widths[rows]], axis=1, dtype=np.int64)


def psnr_to_units(psnr_db: float) -> int:
    """PSNR in the index's units of 0.01 dB; what exceeds 100 dB (a perfect image) is stored as 100."""
    return round(min(max(psnr_db, 0.0), PSNR_MAX_DB) * PSNR_UNITS_PER_DB)


def serialize_index(columns: Mapping[int, NDArray[np.int64]], *, record_count: int) -> bytes:
    """The index section for nonnegative columns ``{id: (records,)}``, each in the narrowest form that holds it."""
    heads, arrays = [], []
    for number in sorted(columns):
        values = columns[number]
        base = int(values.min(initial=np.iinfo(np.int64).max)) if record_count else 0
        entries = values - base
        scale = max(int(np.gcd.reduce(entries)), 1) if record_count else 1
        scale = scale if scale <= _MAX_SCALE else 1
        entries //= scale
        largest = int(entries.max(initial=0))
        width = next(w for w in ENTRY_WIDTHS if largest < 1 << 8 * w)
        heads.append(INDEX_COLUMN.pack(number, width, scale, base))
        if width:
            data = entries.astype(f"<u{width}").tobytes()
            arrays.append(data + bytes(padding(len(data), INDEX_ARRAY_ALIGNMENT)))
    return INDEX_HEADER.pack(record_count, len(heads)) + b"".join(heads) + b"".join(arrays)


def parse_index(
    data: bytes, *, record_count: int, record_alignment: int, payload_bytes: int, limits: Limits
) -> RecordIndex:
    """Check the index section against the header and the payload it describes."""
    columns = _parse_columns(data, record_count)
    for required in REQUIRED_COLUMNS:
        if required not in columns:
            raise InvalidFileError("INDEX-COLUMNS", f"index: column {required.name} is missing")
    lengths, heights, widths = (columns[c] for c in (Column.LENGTH_BYTES, Column.HEIGHT, Column.WIDTH))
    if record_count:
        if lengths.min() < 1 or heights.min() < 1 or widths.min() < 1:
            raise InvalidFileError("INDEX-VALUES", "index: a length, height or width is zero")
        longest = max(heights.max(), widths.max())
        if longest > MAX_SIDE:
            raise InvalidFileError("INDEX-VALUES", f"index: a side of {longest} pixels, {MAX_SIDE} are allowed")
        if lengths.max() > limits.max_record_bytes:
            raise LimitError("LIMIT-RECORD-BYTES", f"record of {lengths.max()} bytes, limit {limits.max_record_bytes}")
        # In float64 the product cannot wrap around.
        pixels = (heights.astype(np.float64) * widths).max()
        if pixels > limits.max_pixels:
            raise LimitError("LIMIT-PIXELS", f"record of {pixels:.0f} pixels, limit {limits.max_pixels}")
        if columns[Column.NETWORK].max() >= limits.max_networks or columns[Column.CRC32C].max() >> 32:
            raise InvalidFileError("INDEX-VALUES", "index: a network number or CRC is out of range")
    strides = (lengths + record_alignment - 1) // record_alignment * record_alignment
    offsets = np.cumsum(strides, dtype=np.int64)
    total = int(offsets[-1]) if record_count else 0
    if total != payload_bytes:
        raise InvalidFileError("PAYLOAD-SIZE", f"records take {total} bytes, the payload section has {payload_bytes}")
    offsets -= strides
    return RecordIndex(
        offsets_bytes=offsets,
        lengths_bytes=lengths,
        heights=heights,
        widths=widths,
        networks=columns[Column.NETWORK],
        crcs=columns[Column.CRC32C].astype(np.uint32),
        psnr_hundredths_db=columns.get(Column.PSNR),
    )


def _parse_columns(data: bytes, record_count: int) -> dict[int, NDArray[Any]]:
    if len(data) < INDEX_HEADER.size:
        raise InvalidFileError("INDEX-SIZE", f"index: {len(data)} bytes, its header takes {INDEX_HEADER.size}")
    declared_records, column_count = INDEX_HEADER.unpack_from(data)
    if declared_records != record_count:
        raise InvalidFileError(
            "INDEX-COUNT", f"index of {declared_records} records, the header declares {record_count}"
        )
    at = INDEX_HEADER.size + column_count * INDEX_COLUMN.size
    if column_count > _MAX_COLUMNS or at > len(data):
        raise InvalidFileError("INDEX-SIZE", f"index: {column_count} columns do not fit its {len(data)} bytes")
    columns: dict[int, NDArray[Any]] = {}
    previous = 0
    for i in range(column_count):
        number, width, scale, base = INDEX_COLUMN.unpack_from(data, INDEX_HEADER.size + i * INDEX_COLUMN.size)
        if number <= previous or width not in ENTRY_WIDTHS or scale < 1:
            raise InvalidFileError("INDEX-COLUMNS", f"index: column {number} is out of order or of unknown form")
        previous = number
        size = width * record_count
        if at + size > len(data):
            raise InvalidFileError("INDEX-SIZE", f"index: column {number} ends beyond the section")
        raw = np.frombuffer(data, f"<u{width}", record_count, at) if width else np.zeros(1, np.uint8)
        at += size + padding(size, INDEX_ARRAY_ALIGNMENT)
        largest = base + scale * int(raw.max(initial=0))
        if largest > np.iinfo(np.int64).max:
            raise InvalidFileError("INDEX-VALUES", f"index: column {number} has values beyond 63 bits")
        if number in tuple(Column):
            values: NDArray[Any] = raw.astype(np.int32 if largest < _SMALL else np.int64)
            values *= scale if largest > base else 1  # a scale of nothing but zeros need not fit
            values += base
            columns[number] = values if width else np.broadcast_to(values, (record_count,))
        elif number < ANCILLARY_COLUMN:
            raise UnsupportedVersionError(
                f"the index has column {number}, which this reader does not know; upgrade inrformat"
            )
    if at != len(data):
        raise InvalidFileError("INDEX-SIZE", f"index: {len(data)} bytes, its columns take {at}")
    return columns
