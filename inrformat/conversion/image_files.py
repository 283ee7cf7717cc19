"""One image file to pixels."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from inrformat.decoding.output_size import output_size
from inrformat.encoding.record import Image as Pixels
from inrformat.errors import SourceError

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageFile",
    "Note",
    "ReadImage",
    "ReadOptions",
    "load_image",
    "read_image",
    "read_size",
    "stored_size",
]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
"""Those of ``torchvision.datasets.folder.IMG_EXTENSIONS``."""
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that exchange width and height."""

ImageFile = Path | BinaryIO | Image.Image | NDArray[Any]


class Note(StrEnum):
    """What was done to an image."""

    FIRST_FRAME = "animations: the first frame was taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How images become pixels."""

    size: int | None = None


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image as it was read."""

    pixels: Pixels
    source_size: tuple[int, int]
    notes: tuple[Note, ...] = ()


def read_image(image: ImageFile, options: ReadOptions, *, name: str) -> ReadImage:
    """Stub."""
    pixels = load_image(image, size=options.size, name=name)
    return ReadImage(pixels, pixels.shape[:2])


def read_size(image: ImageFile, options: ReadOptions) -> tuple[int, int] | None:
    """Stub."""
    return stored_size(image, size=options.size)


def load_image(file: ImageFile | str, *, size: int | None = None, name: str | os.PathLike[str] | None = None) -> Pixels:
    """Decode one image file to RGB: uint8 ``(height, width, 3)``.

    The EXIF orientation is applied, 16-bit images are scaled to 8 bits, transparency is dropped (as ImageFolder does),
    and of an animation the first frame is taken. ``size`` makes the short side that many pixels, with a Lanczos filter.
    ``name`` stands in errors for an open file.

    Raises:
        SourceError: the file cannot be read as an image.
    """
    place = file if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what cannot be decoded raises
            with Image.open(file) as opened:  # type: ignore[arg-type]
                image = _to_rgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise SourceError(f"{place}: not an image in a format Pillow knows") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise SourceError(f"{place}: unreadable image ({error})") from error
    height, width = _resized(image.height, image.width, size)
    if size is not None:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8)


def stored_size(file: ImageFile | str, *, size: int | None = None) -> tuple[int, int] | None:
    """(height, width) that ``load_image`` gives, from the file's header alone; None where that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as opened:  # type: ignore[arg-type]
                width, height = opened.size
                turned = opened.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return None
    return _resized(width, height, size) if turned else _resized(height, width, size)


def _resized(height: int, width: int, size: int | None) -> tuple[int, int]:
    height, width = output_size((height, width), size)
    return max(height, 1), max(width, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion clips instead of scaling
        wide = np.asarray(image).astype(np.int64)
        shift = 8 if wide.max(initial=0) > 255 or image.mode != "I" else 0
        image = Image.fromarray(np.clip(wide >> shift, 0, 255).astype(np.uint8))
    return image.convert("RGB")
