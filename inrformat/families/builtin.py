"""Codebooks that files refer to by name instead of storing one (spec section 6.3).

Each ``NAME.bin`` in a family's folder holds the very bytes of a codebook section. They are part of the format: a
published one never changes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import zstandard

from inrformat.container.packing import decompress, unpack_map
from inrformat.errors import UnsupportedVersionError
from inrformat.families.registry import family_named, family_names

__all__ = ["builtin_codebook_map", "builtin_names"]


def builtin_names(family: str) -> tuple[str, ...]:
    """Names of a family's built-in codebooks, sorted."""
    folder = family_named(family).codebooks
    return () if folder is None else tuple(sorted(path.stem for path in folder.glob("*.bin")))


@cache
def builtin_codebook_map(name: str) -> dict[str, Any]:
    """The map of a built-in codebook. Not to be changed: all callers share it.

    Raises:
        UnsupportedVersionError: there is none of that name.
    """
    for family in map(family_named, family_names()):
        if family.codebooks is not None and name in builtin_names(family.name):
            data = (family.codebooks / f"{name}.bin").read_bytes()
            size = zstandard.frame_content_size(data)
            return unpack_map(decompress(data, decoded_bytes=size, what=name), rule="CODEBOOK-FORM", what=name)
    raise UnsupportedVersionError(f"built-in codebook {name!r} is not known to this reader; upgrade inrformat")
