"""Semantic masks: images or arrays of class numbers, in a folder, named as the images they belong to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.errors import SourceError

__all__ = ["mask_size", "masks_below", "read_mask", "read_masks"]

_ARRAY = ".npy"
_SUFFIXES = {".png", ".bmp", ".tif", ".tiff", _ARRAY}
"""Of images that keep numbers, and of arrays: JPEG changes them, and writers of GIF number palettes anew."""
_MODES = {"1", "L", "P", "I;16", "I;16B", "I"}
"""Of Pillow's images with one whole number per pixel; of a palette, the number and not the colour."""
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, KeyError, Image.DecompressionBombError)


def read_masks(folder: Path, *, classes: tuple[str, ...] = ()) -> AnnotationSet:
    """Find the masks of a folder and its sub-folders; they are opened when their images are.

    Raises:
        SourceError: there are none.
    """
    files = masks_below(folder)
    if not files:
        raise SourceError(f"{folder}: no masks found (looked for {', '.join(sorted(_SUFFIXES))})")
    by_path = {f.relative_to(folder).as_posix(): Annotation(mask=f) for f in files}
    return AnnotationSet(
        place=str(folder), kind="masks", by_path=by_path, own_suffixes=True, classes=classes, origin=origin_of(files)
    )


def masks_below(folder: Path) -> list[Path]:
    """The masks in a folder and its sub-folders, sorted."""
    return [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES and p.is_file()]


def read_mask(file: Path) -> NDArray[Any]:
    """The numbers in a mask's file, of whatever shape; whole numbers.

    Raises:
        SourceError: it cannot be read, or holds something else.
    """
    with _opened(file) as mask:
        numbers = np.array(mask)
    if numbers.dtype.kind not in "biu":
        raise SourceError(f"{file}: a mask holds whole class numbers, this holds {numbers.dtype}")
    return numbers


def mask_size(mask: Path | NDArray[Any]) -> tuple[int, int]:
    """(height, width) in pixels; of a file, its pixels are not read.

    Raises:
        SourceError: it cannot be read, or is none of one number per pixel.
    """
    if not isinstance(mask, Path):
        return _size(mask, "a mask")
    with _opened(mask) as opened:
        return (opened.height, opened.width) if isinstance(opened, Image.Image) else _size(opened, str(mask))


def _size(numbers: NDArray[Any], place: str) -> tuple[int, int]:
    if numbers.ndim != 2:
        raise SourceError(f"{place}: a mask holds one class number per pixel, this is of shape {numbers.shape}")
    return numbers.shape[0], numbers.shape[1]


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image | NDArray[Any]]:
    try:
        if file.suffix.lower() == _ARRAY:
            yield np.load(file, mmap_mode="r", allow_pickle=False)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what cannot be decoded raises
            with Image.open(file) as opened:
                if opened.mode not in _MODES:
                    raise SourceError(f"{file}: a mask holds one class number per pixel, this is {opened.mode}")
                yield opened
    except SourceError:
        raise
    except _UNREADABLE as error:
        raise SourceError(f"{file}: unreadable mask ({error})") from error
