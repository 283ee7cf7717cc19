"""The header and the section table: parse and serialise (spec section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from inrformat.container.checksum import crc32c
from inrformat.container.layout import (
    HEAD_BLOCK_BYTES,
    HEADER,
    HEADER_BYTES,
    HEADER_CRC,
    HEADER_CRC_OFFSET,
    HEADER_OFFSETS,
    KNOWN_INCOMPAT,
    MAX_SECTIONS,
    RECORD_ALIGNMENTS,
    REQUIRED_KINDS,
    SECTION,
    SECTION_OFFSETS,
    SIGNATURE,
    VERSION_MAJOR,
    VERSION_MINOR,
    Encoding,
    SectionFlag,
    SectionKind,
    padding,
    section_alignment,
)
from inrformat.container.limits import Limits
from inrformat.errors import (
    ChecksumError,
    InvalidFileError,
    LimitError,
    NotInrdError,
    TruncatedFileError,
    UnsupportedVersionError,
)

__all__ = ["Header", "Section", "parse_head", "serialize_head"]

KNOWN_KINDS = (*REQUIRED_KINDS, SectionKind.FIELD)


@dataclass(frozen=True, slots=True)
class Section:
    """One row of the section table.

    Attributes:
        kind: four-character code. flags: ``SectionFlag``. encoding: of the stored bytes.
        offset_bytes, stored_bytes: where it lies. decoded_bytes: its size once decoded.
        crc32c: of the stored bytes.
    """

    kind: bytes
    flags: SectionFlag
    encoding: Encoding
    offset_bytes: int
    stored_bytes: int
    decoded_bytes: int
    crc32c: int

    @property
    def end_bytes(self) -> int:
        return self.offset_bytes + self.stored_bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header: sections lie in order, inside the file, without overlaps or gaps beyond their alignment."""

    version: tuple[int, int]
    incompat: int
    compat: int
    file_bytes: int
    record_count: int
    record_alignment: int
    sections: tuple[Section, ...]
    crc32c: int

    def section(self, kind: bytes) -> Section:
        """The one section of a required kind."""
        return next(s for s in self.sections if s.kind == kind)

    @property
    def sections_start_bytes(self) -> int:
        """Size of the header and the section table."""
        return _row_offset_bytes(len(self.sections))

    @property
    def fields(self) -> tuple[Section, ...]:
        """The field columns, in table order: the order of the metadata's ``fields``."""
        return tuple(s for s in self.sections if s.kind == SectionKind.FIELD)


def serialize_head(sections: tuple[Section, ...], *, record_count: int, record_alignment: int) -> bytes:
    """Header and section table of a file whose last section ends the file."""
    rows = b"".join(
        SECTION.pack(s.kind, s.flags, s.encoding, s.offset_bytes, s.stored_bytes, s.decoded_bytes, s.crc32c)
        for s in sections
    )
    header = HEADER.pack(
        SIGNATURE,
        VERSION_MAJOR,
        VERSION_MINOR,
        0,
        0,
        len(sections),
        sections[-1].end_bytes,
        record_count,
        record_alignment,
        0,
    )
    fixed = header[:HEADER_CRC_OFFSET]
    return fixed + HEADER_CRC.pack(crc32c(fixed + rows)) + rows


def parse_head(head: bytes, *, file_bytes: int, limits: Limits) -> Header:
    """Check and parse the first 4096 bytes (fewer only where the file is shorter).

    Raises:
        NotInrdError, TruncatedFileError, UnsupportedVersionError, ChecksumError, InvalidFileError, LimitError.
    """
    if head[: len(SIGNATURE)] != SIGNATURE[: len(head)] or not head:
        raise NotInrdError(
            "SIGNATURE", "not an .inrd file (its first bytes are not the .inrd signature)", offset_bytes=0
        )
    if len(head) < HEAD_BLOCK_BYTES:
        raise TruncatedFileError(
            "FILE-SIZE", f"truncated: {file_bytes} bytes, the header alone takes {HEAD_BLOCK_BYTES}"
        )
    (_, major, minor, incompat, compat, count, declared_bytes, records, alignment, stored_crc) = HEADER.unpack_from(
        head
    )
    if major != VERSION_MAJOR:
        raise UnsupportedVersionError(
            f"format version {major}.{minor} is not supported: this reader knows {VERSION_MAJOR}.x; upgrade inrformat"
        )
    if count > MAX_SECTIONS:
        raise InvalidFileError(
            "SECTION-COUNT", f"{count} sections, at most {MAX_SECTIONS}", offset_bytes=HEADER_OFFSETS["section_count"]
        )
    table = head[HEADER_BYTES : _row_offset_bytes(count)]
    computed = crc32c(head[:HEADER_CRC_OFFSET] + table)
    if computed != stored_crc:
        raise ChecksumError(
            "HEADER-CRC", f"header CRC-32C is {computed:08x}, stored {stored_crc:08x}", offset_bytes=HEADER_CRC_OFFSET
        )
    if unknown := incompat & ~KNOWN_INCOMPAT:
        raise UnsupportedVersionError(f"the file needs features this reader does not know (incompat bits {unknown:#x})")
    if declared_bytes != file_bytes:
        kind = TruncatedFileError if file_bytes < declared_bytes else InvalidFileError
        raise kind(
            "FILE-SIZE",
            f"file has {file_bytes} bytes, its header declares {declared_bytes}",
            offset_bytes=HEADER_OFFSETS["file_bytes"],
        )
    if records > limits.max_records:
        raise LimitError(
            "LIMIT-RECORDS",
            f"{records} records, limit {limits.max_records}",
            offset_bytes=HEADER_OFFSETS["record_count"],
        )
    if alignment not in RECORD_ALIGNMENTS:
        raise InvalidFileError(
            "RECORD-ALIGNMENT",
            f"record alignment {alignment}, expected 4 or 16",
            offset_bytes=HEADER_OFFSETS["record_alignment"],
        )
    reserved = HEADER_OFFSETS["reserved"]
    if any(head[reserved:HEADER_CRC_OFFSET]) or head[HEADER_OFFSETS["reserved_byte"]]:
        raise InvalidFileError("RESERVED-ZERO", "reserved bytes of the header are not zero", offset_bytes=reserved)
    sections = tuple(_parse_section(table, i) for i in range(count))
    for end, start in _check_placement(sections, file_bytes):
        if any(head[end:start]):
            raise InvalidFileError("RESERVED-ZERO", "padding in the header block is not zero", offset_bytes=end)
    return Header((major, minor), incompat, compat, file_bytes, records, alignment, sections, stored_crc)


def _parse_section(table: bytes, number: int) -> Section:
    row = table[number * SECTION.size : (number + 1) * SECTION.size]
    at = {field: _row_offset_bytes(number) + offset for field, offset in SECTION_OFFSETS.items()}
    kind, flags, encoding, offset, stored, decoded, crc = SECTION.unpack(row)
    if flags & ~SectionFlag.CRITICAL or any(row[SECTION_OFFSETS["reserved"] :]):
        raise InvalidFileError("RESERVED-ZERO", f"section {number}: unknown flags {flags:#x}", offset_bytes=at["flags"])
    if encoding not in tuple(Encoding):
        raise InvalidFileError(
            "SECTION-ENCODING", f"section {number}: unknown encoding {encoding}", offset_bytes=at["encoding"]
        )
    if kind in (SectionKind.PAYLOAD, SectionKind.INDEX) and encoding != Encoding.RAW:
        raise InvalidFileError(
            "SECTION-ENCODING", f"section {number} ({kind!r}) is not raw", offset_bytes=at["encoding"]
        )
    if encoding == Encoding.RAW and stored != decoded:
        raise InvalidFileError(
            "SECTION-SIZE", f"section {number}: {stored} bytes stored, {decoded} decoded", offset_bytes=at["kind"]
        )
    if kind not in KNOWN_KINDS and flags & SectionFlag.CRITICAL:
        raise UnsupportedVersionError(
            f"the file needs section {kind!r}, which this reader does not know; upgrade inrformat"
        )
    return Section(kind, SectionFlag(flags), Encoding(encoding), offset, stored, decoded, crc)


def _row_offset_bytes(number: int) -> int:
    """Where a row of the section table begins; one past the last: where the table ends."""
    return HEADER_BYTES + number * SECTION.size


def _check_placement(sections: tuple[Section, ...], file_bytes: int) -> list[tuple[int, int]]:
    """Check where sections lie; where the padding between them does."""
    for kind in REQUIRED_KINDS:
        found = sum(s.kind == kind for s in sections)
        if found != 1:
            raise InvalidFileError("SECTION-REQUIRED", f"{found} sections of kind {kind.decode()}, expected exactly 1")
    end = _row_offset_bytes(len(sections))
    gaps = []
    for number, section in enumerate(sections):
        expected = end + padding(end, section_alignment(section.kind))
        if section.offset_bytes != expected:
            raise InvalidFileError(
                "SECTION-PLACE",
                f"section {number} ({section.kind!r}) starts at {section.offset_bytes}, expected {expected}",
                offset_bytes=_row_offset_bytes(number) + SECTION_OFFSETS["offset_bytes"],
            )
        gaps.append((end, expected))
        end = section.end_bytes
    if end != file_bytes:
        raise InvalidFileError("SECTION-PLACE", f"the last section ends at {end}, the file at {file_bytes}")
    return gaps
