"""The pixels of an image as the fit sees them: coordinates and colours in random order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inrformat.encode.record import Image

__all__ = ["MAX_PIXELS", "PixelOrder", "pixel_order", "shuffled_colours"]

MAX_PIXELS = 1 << 22
"""Pixels of one image that take part in its fit; of a larger image, a random subset of this size does."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelOrder:
    """The same for all images of one size.

    Attributes:
        order: int64 ``(N,)``, row-major pixel numbers in random order, so that any run of them samples the image.
        xy: float32 ``(2, N)``, coordinates of their centres in [-1, 1].
    """

    order: NDArray[np.int64]
    xy: NDArray[np.float32]


@lru_cache(maxsize=16)
def pixel_order(height: int, width: int, *, seed: int, at_most: int | None = None) -> PixelOrder:
    """The order for images of ``height x width``; of more than ``at_most`` pixels (None: MAX_PIXELS), a sample."""
    rng = np.random.default_rng(seed)
    pixels, limit = height * width, MAX_PIXELS if at_most is None else at_most
    order = rng.integers(pixels, size=limit) if pixels > MAX_PIXELS else rng.permutation(pixels)[:limit]
    rows, columns = np.divmod(order, width)
    xy = np.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1])
    return PixelOrder(order, xy.astype(np.float32))


def shuffled_colours(image: Image, order: PixelOrder) -> NDArray[np.float32]:
    """Colours in [0, 1], float32 ``(channels, N)``."""
    return (image.reshape(-1, image.shape[-1])[order.order].T / np.float32(255)).astype(np.float32)
