import pytest
from hypothesis import given, strategies as st

from inrformat.container.checksum import crc32c


def bitwise(data: bytes) -> int:
    """The definition, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_published_check_values(data, expected):
    assert crc32c(data) == expected


@given(st.binary(max_size=64), st.integers(0, 200))
def test_long_and_short_data_agree_with_the_definition(data, repeats):
    repeated = data * repeats
    assert crc32c(repeated) == bitwise(repeated)


@given(st.binary(max_size=5000), st.integers(0, 5000))
def test_a_checksum_can_be_continued(data, cut):
    assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_buffer_gives_what_its_bytes_give(data, start):
    for buffer in (bytearray(data), memoryview(data)[start:], memoryview(bytearray(data))[start::1]):
        assert crc32c(buffer) == crc32c(bytes(buffer))


def test_megabytes_agree_with_the_serial_form():
    data = bytes(range(251)) * 5000
    assert crc32c(data) == crc32c(data[700:], crc32c(data[:700]))
    assert crc32c(data[:3001]) == bitwise(data[:3001])
