"""What of each image is in view: a reader need not make weights of the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Batch, Maps
from inrformat.decoding.geometry import PaddingMode

__all__ = ["seen_by"]

_BORDER_PX = 1.0
"""A position on the border of two parts of an image may belong to either."""


def seen_by(views: Sequence[Maps], batch: Batch) -> NDArray[np.float64]:
    """Bounds of all positions at which some view evaluates a sample, or a little more.

    Returns:
        float64 ``(B, 4)``: left, top, right, bottom, native px.
    """
    bounds = [_bounds(maps) for maps in views]
    # Positions outside of the image are evaluated with what holds at its edges.
    last = np.stack([batch.widths, batch.heights], axis=1) - 1.0
    low = np.minimum(np.minimum.reduce([low for low, _ in bounds]) - _BORDER_PX, last)
    high = np.maximum(np.maximum.reduce([high for _, high in bounds]) + _BORDER_PX, 0.0)
    return np.concatenate([low, high], axis=1)


def _bounds(maps: Maps) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest x and y of one view, float64 ``(B, 2)`` each."""
    shape = (len(maps.matrices), 2)
    if not maps.aligned:
        return np.full(shape, -np.inf), np.full(shape, np.inf)
    scale, shift = maps.matrices[:, [0, 4]], maps.matrices[:, [2, 5]]
    first, last = scale * 0.5 + shift, scale * (np.array([maps.width, maps.height]) - 0.5) + shift
    span = np.abs(scale)  # a filter reaches this far
    low, high = np.minimum(first, last) - span, np.maximum(first, last) + span
    left_top, right_bottom = maps.windows[:, :2], maps.windows[:, 2:]
    if maps.padding_mode in (PaddingMode.REFLECT, PaddingMode.SYMMETRIC):
        # What lies outside comes back from anywhere inside.
        outside = (low < left_top) | (high > right_bottom)
        return np.where(outside, left_top, low), np.where(outside, right_bottom, high)
    return np.clip(low, left_top, right_bottom), np.clip(high, left_top, right_bottom)
