"""What was done to an image so that it could be stored."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Note"]


class Note(StrEnum):
    """Something worth saying of an image; the values read on after a count."""

    FIRST_FRAME = "hold several pictures: the first was taken"
    ALPHA_DROPPED = "have transparency: it was dropped (--alpha)"
    ALPHA_MATTED = "have transparency: they were laid over one colour"
    PROFILE_CONVERTED = "have a colour profile: they were converted to sRGB"
    PROFILE_BROKEN = "have a colour profile that cannot be used: it was ignored"
    EXIF_BROKEN = "have EXIF data that cannot be read: they were not turned"
    DEPTH_GUESSED = "have more than 8 bits and do not say what is white: the next of 10, 12, 14 or 16 bits was taken"
    NEARLY_BLACK = "have more than 8 bits, of which the highest are unused: they are nearly black; scale them first"
    COLOUR_DROPPED = "are in colour: they were made grey"
