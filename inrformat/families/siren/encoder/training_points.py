"""The points of an image that its fit sees: coordinates and colours in random order.

Where a step sees only a part of the pixels, and ``AdamConfig.between`` asks for it, three steps in four look at points
between them: half a pixel to the right, half a pixel below, and both, with the colours that Lanczos's filter finds
there. Otherwise a long fit of a deep network leaves it open what lies between pixel centres, which shows at other
sizes. 10x28 on Kodak at 256 px (3 or 4 photographs), before quantization; at 512 px beside bicubic (a = -0.75) of its
own native pixels:

======  ===========================  ==========================  =======================
steps   512 px beside bicubic        the same, pixels alone      gained at pixel centres
======  ===========================  ==========================  =======================
1,000   0.06 dB better               0.04 dB better              -0.14 dB
2,000   0.08 dB better               0.04 dB better              +0.05 dB
3,000   0.10 dB better               0.05 dB better              +0.16 dB
10,000  0.03 dB better               0.21 dB worse               -0.10 dB
======  ===========================  ==========================  =======================

Of 10,000 steps one in two or one in four between pixels ended 0.02 and 0.09 dB below bicubic; points a quarter of a
pixel away 0.06 dB above it, but farther from the truth and 0.10 dB worse at pixel centres. 5x28 at 96 and 128 px is
nowhere over 0.01 dB behind bicubic, and loses 0.1 to 0.4 dB at pixel centres to the points between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import AdamConfig

__all__ = ["MAX_POINTS", "PixelOrder", "pixel_order", "points", "shuffled_colours"]

MAX_POINTS = 1 << 22
"""Points of one image that take part in its fit; of a larger image, a random subset of the pixels does."""

_SHIFTS = ((0.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.0, 0.5))
# Neighbours along an axis and their weights at these distances from a pixel: half a pixel away, Lanczos's filter of
# three lobes is a row of fractions.
_TAPS = {
    0.0: ((0, 1.0),),
    0.5: ((-2, 18 / 736), (-1, -100 / 736), (0, 450 / 736), (1, 450 / 736), (2, -100 / 736), (3, 18 / 736)),
}


@dataclass(frozen=True, slots=True, eq=False)
class PixelOrder:
    """The same for all images of one size.

    Attributes:
        rows, columns: int64 ``(N,)``, of the pixels in random order, so that any run of them samples the image.
        xy: float32 ``(2, G * N)``, coordinates in [-1, 1] of the N pixel centres and then, in the same order, of the
            points of each further point grid.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    xy: NDArray[np.float32]

    @property
    def pixels(self) -> int:
        """N."""
        return len(self.rows)

    @property
    def point_grids(self) -> int:
        """G."""
        return int(self.xy.shape[1]) // self.pixels


def points(height: int, width: int, adam: AdamConfig, *, at_most: int) -> tuple[int, int]:
    """How many pixels of an image take part, and in how many point grids; the pixels' own is the first.

    It is alone where a step sees about all of the pixels.
    """
    pixels, grids = height * width, len(_SHIFTS)
    if adam.between and round(min(pixels, at_most // grids) / adam.pixels_per_step) > 1:
        return min(pixels, at_most // grids), grids
    return min(pixels, at_most), 1


def pixel_order(height: int, width: int, adam: AdamConfig, *, at_most: int | None = None) -> PixelOrder:
    """The order for images of ``height x width``; of more than ``at_most`` points (None: MAX_POINTS), a sample."""
    pixels, grids = points(height, width, adam, at_most=MAX_POINTS if at_most is None else at_most)
    return _pixel_order(height, width, seed=adam.seed, pixels=pixels, grids=grids)


@lru_cache(maxsize=16)
def _pixel_order(height: int, width: int, *, seed: int, pixels: int, grids: int) -> PixelOrder:
    rng, every = np.random.default_rng(seed), height * width
    # Of many, drawn without keeping account, so that some may come twice.
    order = rng.integers(every, size=pixels) if every > MAX_POINTS else rng.permutation(every)[:pixels]
    rows, columns = np.divmod(order, width)
    xy = [
        np.stack([(2 * (columns + right) + 1) / width - 1, (2 * (rows + down) + 1) / height - 1])
        for right, down in _SHIFTS[:grids]
    ]
    return PixelOrder(rows, columns, np.concatenate(xy, axis=1).astype(np.float32))


def shuffled_colours(image: Image, order: PixelOrder) -> NDArray[np.float32]:
    """Colours in [0, 1] (those between pixels may overshoot), float32 ``(channels, G * N)``."""
    colours = [_between(image, order, right, down) for right, down in _SHIFTS[: order.point_grids]]
    return np.ascontiguousarray(np.concatenate(colours).T / np.float32(255))


def _between(image: Image, order: PixelOrder, right: float, down: float) -> NDArray[np.float32]:
    """Colours at these distances from the pixels, 0 or half a pixel, by Lanczos's filter; float32 ``(N, channels)``."""
    total = np.zeros((order.pixels, image.shape[2]), np.float32)
    for dy, weight_y in _TAPS[down]:
        rows = np.clip(order.rows + dy, 0, image.shape[0] - 1) * image.shape[1]
        for dx, weight_x in _TAPS[right]:
            columns = np.clip(order.columns + dx, 0, image.shape[1] - 1)
            total += np.float32(weight_y * weight_x) * image.reshape(-1, image.shape[2])[rows + columns]
    return total
