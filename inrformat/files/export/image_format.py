"""Decoded images as files of a common format."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image
from torch import Tensor

from inrformat.errors import UsageError

__all__ = ["Encoding", "ImageFormat"]


class ImageFormat(StrEnum):
    """What images become."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class Encoding:
    """A format, and the quality 1..100 of those that lose something (95 where None)."""

    format: ImageFormat = ImageFormat.PNG
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.quality is not None and (self.format is ImageFormat.PNG or not 1 <= self.quality <= 100):
            raise UsageError(f"quality {self.quality} of {self.format}: 1 to 100, and not for png, which loses nothing")

    @property
    def suffix(self) -> str:
        """Of file names."""
        return ".jpg" if self.format is ImageFormat.JPEG else f".{self.format}"

    def encode(self, image: Tensor) -> bytes:
        """A file of an image uint8 ``(C, H, W)`` of 1, 3 or 4 channels.

        Raises:
            UsageError: the format does not hold four.
        """
        if self.format is ImageFormat.JPEG and len(image) == 4:
            raise UsageError("images with transparency, which jpeg does not hold: choose png or webp")
        array = image.permute(1, 2, 0).cpu().numpy()
        picture = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
        file = io.BytesIO()
        options = {} if self.format is ImageFormat.PNG else {"quality": self.quality or 95}
        picture.save(file, self.format.upper(), **options)
        return file.getvalue()
