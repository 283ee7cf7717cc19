"""What is known of one image beside its class: its objects, its captions and its masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inrformat.conversion.annotations.run_length import RunLengthMask

__all__ = ["Annotation", "Instance", "Keypoints", "Points"]

Points = tuple[tuple[float, float], ...]
Keypoints = tuple[tuple[float, float, int], ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One object.

    Attributes:
        label: its class number. box: left, top, right, bottom. polygons: its outlines, each of (x, y); all in shares of
            the image's width and height. keypoints: (x, y, visibility), x and y in such shares.
        run_length_mask: its mask, where it came as pixels. crowd: many objects of the class, not told apart.
    """

    label: int
    box: tuple[float, float, float, float]
    polygons: tuple[Points, ...] = ()
    keypoints: Keypoints = ()
    run_length_mask: RunLengthMask | None = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is known of one image.

    Attributes:
        instances: its objects. keypoints: of none of them. captions: texts of one line. mask: semantic class numbers
            ``(H, W)``, or their file. size: (height, width) in pixels of the picture that was annotated, where known.
    """

    instances: tuple[Instance, ...] = ()
    keypoints: Keypoints = ()
    captions: tuple[str, ...] = ()
    mask: Path | NDArray[np.integer] | None = None
    size: tuple[float, float] | None = None
