"""What the specification shows is what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

from inrformat import InrdDataset
from inrformat.container import layout

SPEC = Path(__file__).resolve().parents[1] / "spec" / "INRD-1.0.md"


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    """The file of section 14, read back from its printed dump."""
    text = SPEC.read_text().split("<!-- example:begin -->")[1].split("<!-- example:end -->")[0]
    rows = [(int(a, 16), bytes.fromhex(b)) for a, b in re.findall(r"^([0-9a-f]{6})  ((?:[0-9a-f]{2} ?)+)", text, re.M)]
    (size,) = re.findall(r"^([0-9a-f]{6})  end of file", text, re.M)
    content = bytearray(int(size, 16))
    for offset, row in rows:
        content[offset : offset + len(row)] = row
    path = tmp_path_factory.mktemp("spec") / "smallest.inrd"
    path.write_bytes(content)
    return path


def test_the_printed_example_is_a_black_pixel(smallest):
    dataset = InrdDataset(smallest)
    assert len(dataset) == 1
    assert dataset[0][0].tolist() == [[[0]], [[0]], [[0]]]
    assert InrdDataset(smallest, size=3)[0][0].shape == (3, 3, 3)


def test_the_header_tables_of_the_specification_match_the_layout():
    text = SPEC.read_text()
    header = text.split("## 4. Header")[1].split("The section table follows")[0]
    offsets = [int(m) for m in re.findall(r"^\| (\d+) \|", header, re.M)]
    assert offsets == [0, 9, 10, 11, 12, 16, 20, 24, 32, 40, 44, layout.HEADER_CRC_OFFSET]
    assert layout.HEADER_BYTES == 64
    assert layout.SECTION.size == 40
    assert "`" + layout.SIGNATURE.hex(" ").upper() + "`" in header
    for name, number in (
        ("length", 1),
        ("height", 2),
        ("width", 3),
        ("network", 4),
        ("CRC", 5),
        ("PSNR", 6),
        ("depth", 7),
    ):
        assert f"| {number} | {name} |" in text
    assert [int(c) for c in layout.Column] == list(range(1, 8))


def test_the_decoding_pseudocode_decodes_the_example(smallest):
    """Section 13 followed to the letter, with nothing of the package but msgpack and zstd beneath it."""
    import msgpack
    import zstandard

    data = smallest.read_bytes()
    count = int.from_bytes(data[20:24], "little")
    table = {data[64 + 40 * i :][:4]: data[64 + 40 * i :][:40] for i in range(count)}

    def section(kind):
        row = table[kind]
        start, stored = (int.from_bytes(row[a : a + 8], "little") for a in (8, 16))
        raw = data[start : start + stored]
        return zstandard.decompress(raw) if row[6] else raw

    codebook = msgpack.unpackb(section(b"CDBK"))
    (net,) = codebook["networks"]
    (symbols,) = codebook["tables"]
    freqs = np.frombuffer(symbols["freqs"], "<u2").astype(int)
    index = section(b"INDX")
    length = int.from_bytes(index[16 + 8 : 16 + 16], "little")
    record = section(b"PYLD")[:length]
    state, words = int.from_bytes(record[:4], "little"), list(np.frombuffer(record[4:], "<u2"))
    values = []
    for _ in range(1 + 9):
        slot = state & 1023
        p = int(np.searchsorted(np.cumsum(freqs), slot, side="right"))
        state = int(freqs[p]) * (state >> 10) + slot - int(freqs[:p].sum())
        if state < 65536:
            state = state * 65536 + int(words.pop(0))
        values.append(symbols["lowest"] + p)
    assert (state, words) == (65536, [])
    assert values == [0] + [0] * 6 + [-1] * 3
    assert (net["widths"], net["omega"]) == ([2, 1, 3], 30.0)
