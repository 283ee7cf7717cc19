"""The rules a file is checked against, by the name that errors and reports carry (spec section 11).

Those of network families are in their folders (``families/NAME/rules.py``); ``families.registry.all_rules`` has both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["RULES", "Rule", "Severity", "error_rule"]


class Severity(StrEnum):
    """An error makes the file unfit for use; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement: its name, how much it matters, and what it demands."""

    name: str
    severity: Severity
    demand: str


def error_rule(name: str, demand: str) -> Rule:
    """A rule whose breach makes a file unfit for use."""
    return Rule(name, Severity.ERROR, demand)


RULES = {
    rule.name: rule
    for rule in (
        error_rule("SIGNATURE", "the first nine bytes are the .inrd signature"),
        error_rule("FILE-SIZE", "the file has exactly the bytes its header declares"),
        error_rule("HEADER-CRC", "the header and the section table match the header's CRC-32C"),
        error_rule("RESERVED-ZERO", "reserved bytes and padding are zero"),
        error_rule("RECORD-ALIGNMENT", "the record alignment is 4 or 16"),
        error_rule("SECTION-COUNT", "there are at most 100 sections"),
        error_rule("SECTION-REQUIRED", "PYLD, INDX, CDBK and META occur exactly once"),
        error_rule(
            "SECTION-PLACE", "sections follow each other without gaps beyond their alignment and end with the file"
        ),
        error_rule("SECTION-ENCODING", "a section's encoding is raw or zstd; payload and index are raw"),
        error_rule("SECTION-SIZE", "a section decodes to the size its table entry states"),
        error_rule("SECTION-ZSTD", "a zstd section is exactly one valid frame"),
        error_rule("SECTION-CRC", "every section matches its CRC-32C"),
        error_rule("PAYLOAD-SIZE", "the records, each rounded up to the record alignment, fill the payload section"),
        error_rule("INDEX-SIZE", "the index section holds exactly the columns it declares"),
        error_rule("INDEX-COUNT", "index and header agree on the number of records"),
        error_rule("INDEX-COLUMNS", "index columns are known, in ascending order, and the required ones are present"),
        error_rule(
            "INDEX-VALUES",
            "index values are in range: lengths from 1, sides 1 to 16384, networks below 256, CRCs below 2**32",
        ),
        error_rule("INDEX-NETWORK", "every record names a network descriptor of the codebook"),
        error_rule("METADATA-FORM", "the metadata section is a msgpack map with the required keys"),
        error_rule("METADATA-UNIQUE", "class names and field names do not repeat"),
        error_rule("CODEBOOK-FORM", "the codebook section is a map with tables and networks, or with builtin and step"),
        error_rule("TABLE-FORM", "a symbol table has exactly the keys freqs, low_bits and lowest"),
        error_rule("TABLE-SIZE", "a symbol table has 1 to 1024 tokens"),
        error_rule("TABLE-SUM", "a symbol table's frequencies sum to 1024"),
        error_rule("TABLE-LOW-BITS", "a symbol table's low_bits is in 0..12"),
        error_rule("TABLE-RANGE", "a symbol table's tokens fit 12 bits and its values 16, signed"),
        error_rule("NETWORK-FORM", "a network descriptor is a map with a family"),
        error_rule("RECORD-CRC", "every record matches its CRC-32C in the index"),
        error_rule("RECORD-LENGTH", "a record holds the states of its lanes, its streams and whole 16-bit words"),
        error_rule("RECORD-SYMBOLS", "a record has exactly the words its symbols need"),
        error_rule("RECORD-STATE", "every rANS lane ends where its plain bits say, between 2**16 and 2**17"),
        error_rule("RECORD-PATCH", "a record's patches are of symbols that it has, in ascending order"),
        error_rule("FIELD-COUNT", "the metadata names every field section"),
        error_rule("FIELD-SIZE", "a field's values take exactly its bytes, one value per record"),
        error_rule("FIELD-UTF8", "text fields are valid UTF-8"),
        error_rule("FIELD-LABEL", "the field label is int64 and its values number the classes"),
        error_rule("FIELD-TARGET", "a target's field has the type, count and finite numbers its name demands"),
        error_rule("FIELD-MASK", "a mask is one zstd frame of exactly the bytes its image's size demands"),
        error_rule("FILE-CHANGED", "a file is still the one it was when it was opened"),
        error_rule("NAME-SAFE", "names used for export are relative paths that stay inside the target folder"),
        error_rule("LIMIT-RECORDS", "records within the reader's limit"),
        error_rule("LIMIT-COLD-BYTES", "metadata and codebook within the reader's limit"),
        error_rule("LIMIT-FIELD-BYTES", "field columns within the reader's limit"),
        error_rule("LIMIT-RECORD-BYTES", "record sizes within the reader's limit"),
        error_rule("LIMIT-PIXELS", "pixels of a record within the reader's limit"),
        error_rule("LIMIT-CODEBOOK", "tables and networks within the reader's limits"),
        error_rule("LIMIT-PARAMETERS", "parameters of a network within the reader's limit"),
        error_rule("LIMIT-MULTIPLY-ADDS", "work to decode a record within the reader's limit"),
        Rule("PSNR-STORED", Severity.WARNING, "the index stores the PSNR of every record"),
    )
}
