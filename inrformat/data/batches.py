"""From sample numbers to a batch: geometry drawn, records decoded, targets taken along."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree

from inrformat.data.mapping import mapped
from inrformat.data.randomness import CounterGenerator
from inrformat.data.residency import Part, RecordStore
from inrformat.data.shards import Shards
from inrformat.data.transforms.plan import Frame, Plan
from inrformat.decoding.dispatch import decode
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat

__all__ = ["Batch", "BatchMaker"]


class Batch(NamedTuple):
    """A decoded batch.

    images: ``(B, C, H, W)``. targets: a tensor of B rows, or a list of B targets. samples, occurrences: int64 ``(B,)``
    on the host.
    """

    images: Tensor
    targets: Any
    samples: Tensor
    occurrences: Tensor


class BatchMaker:
    """Makes batches of one data set under one plan; holds nothing that changes from batch to batch."""

    def __init__(
        self, shards: Shards, stores: list[RecordStore], plan: Plan, *, pixels: PixelFormat, frame: Frame, seed: int
    ) -> None:
        """``stores``: of the files of ``shards``, all on one device. ``pixels``: the form of decoded images."""
        self._shards, self._stores, self._plan, self._pixels = shards, stores, plan, pixels
        self._frame, self._seed = frame, seed
        self._device = stores[0].device
        self._heights, self._widths = shards.column("heights"), shards.column("widths")
        whole = shards.whole_targets()
        self._targets = None if whole is None else whole.to(self._device)

    @torch.no_grad()
    def make(self, samples: NDArray[np.int64], occurrences: NDArray[np.int64], *, epoch: int) -> Batch:
        """The batch of ``samples (B,)``, numbers in the data set, which have come ``occurrences (B,)`` times before."""
        facts = np.stack([samples, occurrences, self._heights[samples], self._widths[samples]])
        numbers, repeats, heights, widths = self._sent(facts).unbind(0)
        generator = CounterGenerator(numbers, seed=self._seed, epoch=epoch, occurrences=repeats)
        geometry = self._plan.canvas(self._frame.canvas(heights, widths), generator).geometry()
        images = self._images(samples, geometry)
        host = torch.from_numpy(samples), torch.from_numpy(occurrences)
        if self._targets is not None:
            return Batch(images, self._targets[numbers], *host)
        moved = geometry.to("cpu")
        targets = [mapped(self._shards.target(int(s)), moved[k : k + 1]) for k, s in enumerate(samples)]
        return Batch(images, pytree.tree_map(self._target_sent, targets), *host)

    def _images(self, samples: NDArray[np.int64], geometry: Geometry) -> Tensor:
        parts = self._parts(samples)
        if len(parts) == 1:
            return decode(parts[0].records, parts[0].rows, geometry, self._pixels)
        shape = (len(samples), parts[0].records.channels, *geometry.size)
        images = self._pixels.empty(shape, self._device)
        for part in parts:
            places = self._sent(part.places)
            images[places] = decode(part.records, part.rows, geometry[places], self._pixels)
        return images

    def _parts(self, samples: NDArray[np.int64]) -> list[Part]:
        files, rows = self._shards.file[samples], self._shards.row[samples]
        parts = []
        for number in np.unique(files):
            places = np.flatnonzero(files == number)
            parts += self._stores[number].parts(rows[places], places)
        return parts

    def _sent(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _target_sent(self, leaf: Any) -> Any:
        return leaf.to(self._device) if isinstance(leaf, Tensor) else leaf
