"""Offsets by name against the structs themselves."""

import struct

import pytest

from inrformat.container import layout


@pytest.mark.parametrize(
    "row,offsets,values",
    [
        (
            layout.HEADER,
            layout.HEADER_OFFSETS,
            {
                "signature": ("9s", layout.SIGNATURE),
                "major": ("B", 1),
                "minor": ("B", 2),
                "incompat": ("I", 3),
                "compat": ("I", 4),
                "section_count": ("I", 5),
                "file_bytes": ("Q", 6),
                "record_count": ("Q", 7),
                "record_alignment": ("I", 8),
                "crc32c": ("I", 9),
            },
        ),
        (
            layout.SECTION,
            layout.SECTION_OFFSETS,
            {
                "kind": ("4s", b"PYLD"),
                "flags": ("H", 1),
                "encoding": ("H", 2),
                "offset_bytes": ("Q", 3),
                "stored_bytes": ("Q", 4),
                "decoded_bytes": ("Q", 5),
                "crc32c": ("I", 6),
            },
        ),
    ],
)
def test_each_field_lies_at_its_offset(row, offsets, values):
    packed = row.pack(*(value for _, value in values.values()))
    for name, (form, value) in values.items():
        assert struct.unpack_from("<" + form, packed, offsets[name]) == (value,)
    written = [range(offsets[name], offsets[name] + struct.calcsize("<" + form)) for name, (form, _) in values.items()]
    reserved = set(range(row.size)).difference(*written)
    assert {offsets[name] for name in offsets if name.startswith("reserved")} <= reserved
    assert not any(packed[n] for n in reserved)


def test_sizes_of_the_structs_are_those_of_the_specification():
    assert (layout.HEADER_BYTES, layout.SECTION.size) == (64, 40)
    assert layout.HEADER_BYTES - layout.HEADER_CRC.size == layout.HEADER_CRC_OFFSET
