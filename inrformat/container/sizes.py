"""Arithmetic on the sizes and places of what a file holds: what goes where, and what a wanted file size leaves.

The writer places sections by it; encoders and conversions ask it what a record, a codebook or an index takes before
there is a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from inrformat.container.layout import (
    DEFAULT_RECORD_ALIGNMENT,
    HEAD_BLOCK_BYTES,
    HEADER_BYTES,
    INDEX_ARRAY_ALIGNMENT,
    INDEX_COLUMN,
    INDEX_HEADER,
    PAGE_ALIGNMENT,
    SECTION,
    SECTION_ALIGNMENT,
    WRITTEN_COLUMNS,
    padding,
)

__all__ = [
    "Zone",
    "head_room_bytes",
    "index_bytes_at_most",
    "payload_and_codebook_bytes",
    "payload_budget_bytes",
    "stored_record_bytes",
    "zones_of",
]

_OTHER_SECTIONS = 2
"""Sections that are not cold: payload and index."""
_TYPICAL_COLD_SECTIONS = 3
"""Of a file of few images: metadata, codebook and one field, the names."""
_TYPICAL_METADATA_BYTES = 255
"""Stored metadata of such a file."""
_CRC_BYTES, _PSNR_BYTES = 4, 2
"""Entries of the index's columns of checksums and of PSNR in 0.01 dB."""


class Zone(IntEnum):
    """Where a cold section lies: metadata, codebook or a field."""

    HEAD_BLOCK = 0
    GAP = 1  # between the end of the payload and the page on which the index starts
    BEHIND = 2  # behind the index


def stored_record_bytes(record_bytes: int, *, alignment: int = DEFAULT_RECORD_ALIGNMENT) -> int:
    """Bytes that a record takes of the payload: its own and the padding to the next record."""
    return record_bytes + padding(record_bytes, alignment)


def head_room_bytes(cold_sections: int) -> int:
    """Bytes of the header block that the header and the section table leave to so many cold sections."""
    return HEAD_BLOCK_BYTES - HEADER_BYTES - (_OTHER_SECTIONS + cold_sections) * SECTION.size


def zones_of(cold_bytes: Sequence[int], field_bytes: Sequence[int], *, head_bytes: int, gap_bytes: int) -> list[Zone]:
    """Zone of each section: of metadata and codebook, then of the fields.

    Each goes into the first zone that has room for it. Fields keep their order, which the metadata's list of them
    follows: none goes into a zone before that of its predecessor.

    Args:
        cold_bytes: stored sizes of metadata and codebook. field_bytes: of the fields, in their order.
        head_bytes: room in the header block. gap_bytes: room up to the index.
    """
    room = {Zone.HEAD_BLOCK: head_bytes, Zone.GAP: gap_bytes}
    zones: list[Zone] = []
    for number, size in enumerate([*cold_bytes, *field_bytes]):
        first = zones[-1] if number > len(cold_bytes) else Zone.HEAD_BLOCK
        zone = next((z for z, left in room.items() if z >= first and _padded(size) <= left), Zone.BEHIND)
        if zone in room:
            room[zone] -= _padded(size)
        zones.append(zone)
    return zones


def payload_budget_bytes(
    file_bytes: int, *, index_bytes: int, cold_bytes: Sequence[int], field_bytes: Sequence[int]
) -> int:
    """Largest payload for which a file surely is no larger than ``file_bytes``; below 0 where there is none.

    Args:
        index_bytes: size of the index, at most. cold_bytes: stored sizes of metadata and codebook, at most.
        field_bytes: of the fields, in their order.
    """
    sizes = [*cold_bytes, *field_bytes]
    # How large the gap before the index will be is not known: nothing is counted on to fit there.
    zones = zones_of(cold_bytes, field_bytes, head_bytes=head_room_bytes(len(sizes)), gap_bytes=0)
    behind = sum(_padded(size) for size, zone in zip(sizes, zones, strict=True) if zone is Zone.BEHIND)
    left = file_bytes - HEAD_BLOCK_BYTES - index_bytes - behind
    return left // PAGE_ALIGNMENT * PAGE_ALIGNMENT


def payload_and_codebook_bytes(payload_bytes: int, codebook_bytes: int) -> int:
    """Bytes of a small file that depend on its codebook: the payload up to the index's page, and the codebook.

    The codebook counts only where neither the header block nor the gap before the index has room for it.

    Args:
        payload_bytes: stored size of all records. codebook_bytes: stored size of the codebook.
    """
    gap = padding(payload_bytes, PAGE_ALIGNMENT)
    free = max(head_room_bytes(_TYPICAL_COLD_SECTIONS) - _TYPICAL_METADATA_BYTES, gap)
    return payload_bytes + gap + (0 if codebook_bytes <= free else codebook_bytes)


def index_bytes_at_most(heights: NDArray[np.int64], widths: NDArray[np.int64], *, longest_record_bytes: int) -> int:
    """Largest size of the index of records of one network.

    Args:
        heights, widths: native sizes in pixels, ``(records,)``. longest_record_bytes: no record is longer.
    """
    columns = INDEX_HEADER.size + len(WRITTEN_COLUMNS) * (INDEX_COLUMN.size + INDEX_ARRAY_ALIGNMENT)
    length_bytes = 2 if longest_record_bytes < 1 << 16 else 4
    varying_sides = sum(len(np.unique(sides)) > 1 for sides in (heights, widths))
    return columns + (_CRC_BYTES + _PSNR_BYTES + length_bytes + 2 * varying_sides) * len(heights)


def _padded(section_bytes: int) -> int:
    """A section and the most padding there can be before it."""
    return section_bytes + SECTION_ALIGNMENT - 1
