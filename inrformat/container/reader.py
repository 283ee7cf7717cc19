"""Reads an .inrd file: the head, the cold sections and the index once, then single records by position."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inrformat.container.checksum import crc32c
from inrformat.container.fields import VariableColumn, decode_field
from inrformat.container.header import Header, Section, parse_head
from inrformat.container.index import RecordIndex, parse_index
from inrformat.container.layout import HEAD_BLOCK_BYTES, Encoding, SectionKind
from inrformat.container.limits import DEFAULT_LIMITS, Limits
from inrformat.container.metadata import Metadata
from inrformat.container.packing import decompress, unpack_map
from inrformat.errors import ChecksumError, InrdError, InvalidFileError, LimitError
from inrformat.storage.opening import open_source

__all__ = ["InrdReader"]

_LOCAL_CHUNK_BYTES = 1 << 20  # stays in the processor's cache for checksum and copy
_REMOTE_CHUNK_BYTES = 1 << 26  # few requests


class InrdReader:
    """An open .inrd file.

    Opening reads and checks the header, the section table, the metadata, the codebook and the index. After that
    ``record(k)`` reads the bytes of record k and nothing else, and a field column is read when first asked for.
    Reads are positional: threads and forked processes may share a reader. Pickling reopens the file by its path.
    Of a file that is elsewhere (a URL that fsspec knows) only such ranges are fetched, and kept in a local cache.

    Attributes:
        path: the file, text where it is a URL. header, metadata, index: parsed. codebook: the map of the codebook
            section, not yet interpreted (see ``inrformat.families.codebook``).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limits: Limits = DEFAULT_LIMITS,
        storage_options: Mapping[str, Any] | None = None,
        local_files_only: bool = False,
    ) -> None:
        """Open a file, here or at a URL.

        Args:
            limits: what a file may ask of this machine.
            storage_options: credentials and the like, for the file system that fsspec has for a URL.
            local_files_only: of a URL, only what is in the local cache; so too where ``INRFORMAT_OFFLINE`` is 1.

        Raises:
            FileNotFoundError and other OSError, RemoteError among them; every InvalidFileError;
            UnsupportedVersionError; UsageError: a library for such URLs is missing.
        """
        self.limits = limits
        self._storage = {"storage_options": storage_options, "local_files_only": local_files_only}
        self._source = open_source(path, storage_options=storage_options, local_files_only=local_files_only)
        self.path: Path | str = self._source.path
        try:
            file_bytes = self._source.size_bytes
            head = self.read_at(0, min(HEAD_BLOCK_BYTES, file_bytes))
            self.header: Header = parse_head(head, file_bytes=file_bytes, limits=limits)
            self.metadata = Metadata.from_bytes(self._cold(SectionKind.METADATA))
            self.codebook = unpack_map(self._cold(SectionKind.CODEBOOK), rule="CODEBOOK-FORM", what="codebook")
            self.index: RecordIndex = parse_index(
                self.section_bytes(self.header.section(SectionKind.INDEX)),
                record_count=self.header.record_count,
                record_alignment=self.header.record_alignment,
                payload_bytes=self.header.section(SectionKind.PAYLOAD).stored_bytes,
                limits=limits,
            )
            if len(self.metadata.fields) != len(self.header.fields):
                raise InvalidFileError(
                    "FIELD-COUNT",
                    f"{len(self.header.fields)} field sections, the metadata names {len(self.metadata.fields)}",
                )
        except BaseException as error:
            self._source.close()
            if isinstance(error, InrdError):
                raise self._named(error) from error.__cause__
            raise

    def __len__(self) -> int:
        return self.header.record_count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; reading afterwards raises ValueError."""
        self._source.close()

    @property
    def is_remote(self) -> bool:
        """Whether the file is at a URL."""
        return isinstance(self.path, str)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "limits": self.limits, "storage": self._storage, "crc": self.header.crc32c}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], limits=state["limits"], **state["storage"])  # type: ignore[misc]
        if self.header.crc32c != state["crc"]:
            self.close()
            raise InvalidFileError("FILE-CHANGED", "the file was replaced since this reader was made", path=self.path)

    def record(self, k: int) -> bytes:
        """The stored bytes of record ``k``, checked against its CRC-32C."""
        return self.records([k])[0]

    def records(self, numbers: Iterable[int]) -> list[bytes]:
        """The stored bytes of several records, each checked against its CRC-32C; of a remote file, fetched together."""
        rows = [self._checked(k) for k in numbers]
        records = []
        ranges = self.payload_ranges(self.index.offsets_bytes[rows], self.index.lengths_bytes[rows])
        for k, data in zip(rows, ranges, strict=True):
            self.check_record(k, data)
            records.append(data)
        return records

    def payload_ranges(
        self, offsets_bytes: NDArray[np.int64], sizes_bytes: NDArray[np.integer[Any]]
    ) -> Iterator[bytes]:
        """Ranges of the payload section, unchecked: integers ``(n,)`` each, offsets from the section's start."""
        base = self.header.section(SectionKind.PAYLOAD).offset_bytes
        return self._source.read_ranges((offsets_bytes + base).tolist(), sizes_bytes.tolist())

    def check_record(self, k: int, data: bytes) -> None:
        """Compare bytes that were read as record ``k`` with its CRC-32C.

        Raises:
            ChecksumError: they differ from what was written.
        """
        computed, stored = crc32c(data), int(self.index.crcs[k])
        if computed != stored:
            self._source.check_unchanged()
            raise ChecksumError(
                "RECORD-CRC",
                f"record {k}: CRC-32C is {computed:08x}, stored {stored:08x}",
                path=self.path,
                offset_bytes=self.header.section(SectionKind.PAYLOAD).offset_bytes + int(self.index.offsets_bytes[k]),
            )

    def payload(self) -> NDArray[np.uint8]:
        """The whole payload section, checked against its CRC-32C: uint8 ``(payload bytes,)``."""
        section = self.header.section(SectionKind.PAYLOAD)
        data = np.empty(section.stored_bytes, np.uint8)
        crc = 0
        chunk_bytes = _REMOTE_CHUNK_BYTES if self.is_remote else _LOCAL_CHUNK_BYTES
        for start in range(0, section.stored_bytes, chunk_bytes):
            piece = self.read_at(section.offset_bytes + start, min(chunk_bytes, section.stored_bytes - start))
            data[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
            crc = crc32c(piece, crc)
        self._compare(section, crc)
        return data

    @cached_property
    def field_names(self) -> tuple[str, ...]:
        """Names of the field columns."""
        return tuple(f.name for f in self.metadata.fields)

    def field(self, name: str) -> NDArray[Any] | VariableColumn | None:
        """A field column, one value per record; None where the file has no field of that name."""
        if name not in self.field_names:
            return None
        number = self.field_names.index(name)
        section, spec = self.header.fields[number], self.metadata.fields[number]
        if section.decoded_bytes > self.limits.max_field_bytes:
            raise LimitError("LIMIT-FIELD-BYTES", f"field {name!r}: {section.decoded_bytes} bytes", path=self.path)
        try:
            return decode_field(name, spec.type, self.section_bytes(section), count=len(self))
        except InvalidFileError as error:
            raise error.in_file(self.path) from error.__cause__

    def text_field(self, name: str) -> Sequence[str] | None:
        """A utf-8 field column; None where the file has no such field of that type."""
        column = self.field(name)
        return column if isinstance(column, VariableColumn) and column.type == "utf8" else None

    def section_bytes(self, section: Section) -> bytes:
        """Read, check and decode one section."""
        data = self.read_at(section.offset_bytes, section.stored_bytes)
        self._compare(section, crc32c(data))
        if section.encoding == Encoding.RAW:
            return data
        return decompress(data, decoded_bytes=section.decoded_bytes, what=f"section {section.kind.decode('latin-1')}")

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly ``size_bytes`` bytes of the file from ``offset_bytes``."""
        return self._source.read_at(offset_bytes, size_bytes)

    def _cold(self, kind: bytes) -> bytes:
        section = self.header.section(kind)
        if max(section.stored_bytes, section.decoded_bytes) > self.limits.max_cold_bytes:
            raise LimitError("LIMIT-COLD-BYTES", f"section {kind.decode()} of {section.decoded_bytes} bytes")
        return self.section_bytes(section)

    def _compare(self, section: Section, crc: int) -> None:
        if crc != section.crc32c:
            self._source.check_unchanged()
            raise ChecksumError(
                "SECTION-CRC",
                f"section {section.kind.decode('latin-1')}: CRC-32C is {crc:08x}, stored {section.crc32c:08x}",
                path=self.path,
                offset_bytes=section.offset_bytes,
            )

    def _checked(self, k: int) -> int:
        if not -len(self) <= k < len(self):
            raise IndexError(f"record {k} of {len(self)} in {self.path}")
        return int(k) % len(self)

    def _named(self, error: InrdError) -> InrdError:
        if isinstance(error, InvalidFileError):
            return error.in_file(self.path)
        if str(self.path) in str(error):  # of a remote file, which names its URL
            return error
        return type(error)(f"{self.path}: {error}")
