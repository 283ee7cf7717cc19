"""What a reader is willing to allocate or compute for a file it does not trust (spec section 10).

Every declared size is compared with these before memory is reserved. The defaults admit any file this package
writes; raise them for a file you trust: ``InrdReader(path, limits=Limits(max_pixels=1 << 30))``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds, all inclusive.

    Attributes:
        max_records: records in a file.
        max_cold_bytes: decoded size of the metadata or the codebook section.
        max_field_bytes: decoded size of one field column.
        max_record_bytes: stored size of one record.
        max_pixels: height times width of one record, at its native size.
        max_parameters: numbers one network may have, pruned ones included.
        max_multiply_adds: of one record evaluated at its native size.
        max_networks: network descriptors in a codebook.
        max_tables: symbol tables in a codebook.
    """

    max_records: int = 1 << 31
    max_cold_bytes: int = 1 << 26
    max_field_bytes: int = 1 << 32
    max_record_bytes: int = 1 << 28
    max_pixels: int = 1 << 28
    max_parameters: int = 1 << 26
    max_multiply_adds: int = 1 << 43
    max_networks: int = 256
    max_tables: int = 4096


DEFAULT_LIMITS = Limits()
