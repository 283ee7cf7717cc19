"""Colour profiles (ICC) to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms

__all__ = ["ProfileError", "converted_to_srgb"]

ProfileError = ImageCms.PyCMSError
_SRGB = "srgb"


def converted_to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """An image of mode L, RGB, CMYK or LAB in sRGB, mode RGB; None where the profile says that it is that already.

    Raises:
        ProfileError: the profile cannot be read, or is not for such images.
    """
    transform = _transform(profile, image.mode)
    return None if transform is None else transform.apply(image)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and _SRGB in ImageCms.getProfileDescription(source).lower():
        return None
    # Threads share transforms; the cache of one pixel inside of them is not made for that.
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.PERCEPTUAL,
        flags=ImageCms.Flags.NOCACHE,
    )
