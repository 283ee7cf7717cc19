"""Writes an .inrd file in one pass: payload first, then codebook, metadata, fields and index, the header last.

Everything goes to a temporary file beside the target, which takes the target's name only when it is complete and on
disk; any error before that removes it. The same records, fields and metadata give the same bytes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
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
    HEAD_BLOCK_BYTES,
    Column,
    Encoding,
    SectionFlag,
    SectionKind,
    padding,
    section_alignment,
)
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.packing import compress, pack_map
from inrformat.errors import OutputExistsError, UsageError

__all__ = ["InrdWriter"]

_BUFFER_BYTES = 1 << 22


class InrdWriter:
    """Streams records into a new file.

        with InrdWriter("train.inrd") as writer:
            writer.add(record, height=32, width=32, network=0, psnr_db=31.2)
            writer.add_field("label", FieldType.INT64, labels)
            writer.finish(codebook={...}, metadata=Metadata(classes=("cat", "dog")))

    Leaving the ``with`` block without ``finish`` removes what was written.
    """

    def __init__(self, path: str | os.PathLike[str], *, record_alignment: int = 4) -> None:
        """Raises: OutputExistsError: ``path`` exists. OSError: its folder does not, or cannot be written to."""
        self.path = Path(path)
        if self.path.exists():
            raise OutputExistsError(f"{self.path} exists: remove it first or choose another name")
        self._record_alignment = record_alignment
        self._partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        self._file = self._partial.open("xb", buffering=0)
        self._file.write(bytes(HEAD_BLOCK_BYTES))
        self._end = HEAD_BLOCK_BYTES
        self._buffer = bytearray()
        self._payload_crc = 0
        self._rows: list[tuple[int, ...]] = []
        self._fields: list[tuple[FieldSpec, bytes]] = []
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._finished:
            self._partial.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: bytes, *, height: int, width: int, network: int, psnr_db: float) -> None:
        """Append one record; ``height`` and ``width`` are its native size in pixels, ``psnr_db`` of its decoding."""
        if not record or height < 1 or width < 1:
            raise UsageError(f"record {len(self)}: {len(record)} bytes for {height}x{width} pixels")
        self._rows.append((len(record), height, width, network, crc32c(record), psnr_to_units(psnr_db)))
        self._buffer += record
        self._buffer += bytes(padding(len(record), self._record_alignment))
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def add_field(self, name: str, kind: FieldType, values: Sequence[Any] | NDArray[Any]) -> None:
        """Add a field column with one value a record, those still to come included."""
        self._fields.append((FieldSpec(name, kind), encode_field(kind, values)))
        if len({spec.name for spec, _ in self._fields}) != len(self._fields):
            raise UsageError(f"field {name!r} was added twice")

    def finish(self, *, codebook: Mapping[str, Any], metadata: Metadata) -> None:
        """Write the rest, make it durable and give the file its name. ``metadata.fields`` is filled in here.

        Raises:
            OutputExistsError: the path came into being meanwhile; it was left alone.
        """
        self._flush()
        sections = [self._section(SectionKind.PAYLOAD, self._end - HEAD_BLOCK_BYTES, self._payload_crc)]
        metadata = Metadata(
            classes=metadata.classes,
            fields=tuple(spec for spec, _ in self._fields),
            channel_mean=metadata.channel_mean,
            channel_std=metadata.channel_std,
            generator=metadata.generator,
            options=metadata.options,
        )
        columns = (
            Column.LENGTH_BYTES, Column.HEIGHT, Column.WIDTH, Column.NETWORK, Column.CRC32C, Column.PSNR,
        )  # fmt: skip
        table = np.array(self._rows, np.int64).reshape(-1, len(columns))
        index = serialize_index(dict(zip(columns, table.T, strict=True)), record_count=len(self))
        sections.append(self._append(SectionKind.INDEX, index, Encoding.RAW))
        sections.append(self._append(SectionKind.CODEBOOK, pack_map(codebook), Encoding.ZSTD))
        sections.append(self._append(SectionKind.METADATA, metadata.to_bytes(), Encoding.ZSTD))
        sections += [self._append(SectionKind.FIELD, data, Encoding.ZSTD) for _, data in self._fields]
        head = serialize_head(tuple(sections), record_count=len(self), record_alignment=self._record_alignment)
        self._file.seek(0)
        self._file.write(head)
        os.fsync(self._file.fileno())
        self._file.close()
        self._publish()

    def _publish(self) -> None:
        try:
            # A hard link fails where the name exists, which a rename would silently replace.
            os.link(self._partial, self.path)
        except FileExistsError as error:
            raise OutputExistsError(f"{self.path} came into being during the conversion: it was left alone") from error
        except OSError:  # a file system without hard links
            self._partial.rename(self.path)
        self._finished = True
        self._partial.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _flush(self) -> None:
        self._payload_crc = crc32c(self._buffer, self._payload_crc)
        self._write(self._buffer)
        self._buffer = bytearray()

    def _append(self, kind: bytes, data: bytes, encoding: Encoding) -> Section:
        self._write(bytes(padding(self._end, section_alignment(kind))))
        stored = data if encoding == Encoding.RAW else compress(data)
        section = self._section(kind, len(stored), crc32c(stored), encoding=encoding, decoded_bytes=len(data))
        self._write(stored)
        return section

    def _section(
        self, kind: bytes, stored_bytes: int, crc: int, *, encoding: Encoding = Encoding.RAW, decoded_bytes: int = -1
    ) -> Section:
        critical = SectionFlag(0) if kind == SectionKind.FIELD else SectionFlag.CRITICAL
        start = HEAD_BLOCK_BYTES if kind == SectionKind.PAYLOAD else self._end
        size = stored_bytes if decoded_bytes < 0 else decoded_bytes
        return Section(kind, critical, encoding, start, stored_bytes, size, crc)

    def _write(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:  # an unbuffered write may be partial
            written = self._file.write(view)
            view = view[written:]
            self._end += written
