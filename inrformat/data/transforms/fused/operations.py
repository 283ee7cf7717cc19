"""What the compiled step can do to frames."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["BOX_TRIES", "MIDDLE", "WORDS", "Instruction", "Operation"]

BOX_TRIES = 10
"""Boxes that ``v2.RandomResizedCrop`` tries."""
MIDDLE = float("nan")
"""A centre's coordinate that is the middle of the frame."""


class Operation(IntEnum):
    """One change of a batch's frames, named with its settings; each means what `Canvas` makes of it."""

    RANDOM_BOX = 0
    """Crop as ``v2.RandomResizedCrop``: least and most area share, least and most ln(ratio), least and most ratio."""
    CUT_WINDOW = 1
    """What was cropped away is not seen from now on."""
    RESIZE = 2
    """Height, width."""
    FLIP_HORIZONTALLY = 3
    """Probability."""
    FLIP_VERTICALLY = 4
    """Probability."""
    EXPOSE = 5
    """What lies beyond the frame is in view from now on."""
    ROTATE = 6
    """Least and most degrees, counter-clockwise; x and y of the centre."""
    AFFINE = 7
    """Least and most degrees, clockwise; greatest shift along x and y, shares of the frame; least and most scale; least
    and most shear along x, then along y, in degrees; x and y of the centre."""
    RESIZE_SHORT = 8
    """The shorter side."""
    CENTER_CROP = 9
    """Height, width; of frames that are as large."""
    RANDOM_CROP = 10
    """Height, width."""
    PAD = 11
    """Left, top, right, bottom."""


WORDS = {
    Operation.RANDOM_BOX: 2 * BOX_TRIES + 2,
    Operation.FLIP_HORIZONTALLY: 1,
    Operation.FLIP_VERTICALLY: 1,
    Operation.ROTATE: 1,
    Operation.RANDOM_CROP: 2,
    Operation.AFFINE: 6,
}
"""Random words that an operation takes of each sample; the others take none."""


class Instruction(NamedTuple):
    """An operation with its settings."""

    operation: Operation
    settings: tuple[float, ...] = ()
