"""The images of a source as they are read: decoded one after the other, in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from inrformat.conversion.sources import ImageSource, load_image
from inrformat.encoding.record import Image
from inrformat.errors import SourceError

__all__ = ["ChannelMoments", "ImageLoader", "Piece"]

PIECE_IMAGES = 256
PIECE_PIXELS = 1 << 24


class Piece(NamedTuple):
    """Some images of a source: their numbers in it, and their pixels."""

    numbers: list[int]
    images: list[Image]


class ImageLoader:
    """Reads the images of a source, remembering those it had to leave out.

    Attributes:
        source: where they come from. skipped: names of unreadable images met so far, each once.
    """

    def __init__(self, source: ImageSource, *, size: int | None, skip_unreadable: bool) -> None:
        """``size``: short side in pixels to resize to first, or None. ``skip_unreadable``: leave such images out."""
        self.source = source
        self.skipped: list[str] = []
        self._size = size
        self._skip_unreadable = skip_unreadable

    def load(self, number: int) -> Image | None:
        """One image; None where it is left out.

        Raises:
            SourceError: it cannot be read, and unreadable images are not to be left out.
        """
        name = self.source.names[number]
        try:
            return load_image(self.source.file(name), size=self._size, name=self.source.root / name)
        except SourceError as error:
            if not self._skip_unreadable:
                raise SourceError(f"{error}; remove it or pass --skip-unreadable") from error
            if name not in self.skipped:
                self.skipped.append(name)
            return None

    def pieces(self, chosen: Iterable[int]) -> Iterator[Piece]:
        """The readable ones of the ``chosen`` images, in order.

        A full piece waits for the next one, and the last two are equally long: so a size budget is never left to a few
        images, and all that are unreadable are known by then.
        """
        full: dict[int, Image] = {}
        piece: dict[int, Image] = {}
        for number in chosen:
            image = self.load(number)
            if image is None:
                continue
            piece[number] = image
            if len(piece) == PIECE_IMAGES or sum(i.size for i in piece.values()) >= 3 * PIECE_PIXELS:
                if full:
                    yield Piece(list(full), list(full.values()))
                full, piece = piece, {}
        rest = full | piece
        numbers = list(rest)
        cut = (len(numbers) + 1) // 2 if full and piece else len(numbers)
        for part in (numbers[:cut], numbers[cut:]):
            if part:
                yield Piece(part, [rest[number] for number in part])


class ChannelMoments:
    """Running mean and standard deviation of each channel over all pixels, in [0, 1] units.

    Attributes:
        pixels: of all images taken along.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((2, 3), np.int64)
        self.pixels = 0

    def add(self, image: Image) -> None:
        """Take along an image uint8 ``(height, width, 3)``."""
        flat = image.reshape(-1, 3).astype(np.int64)
        self._sums += np.stack([flat.sum(0), (flat * flat).sum(0)])
        self.pixels += len(flat)

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel."""
        mean, square = (self._sums / self.pixels).astype(np.float64)
        std = np.sqrt(np.maximum(square - mean * mean, 0))
        return tuple((mean / 255).tolist()), tuple((std / 255).tolist())
