"""What size a decoded image has: the ``size`` argument of data sets, loaders and commands."""

from __future__ import annotations

from inrformat.decoding.canvas import Canvas

__all__ = ["Size", "output_size"]

Size = int | tuple[int, int] | None
"""Output size: None for native, an int for the short side (as in ``v2.Resize``), or (height, width) in pixels."""


def output_size(native: tuple[int, int], size: Size) -> tuple[int, int]:
    """(height, width) in pixels that ``size`` means for an image of ``native`` (height, width)."""
    if size is None:
        return native
    if isinstance(size, tuple):
        return size
    canvas = Canvas.of([native[0]], [native[1]]).resize_short(size)
    return int(canvas.height), int(canvas.width)
