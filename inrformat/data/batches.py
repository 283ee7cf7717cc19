"""From sample numbers to a batch: geometry drawn, records decoded, targets taken along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree
from torchvision import tv_tensors

from inrformat.data.mapping import mapped_batch
from inrformat.data.randomness import CounterGenerator
from inrformat.data.residency import Part, RecordStore
from inrformat.data.shards import Shards
from inrformat.data.transforms.batch_transforms import Images
from inrformat.data.transforms.fused.batch import Counters, Sides, key_of
from inrformat.data.transforms.plan import Frame, Plan
from inrformat.data.views import View
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.dispatch import decode_views
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.same_size import SameSize, same_size_groups
from inrformat.decoding.transfer import sent, sent_together
from inrformat.errors import UsageError

__all__ = ["Batch", "BatchMaker", "Drawn"]


class Batch(NamedTuple):
    """A decoded batch.

    images: of each view. targets: of each view, a tensor of B rows or a list of B targets; one and the same object
    where geometry leaves them alone. samples, occurrences: int64 ``(B,)`` on the host.
    """

    images: list[Images]
    targets: list[Any]
    samples: Tensor
    occurrences: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Samples with the random parameters of their views drawn.

    Attributes:
        samples, occurrences: int64 ``(n,)`` on the host, as `BatchMaker.draw` was given them. numbers: the former, on
            the device. canvases: of each view.
    """

    samples: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    numbers: Tensor
    canvases: tuple[Canvas, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, part: slice) -> Drawn:
        """Some of the samples, in order."""
        if part.stop - part.start == len(self):
            return self
        canvases = tuple(canvas[part] for canvas in self.canvases)
        return Drawn(self.samples[part], self.occurrences[part], self.numbers[part], canvases)


@dataclass(frozen=True, slots=True, eq=False)
class _Resident:
    """A data set of one file that is all on the device.

    Attributes:
        records: those of the file. rows: int64 ``(samples,)``, on the device: which of them each sample is.
    """

    records: DeviceRecords
    rows: Tensor

    def decoded(self, samples: Tensor, geometries: list[Geometry], views: Sequence[View]) -> list[Tensor]:
        """Each view ``(B, C, H, W)`` of ``samples``, int64 ``(B,)`` on the device."""
        rows = self.rows.index_select(0, samples)
        return decode_views(self.records, rows, geometries, [view.pixels for view in views])


class BatchMaker:
    """Makes batches of one data set with the same views; holds nothing that changes from batch to batch."""

    def __init__(
        self, shards: Shards, stores: list[RecordStore], views: Sequence[View], *, frame: Frame, seed: int
    ) -> None:
        """``stores``: of the files of ``shards``, all on one device."""
        self._shards, self._stores, self._views = shards, stores, views
        self._frame, self._seed = frame, seed
        self._device = stores[0].device
        targets = shards.whole_targets()
        self._targets = None if targets is None else targets.to(self._device)
        self._drawing_device = self._device if self._on_device() else torch.device("cpu")
        heights, widths = (torch.from_numpy(shards.column(name)) for name in ("heights", "widths"))
        self._sides = Sides(heights.to(self._drawing_device), widths.to(self._drawing_device))
        whole = stores[0].whole if len(stores) == 1 else None
        self._resident = None if whole is None else _Resident(whole, torch.from_numpy(shards.row).to(self._device))

    def _on_device(self) -> bool:
        """Whether geometry is drawn where it is used.

        Where the host must know it, for boxes, masks or images that differ in size, it is drawn there: reading it from
        the device would wait for all that is queued. Displacements are too large to be drawn and sent by the host.
        """
        host_knows = self._targets is None or any(view.plan.size is None for view in self._views)
        return not host_knows or any(_displaces(view.plan, self._frame) for view in self._views)

    @torch.no_grad()
    def draw(self, samples: NDArray[np.int64], occurrences: NDArray[np.int64], *, epoch: int) -> Drawn:
        """Draw the random parameters of ``samples (n,)``, numbers in the data set, for one batch or several.

        ``occurrences (n,)``: how often each has come before in ``epoch``.
        """
        key = key_of(self._seed, epoch)
        packed = np.concatenate([key, samples, occurrences])  # one copy to the device
        facts = sent(torch.from_numpy(packed), self._drawing_device)
        counters = Counters(*facts.split([len(key), len(samples), len(samples)]))
        canvases = [self._canvas(view.plan, counters, view=k, epoch=epoch) for k, view in enumerate(self._views)]
        return Drawn(samples, occurrences, sent(counters.samples, self._device), tuple(canvases))

    def _canvas(self, plan: Plan, counters: Counters, *, view: int, epoch: int) -> Canvas:
        """By the compiled step, or by torch where that cannot."""
        if plan.program is not None and plan.program.runs_on(self._drawing_device):
            return plan.program.canvas(counters, self._sides, view=view)
        samples, occurrences = counters.samples, counters.occurrences
        canvas = self._frame.canvas(*(side.index_select(0, samples) for side in self._sides))
        generator = CounterGenerator(samples, seed=self._seed, epoch=epoch, occurrences=occurrences, view=view)
        return plan.canvas(canvas, generator)

    @torch.no_grad()
    def make(self, drawn: Drawn) -> Batch:
        """The batch of the samples ``drawn``."""
        groups = [same_size_groups(canvas) for canvas in drawn.canvases]
        host = torch.from_numpy(drawn.samples), torch.from_numpy(drawn.occurrences)
        targets = self._targets_of(drawn.samples, drawn.numbers, groups)
        return Batch(self._images(drawn, groups), targets, *host)

    @torch.no_grad()
    def replayable(self, counters: Counters) -> Batch:
        """The batch that ``counters`` on the device say, of which the host needs to know nothing.

        Its samples and occurrences are those of ``counters``. Only where `why_not_replayable` has nothing to say.
        """
        resident, targets = self._resident, self._targets
        if resident is None or targets is None:
            raise UsageError(f"batches cannot be replayed: {self.why_not_replayable()}")
        canvases = [self._canvas(view.plan, counters, view=k, epoch=0) for k, view in enumerate(self._views)]
        images = resident.decoded(counters.samples, [canvas.geometry() for canvas in canvases], self._views)
        chosen = targets.index_select(0, counters.samples)
        return Batch(list(images), [chosen] * len(images), counters.samples, counters.occurrences)

    def why_not_replayable(self) -> str | None:
        """What about a batch only the host can tell, or None."""
        if self._resident is None:
            return "it takes one file whose records are all on the device"
        if self._targets is None:
            return "targets differ in shape, or move with their images"
        for view in self._views:
            if view.plan.batch_transforms:
                return f"{type(view.plan.batch_transforms[0]).__name__} draws its parameters on the host"
            if view.plan.program is None or not view.plan.program.runs_on(self._device):
                return "the compiled step cannot draw the parameters of these transforms here"
            if view.plan.size is None:
                return "images differ in size after the transforms"
        return None

    def _images(self, drawn: Drawn, groups: list[list[SameSize]]) -> list[Images]:
        """The images of every view, of which ``groups`` has the geometries."""
        if not all(len(of_view) == 1 for of_view in groups):
            return [
                self._ragged(drawn.samples, of_view, view) for of_view, view in zip(groups, self._views, strict=True)
            ]
        geometries = [of_view[0].geometry.to(self._device) for of_view in groups]
        if self._resident is None:
            return list(self._decoded(drawn.samples, geometries, self._views))
        return list(self._resident.decoded(drawn.numbers, geometries, self._views))

    def _ragged(self, samples: NDArray[np.int64], groups: list[SameSize], view: View) -> list[Tensor]:
        images: dict[int, Tensor] = {}
        for group in groups:
            (batch,) = self._decoded(samples[group.places], [group.geometry], [view])
            images.update(zip(group.places.tolist(), batch, strict=True))
        return [images[place] for place in range(len(samples))]

    def _decoded(self, samples: NDArray[np.int64], geometries: list[Geometry], views: Sequence[View]) -> list[Tensor]:
        """Each view ``(B, C, H, W)`` of ``samples``, wherever their records lie; all views by one reading."""
        forms = [view.pixels for view in views]
        geometries = [geometry.to(self._device) for geometry in geometries]
        parts = self._parts(samples)
        if len(parts) == 1:
            return decode_views(parts[0].records, parts[0].rows, geometries, forms)
        channels = parts[0].records.channels
        results = [
            form.empty((len(samples), channels, *geometry.size), self._device)
            for form, geometry in zip(forms, geometries, strict=True)
        ]
        for part in parts:
            places = self._sent(part.places)
            pieces = decode_views(part.records, part.rows, [geometry[places] for geometry in geometries], forms)
            for result, piece in zip(results, pieces, strict=True):
                result[places] = piece
        return results

    def _parts(self, samples: NDArray[np.int64]) -> list[Part]:
        files, rows = self._shards.file[samples], self._shards.row[samples]
        parts = []
        for number in np.unique(files):
            places = np.flatnonzero(files == number)
            parts += self._stores[number].parts(rows[places], places)
        return parts

    def _targets_of(self, samples: NDArray[np.int64], numbers: Tensor, groups: list[list[SameSize]]) -> list[Any]:
        if self._targets is not None:
            return [self._targets.index_select(0, numbers)] * len(groups)
        native = [self._shards.target(int(sample)) for sample in samples]
        return [_sent_targets(mapped_batch(native, of_view), self._device) for of_view in groups]

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return sent(torch.from_numpy(array), self._device)


def _sent_targets(targets: list[Any], device: torch.device) -> list[Any]:
    """``targets`` with every tensor in them on ``device``, tv_tensors as such."""
    leaves, structure = pytree.tree_flatten(targets)
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    plain = sent_together([leaves[k].as_subclass(Tensor) for k in places], device)
    for k, tensor in zip(places, plain, strict=True):
        leaves[k] = tv_tensors.wrap(tensor, like=leaves[k])
    return pytree.tree_unflatten(leaves, structure)  # type: ignore[no-any-return]


def _displaces(plan: Plan, frame: Frame) -> bool:
    """Whether a plan moves output positions one by one, found out on one image."""
    height, width = frame.size or (frame.shortest + 1, frame.shortest + 2)
    canvas = frame.canvas(torch.tensor([height]), torch.tensor([width]))
    return plan.canvas(canvas, CounterGenerator(torch.arange(1), seed=0, epoch=0)).displacement is not None
