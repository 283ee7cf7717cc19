"""What is white in a set of images of more than 8 bits that do not say it themselves."""

from __future__ import annotations

from inrformat.conversion.pixels.depth import rounded_up
from inrformat.conversion.pixels.read import highest_value
from inrformat.conversion.sources.source import Source
from inrformat.errors import SourceError

__all__ = ["white_of"]

_IMAGES = 64


def white_of(source: Source) -> int | None:
    """By the highest value in some images spread over the set; None where none of them needs it."""
    count = len(source.names)
    highest: list[int] = []
    for number in sorted({k * count // _IMAGES for k in range(_IMAGES)}):
        try:
            value = highest_value(source.sample(number).image)
        except SourceError:
            continue  # it will be met again, and named
        highest += [] if value is None else [value]
    return rounded_up(max(highest)) if highest else None
