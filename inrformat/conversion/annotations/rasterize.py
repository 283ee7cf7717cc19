"""Outlines, boxes and masks to pixels of a stored image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inrformat.conversion.annotations.annotation import Instance
from inrformat.conversion.annotations.masks import read_mask
from inrformat.errors import SourceError

__all__ = ["IGNORED", "class_numbers", "filled"]

IGNORED = 255
"""What stands in every pixel of an image whose mask is missing, as losses ignore it by convention."""


def filled(instance: Instance, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels of an object's mask, else those inside its outlines, else inside its box."""
    if instance.run_length_mask is not None:
        return instance.run_length_mask.mask(height, width)
    left, top, right, bottom = instance.box
    outlines = instance.polygons or (((left, top), (right, top), (right, bottom), (left, bottom)),)
    inside = np.zeros((height, width), np.bool_)
    for outline in outlines:
        inside |= _inside(np.array(outline) * (width, height), height, width)
    return inside


def _inside(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Pixels whose centres lie inside the polygon ``points (n, 2)`` of (x, y) in pixels, by the even-odd rule."""
    crossings = np.zeros((height, width + 1), np.int64)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, stop = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in sorted((y0, y1)))
        if stop > first:  # the edge crosses the centre lines of these rows
            rows = np.arange(first, stop)
            x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] += 1
    odd: NDArray[np.bool_] = crossings.cumsum(axis=1)[:, :width] % 2 == 1
    return odd


def class_numbers(mask: Path | NDArray[np.integer] | None, height: int, width: int) -> NDArray[np.uint8 | np.uint16]:
    """The class number of each pixel ``(height, width)``, of the nearest one where the mask has another size.

    Raises:
        SourceError: it cannot be read, is no image of class numbers, or is of another shape than the image.
    """
    if mask is None:
        return np.full((height, width), IGNORED, np.uint8)
    numbers = read_mask(mask) if isinstance(mask, Path) else np.asarray(mask)
    place = mask if isinstance(mask, Path) else "a mask"
    if numbers.ndim != 2 or not numbers.size:
        raise SourceError(f"{place}: a mask holds one class number per pixel, this is of shape {numbers.shape}")
    if int(numbers.min()) < 0 or int(numbers.max()) > np.iinfo(np.uint16).max:
        raise SourceError(f"{place}: class numbers {numbers.min()} to {numbers.max()} where 0 to 65535 can be stored")
    rows, columns = numbers.shape
    if abs(rows * width - columns * height) > max(rows, columns, height, width):
        raise SourceError(f"{place}: {columns} x {rows} px, another shape than its image's {width} x {height}")
    if (rows, columns) != (height, width):
        y, x = (_centres(n, of) for n, of in ((height, rows), (width, columns)))
        numbers = numbers[y[:, None], x]
    return numbers.astype(np.uint8 if numbers.max() < 256 else np.uint16)


def _centres(count: int, of: int) -> NDArray[np.int64]:
    """Where the centres of ``count`` pixels lie among ``of``."""
    return (2 * np.arange(count) + 1) * of // (2 * count)
