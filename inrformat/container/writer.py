"""Writes an .inrd file in one pass: payload first, then what is behind it, the header block last.

Metadata, codebook and fields go where they cost nothing: into the header block, which a reader reads anyway, or into
the gap before the index; those that fit neither, behind it.

Everything goes to a temporary file beside the target, which takes the target's name only when it is complete and on
disk; any error before that removes it. The same records, fields and metadata give the same bytes.
"""

from __future__ import annotations

import os
import secrets
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inrformat.container.checksum import crc32c
from inrformat.container.fields import FieldType, encode_field
from inrformat.container.header import Section, serialize_head
from inrformat.container.index import psnr_to_units, serialize_index
from inrformat.container.layout import (
    DEFAULT_RECORD_ALIGNMENT,
    HEAD_BLOCK_BYTES,
    MAX_SIDE,
    PAGE_ALIGNMENT,
    WRITTEN_COLUMNS,
    Encoding,
    SectionFlag,
    SectionKind,
    padding,
    section_alignment,
)
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.packing import compress, pack_map
from inrformat.container.sizes import Zone, head_room_bytes, zones_of
from inrformat.errors import OutputExistsError, UsageError

__all__ = ["Checkpoint", "InrdWriter"]

_BUFFER_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a file is written, so that another writer can go on.

    Attributes:
        end_bytes: of what is on disk. payload_crc32c: of the payload up to there.
        rows: int64 of the index, those of records written since the checkpoint before.
    """

    end_bytes: int
    payload_crc32c: int
    rows: bytes


class InrdWriter:
    """Streams records into a new file.

        with InrdWriter("train.inrd") as writer:
            writer.add(record, height=32, width=32, network=0, psnr_db=31.2)
            writer.add_field("label", FieldType.INT64, labels)
            writer.finish(codebook={...}, metadata=Metadata(classes=("cat", "dog")))

    Leaving the ``with`` block without ``finish`` removes what was written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        record_alignment: int = DEFAULT_RECORD_ALIGNMENT,
        partial: Path | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """A writer for the new file ``path``; nothing is on disk before ``with`` is entered.

        Args:
            record_alignment: records start on multiples of so many bytes.
            partial: where to write until the file is complete, in the same folder; whoever names it removes it.
            checkpoint: go on from there in ``partial``, with the rows of all records up to it.

        Raises:
            OutputExistsError: ``path`` exists.
        """
        self.path = Path(path)
        if self.path.exists():
            raise OutputExistsError(f"{self.path} exists: remove it first or choose another name")
        self._record_alignment = record_alignment
        self._owns_partial = partial is None
        self._partial = partial or self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        self._resumed = checkpoint is not None
        self._file: FileIO
        self._end = HEAD_BLOCK_BYTES if checkpoint is None else checkpoint.end_bytes
        self._buffer = bytearray()
        self._payload_crc = 0 if checkpoint is None else checkpoint.payload_crc32c
        self._rows = array("q", b"" if checkpoint is None else checkpoint.rows)
        self._checked_rows = len(self._rows)
        self._fields: list[tuple[FieldSpec, bytes]] = []
        self._finished = False

    def __enter__(self) -> Self:
        """Raises: OSError: the folder does not exist, or cannot be written to."""
        try:
            if self._resumed:
                self._file = self._partial.open("r+b", buffering=0)
                self._file.truncate(self._end)
                self._file.seek(self._end)
            else:
                self._file = self._partial.open("xb", buffering=0)
                self._file.write(bytes(HEAD_BLOCK_BYTES))
        except BaseException:  # an interrupt here would not reach __exit__
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._finished:
            self._discard()

    def __len__(self) -> int:
        return len(self._rows) // len(WRITTEN_COLUMNS)

    def checkpoint(self) -> Checkpoint:
        """Make all records durable; another writer can go on from here after whatever happens."""
        self._flush()
        os.fsync(self._file.fileno())
        rows, self._checked_rows = self._rows[self._checked_rows :].tobytes(), len(self._rows)
        return Checkpoint(self._end, self._payload_crc, rows)

    def add(self, record: bytes, *, height: int, width: int, network: int, psnr_db: float) -> None:
        """Append one record; ``height`` and ``width`` are its native size in pixels, ``psnr_db`` of its decoding."""
        if not record or not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
            raise UsageError(
                f"record {len(self)}: {len(record)} bytes for {height}x{width} pixels; a side has 1 to {MAX_SIDE}"
            )
        self._rows.extend((len(record), height, width, network, crc32c(record), psnr_to_units(psnr_db)))
        self._buffer += record
        self._buffer += bytes(padding(len(record), self._record_alignment))
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def add_field(self, name: str, kind: FieldType, values: Sequence[Any] | NDArray[Any]) -> None:
        """Add a field column with one value per record, those still to come included."""
        self._fields.append((FieldSpec(name, kind), encode_field(kind, values)))
        if len({spec.name for spec, _ in self._fields}) != len(self._fields):
            raise UsageError(f"field {name!r} was added twice")

    def finish(self, *, codebook: Mapping[str, Any], metadata: Metadata) -> None:
        """Write the rest, make it durable and give the file its name. ``metadata.fields`` is filled in here.

        Raises:
            OutputExistsError: the path came into being meanwhile; it was left alone.
        """
        self._flush()
        cold, fields = self._cold(codebook, metadata), self._stored_fields()
        head_room = head_room_bytes(len(cold) + len(fields))
        zones = zones_of(
            [len(s.data) for s in cold],
            [len(s.data) for s in fields],
            head_bytes=head_room,
            gap_bytes=padding(self._end, PAGE_ALIGNMENT),
        )
        placed = {zone: [s for s, z in zip([*cold, *fields], zones, strict=True) if z is zone] for zone in Zone}
        head_sections, head = _lay(placed[Zone.HEAD_BLOCK], HEAD_BLOCK_BYTES - head_room)
        size = self._end - HEAD_BLOCK_BYTES
        payload = Section(
            SectionKind.PAYLOAD, SectionFlag.CRITICAL, Encoding.RAW, HEAD_BLOCK_BYTES, size, size, self._payload_crc
        )
        other_sections, rest = _lay([*placed[Zone.GAP], self._index(), *placed[Zone.BEHIND]], self._end)
        self._write(rest)
        sections = (*head_sections, payload, *other_sections)
        table = serialize_head(sections, record_count=len(self), record_alignment=self._record_alignment)
        self._file.seek(0)
        self._file.write((table + head).ljust(HEAD_BLOCK_BYTES, b"\0"))
        os.fsync(self._file.fileno())
        self._file.close()
        self._publish()

    def _cold(self, codebook: Mapping[str, Any], metadata: Metadata) -> list[_Stored]:
        metadata = replace(metadata, fields=tuple(spec for spec, _ in self._fields))
        return [
            _Stored.packed(SectionKind.METADATA, metadata.to_bytes()),
            _Stored.packed(SectionKind.CODEBOOK, pack_map(codebook)),
        ]

    def _stored_fields(self) -> list[_Stored]:
        return [_Stored.packed(SectionKind.FIELD, data) for _, data in self._fields]

    def _index(self) -> _Stored:
        rows = np.frombuffer(self._rows, np.int64).reshape(-1, len(WRITTEN_COLUMNS))
        data = serialize_index(dict(zip(WRITTEN_COLUMNS, rows.T, strict=True)), record_count=len(self))
        return _Stored(SectionKind.INDEX, Encoding.RAW, len(data), data)

    def _publish(self) -> None:
        try:
            _give_name(self._partial, self.path)
        except FileExistsError as error:
            raise OutputExistsError(f"{self.path} came into being during the conversion: it was left alone") from error
        self._finished = True
        self._partial.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _discard(self) -> None:
        if self._owns_partial:
            self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._payload_crc = crc32c(self._buffer, self._payload_crc)
        self._write(self._buffer)
        self._buffer = bytearray()

    def _write(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:  # an unbuffered write may be partial
            written = self._file.write(view)
            view = view[written:]
            self._end += written


def _give_name(partial: Path, path: Path) -> None:
    """Give a file its name unless that is taken, which a rename alone would silently replace.

    Raises:
        FileExistsError: it is taken.
    """
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: claim the name first
        path.open("xb").close()
        partial.replace(path)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A section's bytes before they have a place."""

    kind: bytes
    encoding: Encoding
    decoded_bytes: int
    data: bytes

    @classmethod
    def packed(cls, kind: bytes, data: bytes) -> _Stored:
        return cls(kind, Encoding.ZSTD, len(data), compress(data))


def _lay(stored: Sequence[_Stored], start: int) -> tuple[list[Section], bytes]:
    """Sections one after the other from the offset ``start``, and their bytes with the padding before each."""
    sections, data = [], bytearray()
    for s in stored:
        data += bytes(padding(start + len(data), section_alignment(s.kind)))
        flags = SectionFlag(0) if s.kind == SectionKind.FIELD else SectionFlag.CRITICAL
        at = start + len(data)
        sections.append(Section(s.kind, flags, s.encoding, at, len(s.data), s.decoded_bytes, crc32c(s.data)))
        data += s.data
    return sections, bytes(data)
