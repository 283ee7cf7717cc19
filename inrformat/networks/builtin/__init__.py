"""Codebooks that files refer to by name instead of storing one (spec section 6.3).

Each ``NAME.bin`` beside this module holds the very bytes of a codebook section. They are part of the format: a
published one never changes. ``tools/make_builtin_codebooks.py`` learned them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import zstandard

from inrformat.container.packing import decompress, unpack_map
from inrformat.errors import UnsupportedVersionError

__all__ = ["BUILTIN_FOLDER", "builtin_codebook_map", "builtin_names"]

BUILTIN_FOLDER = Path(__file__).parent


@cache
def builtin_names() -> tuple[str, ...]:
    """Names of all built-in codebooks, sorted."""
    return tuple(sorted(path.stem for path in BUILTIN_FOLDER.glob("*.bin")))


@cache
def builtin_codebook_map(name: str) -> dict[str, Any]:
    """The map of a built-in codebook. Not to be changed: all callers share it.

    Raises:
        UnsupportedVersionError: there is none of that name.
    """
    if name not in builtin_names():
        raise UnsupportedVersionError(f"built-in codebook {name!r} is not known to this reader; upgrade inrformat")
    data = (BUILTIN_FOLDER / f"{name}.bin").read_bytes()
    size = zstandard.frame_content_size(data)
    return unpack_map(decompress(data, decoded_bytes=size, what=name), rule="CODEBOOK-FORM", what=name)
