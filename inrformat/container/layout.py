"""Every number of the on-disk layout: signature, versions, structs, section kinds, column ids (spec sections 3 and 4).

Nothing else in the package knows an offset. All integers are little-endian and unsigned unless said otherwise.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag


def _struct(fields: dict[str, str]) -> struct.Struct:
    """Fields in file order: name to format. Little-endian, without padding but what is listed."""
    return struct.Struct("<" + "".join(fields.values()))


def _offsets(fields: dict[str, str]) -> dict[str, int]:
    """Where each field begins, from the start of the struct."""
    offsets, formats = {}, "<"
    for name, form in fields.items():
        offsets[name] = struct.calcsize(formats)
        formats += form
    return offsets


# --- header, 64 bytes at offset 0 -------------------------------------------------------------------------------------
# Bit 7 catches 7-bit transports, CR LF catches newline translation, 0x1A stops a DOS `type`, the last LF catches
# LF -> CR LF: the reasoning is PNG's.
SIGNATURE = b"\x89INRD\r\n\x1a\n"
VERSION_MAJOR, VERSION_MINOR = 1, 0

_HEADER_FIELDS = {
    "signature": "9s",
    "major": "B",
    "minor": "B",
    "reserved_byte": "x",
    "incompat": "I",
    "compat": "I",
    "section_count": "I",
    "file_bytes": "Q",
    "record_count": "Q",
    "record_alignment": "I",
    "reserved": "16x",
    "crc32c": "I",
}
HEADER = _struct(_HEADER_FIELDS)
HEADER_OFFSETS = _offsets(_HEADER_FIELDS)
HEADER_BYTES = HEADER.size
HEADER_CRC = struct.Struct("<I")
HEADER_CRC_OFFSET = HEADER_OFFSETS["crc32c"]

KNOWN_INCOMPAT = 0
"""Bits of ``incompat`` this reader understands; any other set bit means: refuse."""

# --- section table, right behind the header ---------------------------------------------------------------------------
_SECTION_FIELDS = {
    "kind": "4s",
    "flags": "H",
    "encoding": "H",
    "offset_bytes": "Q",
    "stored_bytes": "Q",
    "decoded_bytes": "Q",
    "crc32c": "I",  # of the stored bytes
    "reserved": "4x",
}
SECTION = _struct(_SECTION_FIELDS)
SECTION_OFFSETS = _offsets(_SECTION_FIELDS)
MAX_SECTIONS = 100
HEAD_BLOCK_BYTES = 4096
"""What a reader reads first: header, section table, and the cold sections a writer found room for behind them."""


class SectionKind:
    """Four-character codes of the sections defined by version 1.0."""

    PAYLOAD = b"PYLD"
    INDEX = b"INDX"
    CODEBOOK = b"CDBK"
    METADATA = b"META"
    FIELD = b"FCOL"


REQUIRED_KINDS = (SectionKind.PAYLOAD, SectionKind.INDEX, SectionKind.CODEBOOK, SectionKind.METADATA)


class SectionFlag(IntFlag):
    """A reader that does not know a critical section must refuse the file."""

    CRITICAL = 1


class Encoding(IntEnum):
    """How a section's bytes are stored."""

    RAW = 0
    ZSTD = 1


PAGE_ALIGNMENT = 4096
SECTION_ALIGNMENT = 8


def section_alignment(kind: bytes) -> int:
    """Alignment of a section's offset: pages for what is read directly, less for the cold rest."""
    return PAGE_ALIGNMENT if kind in (SectionKind.PAYLOAD, SectionKind.INDEX) else SECTION_ALIGNMENT


def padding(offset_bytes: int, alignment: int) -> int:
    """Zero bytes needed after ``offset_bytes`` to reach a multiple of ``alignment``."""
    return -offset_bytes % alignment


RECORD_ALIGNMENTS = (4, 16)
DEFAULT_RECORD_ALIGNMENT = RECORD_ALIGNMENTS[0]

# --- record index -----------------------------------------------------------------------------------------------------
INDEX_HEADER = struct.Struct("<QI4x")
"""records, columns"""
INDEX_COLUMN = struct.Struct("<HBxIQ")
"""column id, entry width in bytes (0: one value for all records), scale, base: value = base + scale * entry"""
INDEX_ARRAY_ALIGNMENT = 8
ENTRY_WIDTHS = (0, 1, 2, 4, 8)


class Column(IntEnum):
    """Columns of the record index. Ids from 0x8000 on are ancillary: a reader skips those it does not know."""

    LENGTH_BYTES = 1
    HEIGHT = 2
    WIDTH = 3
    NETWORK = 4
    CRC32C = 5
    PSNR = 6
    DEPTH = 7


REQUIRED_COLUMNS = (Column.LENGTH_BYTES, Column.HEIGHT, Column.WIDTH, Column.NETWORK, Column.CRC32C)
WRITTEN_COLUMNS = (*REQUIRED_COLUMNS, Column.PSNR)
"""Columns of the index of every file this package writes, in their order."""
ANCILLARY_COLUMN = 0x8000
MAX_SIDE = 1 << 14
"""Of a record's height and width at native size, in pixels."""
PSNR_UNITS_PER_DB = 100
PSNR_MAX_DB = 100.0
"""What a perfect reconstruction is stored as."""
