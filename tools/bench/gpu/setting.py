"""What every section is given: the carried files, the device, and how much of everything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from decode import MEAN, STD, View, views
from PIL import Image
from torch import Tensor

from inrformat import InrdDataset, PixelFormat
from inrformat.data.residency import load_resident
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.records import DeviceRecords

__all__ = ["FAMILIES", "FORM", "FULL", "TINY", "USUAL", "Scale", "Setting"]

FAMILIES = ("cells", "siren")
"""Of which the carried folder has a file each."""
FORM = PixelFormat(torch.bfloat16, MEAN, STD, channels_last=True)
"""What a training step takes."""
USUAL = "random resized crop 224, flip"
"""Name of the view that the figures are about."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything.

    Attributes:
        batch: images. sweep: other batches. passes: of which the median counts. checked: images of a check.
        checked_px: their size. kinds: of geometries and of damages, the first so many; None: all. epochs: of
        prefetching. gap_bytes: unused payload in front of records that are far away. steps: of training.
        encoded: images that are encoded.
    """

    batch: int
    sweep: tuple[int, ...]
    passes: int
    checked: int
    checked_px: int
    kinds: int | None
    epochs: int
    gap_bytes: int
    steps: int
    encoded: int


FULL = Scale(
    batch=256,
    sweep=(32, 64, 128, 512, 1024, 2048),
    passes=20,
    checked=6,
    checked_px=96,
    kinds=None,
    epochs=40,
    gap_bytes=(4 << 30) + (64 << 20),
    steps=60,
    encoded=64,
)
TINY = Scale(
    batch=1,
    sweep=(2,),
    passes=1,
    checked=1,
    checked_px=8,
    kinds=1,
    epochs=2,
    gap_bytes=1 << 20,
    steps=1,
    encoded=1,
)
"""For a run in Triton's interpreter, which only shows that everything runs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every section is given.

    Attributes:
        folder: what ``prepare`` has made.
    """

    folder: Path
    device: torch.device
    scale: Scale

    @property
    def on_gpu(self) -> bool:
        """Whether there are streams, graphs and synchronisation to look at."""
        return self.device.type == "cuda"

    def file(self, family: str) -> Path:
        """The file of a family's images."""
        return self.folder / f"{family}.inrd"

    def dataset(self, family: str) -> InrdDataset:
        """Its images, without a transform."""
        return InrdDataset(self.file(family))

    def records(self, family: str) -> DeviceRecords:
        """All of its records on the device."""
        data = self.dataset(family)
        return load_resident(data.reader, data.codebook, self.device)

    def rows(self, records: DeviceRecords, batch: int | None = None) -> Tensor:
        """The first ``batch`` records, over and over where there are fewer."""
        return torch.arange(self.scale.batch if batch is None else batch, device=self.device) % len(records)

    def views(self, records: DeviceRecords, batch: int | None = None) -> list[View]:
        """The geometries of interest, smaller where all is."""
        side = int(records.shapes[0, 1])
        return views(side, self.scale.batch if batch is None else batch, size=min(224, side))

    def usual(self, records: DeviceRecords, batch: int | None = None) -> Geometry:
        """A random resized crop and a flip for each of ``batch`` images."""
        (view,) = (v for v in self.views(records, batch) if v.name == USUAL)
        return view.geometry(int(records.shapes[0, 1])).to(self.device)

    def jpegs(self) -> list[bytes]:
        """The images of ``cells`` as JPEG of quality 90, in the same order."""
        return [path.read_bytes() for path in sorted(self.folder.glob("jpeg/*/*.jpg"))]

    def pixels(self) -> Tensor:
        """The same decoded, uint8 ``(N, 3, side, side)`` on the host."""
        images = [np.asarray(Image.open(path)) for path in sorted(self.folder.glob("jpeg/*/*.jpg"))]
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
