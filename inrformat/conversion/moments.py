"""Mean and standard deviation of the channels of a data set, exactly, image by image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inrformat.encoding.record import Image

__all__ = ["ChannelMoments"]

_VALUES = np.arange(256)


class ChannelMoments:
    """Running mean and standard deviation of each channel over all pixels, in [0, 1] units.

    Attributes:
        pixels: of all images taken along. sums: of values and of their squares, for each channel.
    """

    def __init__(self, pixels: int = 0, sums: Sequence[Sequence[int]] = ((), ())) -> None:
        self.pixels = pixels
        self.sums = [list(row) for row in sums]

    def add(self, image: Image) -> None:
        """Take along an image uint8 ``(height, width, channels)``."""
        flat = image.reshape(-1, image.shape[2])
        counts = [np.bincount(flat[:, channel], minlength=256) for channel in range(flat.shape[1])]
        sums = [[int(count @ powers) for count in counts] for powers in (_VALUES, _VALUES * _VALUES)]
        self.merge(ChannelMoments(len(flat), sums))

    def merge(self, other: ChannelMoments) -> None:
        """Take along what others were taken along by ``other``."""
        if not self.pixels:
            self.sums = [[0] * len(row) for row in other.sums]
        self.sums = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(self.sums, other.sums, strict=True)]
        self.pixels += other.pixels

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel."""
        mean, square = np.array(self.sums, np.float64) / self.pixels
        std = np.sqrt(np.maximum(square - mean * mean, 0))
        return tuple((mean / 255).tolist()), tuple((std / 255).tolist())
