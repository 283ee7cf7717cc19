"""How images become pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from PIL import ImageColor

from inrformat.errors import UsageError

__all__ = ["Alpha", "AlphaPolicy", "ReadOptions"]


class Alpha(StrEnum):
    """What becomes of transparency."""

    DROP = "drop"  # as ImageFolder does
    MATTE = "matte"  # laid over a colour
    KEEP = "keep"  # as a fourth channel, opaque where an image has none


@dataclass(frozen=True, slots=True)
class AlphaPolicy:
    """What becomes of transparency. ``matte``: the colour, R, G and B, that images are laid over."""

    kind: Alpha = Alpha.DROP
    matte: tuple[int, int, int] = (255, 255, 255)

    @classmethod
    def of(cls, text: str) -> Self:
        """From ``drop``, ``keep`` or ``matte=COLOUR``, a name or ``#rrggbb``.

        Raises:
            UsageError: it is none of them.
        """
        if text in {Alpha.DROP, Alpha.KEEP}:
            return cls(Alpha(text))
        match = re.fullmatch(r"matte(=(.+))?", text)
        try:
            if match is not None:
                red, green, blue, *_ = ImageColor.getrgb(match[2] or "white")
                return cls(Alpha.MATTE, (red, green, blue))
        except ValueError:
            pass  # no colour: said below
        raise UsageError(f"alpha {text!r}: choose drop, keep or matte=COLOUR, as in matte=white or matte=#20c0ff")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How images become pixels.

    Attributes:
        size: short side in pixels to resize to, or None. alpha: what becomes of transparency.
        grey: keep one channel, and make colour images grey.
        white: the value that is white in images of more than 8 bits that do not say so themselves; None: each one's own
            highest, rounded up to a power of two less one.
    """

    size: int | None = None
    alpha: AlphaPolicy = field(default_factory=AlphaPolicy)
    grey: bool = False
    white: int | None = None
