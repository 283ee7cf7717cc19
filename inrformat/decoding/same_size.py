"""Batches whose samples differ in size, as groups that do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry

__all__ = ["SameSize", "same_size_groups"]


@dataclass(frozen=True, slots=True, eq=False)
class SameSize:
    """Samples of a batch that become images of one size.

    Attributes:
        places: int64 ``(n,)``, numpy, their places in the batch. geometry: of these samples.
    """

    places: NDArray[np.int64]
    geometry: Geometry


def same_size_groups(canvas: Canvas) -> list[SameSize]:
    """The samples of ``canvas`` by the size of their frames, rounded to whole pixels; all of them where it is one.

    Where samples differ, their sizes are read from the device.
    """
    if canvas.size is not None:
        return [SameSize(np.arange(len(canvas)), canvas.geometry())]
    sides = torch.stack([canvas.height, canvas.width], dim=1).round().long().cpu().numpy()
    sizes, group = np.unique(sides, axis=0, return_inverse=True)
    groups = []
    for number, (height, width) in enumerate(sizes.tolist()):
        places = np.flatnonzero(group.reshape(-1) == number)
        frame = canvas[torch.from_numpy(places).to(canvas.height.device)]
        groups.append(SameSize(places, replace(frame, size=(height, width)).geometry()))
    return groups
