"""Cold sections: msgpack maps and zstd frames, both bounded before anything is allocated (spec sections 3.3 and 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
import zstandard

from inrformat.errors import InvalidFileError

__all__ = ["compress", "decompress", "pack_map", "unpack_map"]

_ZSTD_LEVEL = 19


def compress(data: bytes) -> bytes:
    """One zstd frame that states its content size."""
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_content_size=True).compress(data)


def decompress(data: bytes, *, decoded_bytes: int, what: str) -> bytes:
    """Undo ``compress``; the frame must decode to exactly ``decoded_bytes``, a size the caller has checked."""
    try:
        stated = zstandard.frame_content_size(data)
        if stated != decoded_bytes:
            raise InvalidFileError(
                "SECTION-SIZE", f"{what}: zstd frame states {stated} bytes, expected {decoded_bytes}"
            )
        # One shot into a buffer of the stated size: a frame that lies about it fails instead of growing.
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise InvalidFileError("SECTION-ZSTD", f"{what}: {error}") from error


def pack_map(values: Mapping[str, Any]) -> bytes:
    """msgpack with keys sorted at every level, so that equal maps give equal bytes."""
    packed: bytes = msgpack.packb(_sorted(values), use_bin_type=True)
    return packed


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def unpack_map(data: bytes, *, rule: str, what: str) -> dict[str, Any]:
    """Parse a msgpack map with text keys; extension types and timestamps are refused."""
    try:
        result = msgpack.unpackb(data, raw=False, strict_map_key=True, ext_hook=_no_extensions)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise InvalidFileError(rule, f"{what}: not a valid msgpack map ({error})") from error
    if not isinstance(result, dict) or not all(isinstance(key, str) for key in result):
        raise InvalidFileError(rule, f"{what}: expected a msgpack map with text keys")
    return result


def _no_extensions(code: int, _data: bytes) -> Any:
    raise ValueError(f"extension type {code}")
