"""Masks as bytes, losslessly (zstd): how a field column of type bytes holds those of one image."""

from __future__ import annotations

from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from inrformat.errors import InvalidFileError

__all__ = ["pack_instances", "pack_semantic", "unpack_instances", "unpack_semantic"]

_LEVEL = 12


def pack_instances(masks: NDArray[np.bool_]) -> bytes:
    """Masks bool ``(N, height, width)`` as one bit per pixel, 8 pixels per byte along each row, compressed."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(np.packbits(masks, axis=2).tobytes())


def unpack_instances(data: bytes, *, count: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The inverse: bool ``(count, height, width)``; ``size`` is the image's native (height, width).

    Raises:
        InvalidFileError: the bytes are not such masks.
    """
    height, width = size
    row_bytes = -(-width // 8)
    packed = np.frombuffer(_decompressed(data, (count * height * row_bytes,)), np.uint8)
    unpacked = np.unpackbits(packed.reshape(count, height, row_bytes), axis=2, count=width)
    return unpacked.astype(np.bool_)


def pack_semantic(mask: NDArray[np.unsignedinteger[Any]]) -> bytes:
    """Class numbers ``(height, width)``, uint8 or uint16, row by row, little-endian, compressed."""
    wide = mask.dtype.itemsize > 1
    return zstandard.ZstdCompressor(level=_LEVEL).compress(mask.astype("<u2" if wide else "u1").tobytes())


def unpack_semantic(data: bytes, *, size: tuple[int, int]) -> NDArray[np.uint8] | NDArray[np.int32]:
    """The inverse: uint8 ``(height, width)``, or int32 where numbers were stored in two bytes.

    Raises:
        InvalidFileError: the bytes are not such a mask.
    """
    pixels = size[0] * size[1]
    raw = _decompressed(data, (pixels, 2 * pixels))
    if len(raw) == pixels:
        return np.frombuffer(raw, np.uint8).reshape(size).copy()
    return np.frombuffer(raw, "<u2").astype(np.int32).reshape(size)


def _decompressed(data: bytes, expected_bytes: tuple[int, ...]) -> bytes:
    try:
        declared = zstandard.frame_content_size(data)
        if declared not in expected_bytes:
            raise InvalidFileError("FIELD-MASK", f"a mask of {declared} bytes where {expected_bytes[0]} are due")
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise InvalidFileError("FIELD-MASK", f"a mask that does not decompress ({error})") from error
