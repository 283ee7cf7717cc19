"""The rules a file is checked against, by the name that errors and reports carry (spec section 11)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["RULES", "Rule", "Severity"]


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


def _error(name: str, demand: str) -> Rule:
    return Rule(name, Severity.ERROR, demand)


RULES = {
    rule.name: rule
    for rule in (
        _error("SIGNATURE", "the first nine bytes are the .inrd signature"),
        _error("FILE-SIZE", "the file has exactly the bytes its header declares"),
        _error("HEADER-CRC", "the header and the section table match the header's CRC-32C"),
        _error("RESERVED-ZERO", "reserved bytes and padding are zero"),
        _error("RECORD-ALIGNMENT", "the record alignment is 4 or 16"),
        _error("SECTION-COUNT", "there are at most 100 sections"),
        _error("SECTION-REQUIRED", "PYLD, INDX, CDBK and META occur exactly once"),
        _error("SECTION-PLACE", "sections follow each other without gaps beyond their alignment and end with the file"),
        _error("SECTION-ENCODING", "a section's encoding is raw or zstd; payload and index are raw"),
        _error("SECTION-SIZE", "a section decodes to the size its table entry states"),
        _error("SECTION-ZSTD", "a zstd section is exactly one valid frame"),
        _error("SECTION-CRC", "every section matches its CRC-32C"),
        _error("PAYLOAD-SIZE", "the records, each rounded up to the record alignment, fill the payload section"),
        _error("INDEX-SIZE", "the index section holds exactly the columns it declares"),
        _error("INDEX-COUNT", "index and header agree on the number of records"),
        _error("INDEX-COLUMNS", "index columns are known, in ascending order, and the required ones are present"),
        _error("INDEX-VALUES", "index values are in range: sizes at least 1, network below 256, CRC below 2**32"),
        _error("INDEX-NETWORK", "every record names a network descriptor of the codebook"),
        _error("METADATA-FORM", "the metadata section is a msgpack map with the required keys"),
        _error("METADATA-UNIQUE", "class names and field names do not repeat"),
        _error("CODEBOOK-FORM", "the codebook section is a map with tables and networks, or with builtin and step"),
        _error("TABLE-FORM", "a symbol table has exactly the keys freqs, low_bits and lowest"),
        _error("TABLE-SIZE", "a symbol table has 2 to 1024 tokens"),
        _error("TABLE-SUM", "a symbol table's frequencies sum to 4096"),
        _error("TABLE-LOW-BITS", "a symbol table's low_bits is in 0..12"),
        _error("TABLE-RANGE", "a symbol table's values fit 16 bits"),
        _error("NETWORK-FORM", "a network descriptor is a map with a family"),
        _error("SIREN-FORM", "a siren descriptor has the keys of the specification and no others"),
        _error("SIREN-WIDTHS", "a siren has 2 inputs and 1 to 63 layers of 1 to 4096 units"),
        _error("SIREN-STEPS", "a siren has a positive finite step for each parameter group and a finite omega"),
        _error("SIREN-TABLES", "a siren names an existing symbol table for each parameter group"),
        _error("SIREN-BASE", "a siren's base has one finite number for each parameter"),
        _error("CELLS-FORM", "a cells descriptor has the keys and sizes of the specification and no others"),
        _error("CELLS-COLOUR", "a cells descriptor's colour matrix is orthonormal"),
        _error("CELLS-STEP", "a cells descriptor's step and lane pixels are within their ranges"),
        _error("CELLS-LEVEL", "a level of a cells descriptor has classes that agree in number and fit its side"),
        _error("CELLS-KEPT", "a class of cells keeps 1 to side x side hidden units"),
        _error("CELLS-TABLES", "a cells descriptor names existing symbol tables"),
        _error("CELLS-SCALE", "a cells record's step scale is in -32..32"),
        _error("CELLS-CLASS", "a cells record gives every node a class that exists"),
        _error("RECORD-CRC", "every record matches its CRC-32C in the index"),
        _error("RECORD-LENGTH", "a record holds the states of its lanes and whole 16-bit words"),
        _error("RECORD-SYMBOLS", "a record has exactly the words its symbols need"),
        _error("RECORD-STATE", "every rANS lane ends in its initial state"),
        _error("FIELD-COUNT", "the metadata names every field section"),
        _error("FIELD-SIZE", "a field's values take exactly its bytes, one value a record"),
        _error("FIELD-UTF8", "text fields are valid UTF-8"),
        _error("FIELD-LABEL", "the field label is int64 and its values number the classes"),
        _error("FIELD-TARGET", "a target's field has the type, count and finite numbers its name demands"),
        _error("FIELD-MASK", "a mask is one zstd frame of exactly the bytes its image's size demands"),
        _error("FILE-CHANGED", "a pickled reader finds the file it was made from"),
        _error("NAME-SAFE", "names used for export are relative paths that stay inside the target folder"),
        _error("LIMIT-RECORDS", "records within the reader's limit"),
        _error("LIMIT-COLD-BYTES", "metadata and codebook within the reader's limit"),
        _error("LIMIT-FIELD-BYTES", "field columns within the reader's limit"),
        _error("LIMIT-RECORD-BYTES", "record sizes within the reader's limit"),
        _error("LIMIT-PIXELS", "pixels of a record within the reader's limit"),
        _error("LIMIT-CODEBOOK", "tables and networks within the reader's limits"),
        _error("LIMIT-PARAMETERS", "parameters of a network within the reader's limit"),
        _error("LIMIT-MULTIPLY-ADDS", "work to decode a record within the reader's limit"),
        Rule("PSNR-STORED", Severity.WARNING, "the index stores the PSNR of every record"),
    )
}
