"""Writes the smallest .inrd file and puts its annotated dump into the specification (section 14).

python tools/spec_example.py            rewrite the dump in spec/INRD-1.0.md
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.container.layout import HEADER_BYTES, SECTION
from inrformat.container.metadata import Metadata
from inrformat.container.reader import InrdReader
from inrformat.container.writer import InrdWriter
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.record import write_records

SPEC = Path(__file__).resolve().parents[1] / "spec" / "INRD-1.0.md"
BEGIN, END = "<!-- example:begin -->\n", "<!-- example:end -->"


def write_smallest(path: Path) -> None:
    """One black pixel."""
    table = SymbolTable(-1, 0, np.array([256, 768], np.uint16))
    network = Siren((2, 1, 3), 30.0, (1.0,) * 4, (0,) * 4, 0)
    tables = TableSet.of([table])
    symbols = np.array([[0] * 6 + [-1] * 3])
    (record,) = write_records(network, symbols, np.array([0]), tables)
    with InrdWriter(path) as writer:
        writer.add(record, height=1, width=1, network=0, psnr_db=100.0)
        writer.finish(codebook=Codebook(tables, (network,)).to_map(), metadata=Metadata(generator="spec"))


def dump(path: Path) -> str:
    """Hex lines of 16 bytes, all-zero ones left out, each run headed by what it is."""
    content = path.read_bytes()
    header = InrdReader(path).header
    headings = {0: "header", HEADER_BYTES: "section table"}
    for number, section in enumerate(header.sections):
        kind = section.kind.decode()
        headings[HEADER_BYTES + number * SECTION.size] = f"section table: row {number}, {kind}"
        headings[section.offset_bytes] = f"{kind}, {section.stored_bytes} bytes, {section.decoded_bytes} decoded"
    starts = sorted({*range(0, len(content), 16), *headings})
    lines = []
    for start, stop in zip(starts, [*starts[1:], len(content)], strict=True):
        row = content[start:stop]
        if start in headings:
            lines.append(f"-- {headings[start]}")
        if any(row):
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
            lines.append(f"{start:06x}  {row.hex(' '):47}  {text}")
    return "```\n" + "\n".join(lines) + f"\n{len(content):06x}  end of file\n```\n"


def main() -> None:
    """Rewrite section 14."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "smallest.inrd"
        write_smallest(path)
        text = SPEC.read_text()
        before, rest = text.split(BEGIN)
        SPEC.write_text(before + BEGIN + dump(path) + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    main()
