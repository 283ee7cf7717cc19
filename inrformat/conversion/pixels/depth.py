"""Images of more than 8 bits to 8: what is white in them, by what they say or by the values they have."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["is_deep", "rounded_up", "stated_white", "to_eight_bits"]

_PNG_SIGNATURE_BYTES, _PNG_SEARCHED_BYTES = 8, 1 << 16
_USUAL_BITS = (8, 10, 12, 14, 16)
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281
"""Tags of TIFF."""


def is_deep(image: Image.Image) -> bool:
    """Whether it holds whole numbers beyond 8 bits, in one channel: all that Pillow keeps of such images."""
    return image.mode.startswith("I")


def stated_white(image: Image.Image) -> int | None:
    """The value that is white by the image's own tags; None where it does not say.

    PNG: the significant bits of ``sBIT``. TIFF: MaxSampleValue, or BitsPerSample that are not 8 or 16. Netpbm's files
    are scaled by Pillow already.
    """
    if image.format == "PNG":
        bits = _png_significant_bits(image)
        # Values of fewer significant bits fill the high ones (section 11.3.2.3 of the PNG specification).
        return None if bits is None else (1 << 16) - 1
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        highest = _first(tags.get(_MAX_SAMPLE_VALUE))
        if highest is not None and highest > 255:
            return int(highest)
        bits = _first(tags.get(_BITS_PER_SAMPLE))
        return (1 << int(bits)) - 1 if bits is not None and 8 < bits < 16 else None
    return (1 << 16) - 1 if image.format == "PPM" else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _png_significant_bits(image: Image.Image) -> int | None:
    """The first number of the chunk sBIT, which stands before the pixels."""
    file = getattr(image, "fp", None)
    if file is None:
        return None
    position = file.tell()
    try:
        file.seek(0)
        head = file.read(_PNG_SEARCHED_BYTES)
    finally:
        file.seek(position)
    at = _PNG_SIGNATURE_BYTES
    while at + 8 <= len(head):
        length, kind = struct.unpack_from(">I4s", head, at)
        if kind == b"sBIT" and length and at + 8 < len(head):
            return int(head[at + 8])
        if kind == b"IDAT":
            return None
        at += 12 + length
    return None


def rounded_up(highest: int) -> int:
    """What is white where ``highest`` is the highest value: as many bits as there are cameras for, or more."""
    bits = int(highest).bit_length()
    return (1 << next((n for n in _USUAL_BITS if n >= bits), bits)) - 1


def to_eight_bits(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Whole numbers from 0 to ``white``, in any shape, to 0 to 255; what is beyond is clipped.

    Raises:
        ValueError: some are negative.
    """
    wide = values.astype(np.int64)
    if wide.min(initial=0) < 0:
        raise ValueError(f"negative values, down to {wide.min()}")
    scaled: NDArray[np.uint8] = ((wide.clip(0, white) * 255 + white // 2) // white).astype(np.uint8)
    return scaled
