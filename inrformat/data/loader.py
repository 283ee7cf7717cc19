"""``InrdLoader``: batches of an .inrd data set as whole tensors, decoded on the device that trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torchvision.datasets.vision import StandardTransform
from torchvision.transforms import v2

from inrformat.data.batches import Batch, BatchMaker, Drawn
from inrformat.data.collation import collation_of
from inrformat.data.dataloader_arguments import prefetched_batches, seed_of, warn_of_ignored
from inrformat.data.dataset import InrdDataset
from inrformat.data.epoch_order import EpochOrder, check_order
from inrformat.data.epoch_step import EpochStep
from inrformat.data.finish import Finish
from inrformat.data.prefetch import Prefetcher
from inrformat.data.residency import RecordStore, Residency
from inrformat.data.shards import Shards, Source, opened
from inrformat.data.transforms.plan import Plan
from inrformat.data.views import View, pipelines_of
from inrformat.decoding.devices import checked_device
from inrformat.decoding.output_size import Size
from inrformat.errors import GeometryError, UsageError

__all__ = ["InrdLoader"]


@dataclass(frozen=True, slots=True)
class _EpochListener:
    """In the place of a sampler that was not given: ``set_epoch`` passes the epoch on."""

    set_epoch: Callable[[int], None]


class InrdLoader:
    """Iterating gives ``(images, targets)``: a tensor ``(B, C, H, W)`` on the device, and the batch's targets.

    Class numbers and other targets of one shape come as a tensor on the device, ragged ones as a list
    (``inrformat.data.targets.collate``). Everything random is a function of (seed, epoch, sample number,
    and how often the sample came before in the epoch): a sample has the same pixels in any batch, on any rank and
    after a resume, and others each time that it comes again. (A ``sampler`` decides about ranks; then these count
    too.) Every iteration is the next epoch, as `set_epoch` counts them.

    Under torch.distributed each rank gets its share: equal ones when training (``even``), exact ones otherwise.

    Attributes:
        dataset: a data set, also where paths were given. device: of the batches.
        batch_size, batch_sampler, drop_last, collate_fn: as they were given.
    """

    def __init__(  # noqa: PLR0917  # DataLoader's
        self,
        dataset: Source,
        batch_size: int = 1,
        shuffle: bool | None = None,  # noqa: FBT001  # these are in DataLoader's order
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,  # noqa: FBT001, FBT002
        drop_last: bool = False,  # noqa: FBT001, FBT002
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: torch.Generator | None = None,
        *,
        seed: int | None = None,
        indices: Sequence[int] | None = None,
        size: Size = None,
        transform: Any = None,
        views: int | None = None,
        collate: str = "batch",
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
        device: str | torch.device = "auto",
        prefetch: int | None = None,
        residency: str = "auto",
        budget_bytes: int | None = None,
        even: bool | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        """Open the files and put their bytes where they are to be.

        A ``DataLoader``'s arguments keep their names, places and meaning; those that concern worker processes or
        pinned memory have none here and are warned of where they ask for something.

        Args:
            dataset: an `InrdDataset` or path, a ``Subset`` or ``ConcatDataset`` of them, or a list of shards.
            batch_size: samples in a batch of this process. drop_last: leave an incomplete last batch out.
            shuffle: a new random order in every epoch.
            sampler, batch_sampler: numbers of samples, or batches of them; they decide themselves about order, epochs
                and ranks.
            collate_fn: makes a batch of its samples, a list of (image, target), images on the device.
            seed: of the order and of every random parameter; 0 by default. generator: its seed is taken instead.
            indices: only these samples, by number in ``dataset``.
            size: decode at this size before the transform: short side in pixels, or (height, width).
            transform: a torchvision pipeline; by default the data set's own. Its geometric part is evaluated in
                coordinates, the rest on the decoded batch: `inrformat.explain` says which is which. A list of
                pipelines makes a view by each of them: ``images`` is then a list as well.
            views: so many views by one pipeline, each with random parameters of its own. A record is decoded once for
                all of its views.
            collate: "batch" for tensors, "list" for a list of images, which may differ in size, and one of targets.
            dtype: of the images; uint8 images become floats in [0, 1].
            memory_format: ``torch.channels_last`` for strides of that form.
            device: "cuda", "cuda:N", "cpu" or "auto".
            prefetch: batches made ahead of time: on a side stream on CUDA, in a thread on the CPU; 2 by default, 0 for
                none. prefetch_factor: the same.
            residency: "device", "pinned", "mmap" or "auto" (`Residency`). budget_bytes: of the device, for "auto".
            even: share samples out evenly to ranks, leaving out what remains; None: when shuffling or dropping.

        Raises:
            UsageError: arguments that contradict each other. GeometryError: images of unlike size make no batch.
        """
        check_order(
            batch_size, sampler, batch_sampler, ordered=bool(shuffle) or indices is not None, drop_last=drop_last
        )
        ignored = {
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "pin_memory_device": pin_memory_device,
            "timeout": timeout,
            "worker_init_fn": worker_init_fn,
            "multiprocessing_context": multiprocessing_context,
            "persistent_workers": persistent_workers,
            "in_order": in_order,
        }
        warn_of_ignored(ignored, stacklevel=2)
        kind = _checked_residency(residency)
        self.batch_size, self.device = batch_size, checked_device(device)
        self._sampler, self.batch_sampler, self.drop_last = sampler, batch_sampler, drop_last
        self._seed = seed_of(seed, generator)
        self._prefetcher = Prefetcher(depth=prefetched_batches(prefetch, prefetch_factor), device=self.device)
        self.dataset = opened(dataset)
        self._shards = Shards.of(self.dataset)
        self._order = EpochOrder.of(
            len(self._shards),
            indices,
            batch_size=batch_size,
            shuffle=bool(shuffle),
            drop_last=drop_last,
            even=(bool(shuffle) or drop_last) if even is None else even,
            seed=self._seed,
            device=self.device,
            sampler=sampler,
            batch_sampler=batch_sampler,
        )
        self._frame = self._shards.frame()
        self._stores = _stores(self._shards, self.device, kind, budget_bytes)
        self._dtype, self._memory_format = dtype, memory_format
        self._transform, self._size, self._views = transform, size, views
        self._collate, self.collate_fn = collate, collate_fn
        self._prepare()
        self._next = (0, 0)  # epoch and position at which the next iteration starts
        self._at = (0, 0)  # what has been handed out

    # -- what becomes of an image

    @property
    def transform(self) -> Any:
        """The pipeline, or those of several views; setting it changes batches from the next iteration on.

        None: the data set's own.
        """
        return self._transform

    @transform.setter
    def transform(self, transform: Any) -> None:
        self._prepare(transform=transform)

    @property
    def size(self) -> Size:
        """At which images are decoded before the transform; setting it, as for progressive resizing, is as cheap."""
        return self._size

    @size.setter
    def size(self, size: Size) -> None:
        self._prepare(size=size)

    @property
    def plan(self) -> Plan:
        """What became of the transform, of the first one where there are several views: print it."""
        return self.plans[0]

    @property
    def plans(self) -> tuple[Plan, ...]:
        """What became of the transform of each view."""
        return tuple(view.plan for view in self._finish.views)

    def _prepare(self, **changes: Any) -> None:
        """Split the pipelines, and be ready to make batches; where records lie stays as it is.

        Args:
            changes: of ``transform`` or ``size``, kept only if they can be followed.

        Raises:
            GeometryError: images of unlike size make no batch.
        """
        transform, size = changes.get("transform", self._transform), changes.get("size", self._size)
        first = self._shards.files[0]
        own, target_transform = _own_transforms(first)
        pipelines, several = pipelines_of(own if transform is None else transform, self._views)
        views = tuple(
            View.of(
                pipeline,
                self._frame,
                size=first.size if size is None else size,
                dtype=self._dtype,
                memory_format=self._memory_format,
            )
            for pipeline in pipelines
        )
        collation = collation_of(self._collate, self.collate_fn, several=several)
        if len(self._shards) and self._collate == "batch" and self.collate_fn is None:
            for view in views:
                _check_size(view.plan)
        self._finish = Finish(
            views=views,
            target_transform=target_transform,
            collation=collation,
            seed=self._seed,
            memory_format=self._memory_format,
            device=self.device,
        )
        self._maker = BatchMaker(self._shards, self._stores, views, frame=self._frame, seed=self._seed)
        self._transform, self._size, self._own = transform, size, first.transforms

    # -- epochs and state

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of ``epoch``: from its beginning, or on from a loaded state of that epoch."""
        if self._next[0] != epoch:
            self._next = (epoch, 0)
        self._at = self._next

    @property
    def sampler(self) -> Any:
        """As it was given; without one, an object whose ``set_epoch`` is the loader's.

        So scripts and libraries that call ``loader.sampler.set_epoch(epoch)`` reach whoever makes the order.
        """
        return _EpochListener(self.set_epoch) if self._sampler is None else self._sampler

    def state_dict(self) -> dict[str, int]:
        """Where the data stands: after the batches handed out, not after those made ahead.

        Of an unfinished epoch, ``position`` says how many of its samples all ranks together have seen; loading it goes
        on from there with any batch size and number of ranks. (With a ``sampler`` it counts this rank's samples, with
        a ``batch_sampler`` its batches; those must give the same order again.)
        """
        return {"epoch": self._at[0], "position": self._at[1], "seed": self._seed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration go on where ``state`` was taken.

        Raises:
            UsageError: it was taken under another seed, whose order is another.
        """
        if state["seed"] != self._seed:
            raise UsageError(f"the state is of seed {state['seed']}, the loader has seed {self._seed}")
        self._next = self._at = (state["epoch"], state["position"])

    def __len__(self) -> int:
        """Batches in a whole epoch on this rank."""
        return len(self._order)

    def __repr__(self) -> str:
        files = ", ".join(str(f.reader.path) for f in self._shards.files[:3])
        more = f" and {len(self._shards.files) - 3} more" if len(self._shards.files) > 3 else ""
        order = "shuffled" if self._order.shuffle else "in the order of a sampler" if self._order.given else "in order"
        return (
            f"InrdLoader of {files}{more}: {len(self._order.samples)} samples {order}, batches of {self.batch_size} on "
            f"{self.device}\n" + "\n".join(dict.fromkeys(map(str, self.plans)))
        )

    # -- batches

    def __iter__(self) -> Iterator[Any]:
        """An epoch: the next one, or the rest of the one whose state was loaded."""
        if self._shards.files[0].transforms is not self._own:  # they were set on the data set meanwhile
            self._prepare()
        epoch, position = self._next
        self._next, self._at = (epoch + 1, 0), (epoch, position)
        maker, finish = self._maker, self._finish  # of this epoch, whatever is set meanwhile
        ahead: deque[int] = deque()  # positions behind the batches that are being made

        def jobs() -> Iterator[Callable[[], Batch]]:
            for together in self._order.together(epoch, position):
                samples = np.concatenate([job.samples for job in together])
                occurrences = np.concatenate([job.occurrences for job in together])
                drawn = cache(partial(maker.draw, samples, occurrences, epoch=epoch))  # by the first of their batches
                start = 0
                for job in together:
                    ahead.append(job.after)
                    yield partial(_made, maker, drawn, slice(start, start + len(job.samples)))
                    start += len(job.samples)

        with closing(self._prefetcher.results(jobs())) as batches:
            for batch in batches:
                result = finish(batch, epoch=epoch)
                self._at = epoch, ahead.popleft()
                yield result
        self._at = epoch + 1, 0

    def step(self) -> EpochStep:
        """The batches of any epoch from one call that a CUDA graph can hold: see `EpochStep`.

        Raises:
            UsageError: what makes a batch here needs the host, and why.
        """
        reason = self._maker.why_not_replayable()
        if self.batch_sampler is not None:
            reason = "a batch_sampler may give batches of any size"
        elif self.collate_fn is not None or self._collate != "batch" or self._finish.target_transform is not None:
            reason = "collate and target_transform run on the host"
        if reason is not None:
            raise UsageError(f"no step for a CUDA graph: {reason}")
        return EpochStep(self._maker, self._order, self._finish, seed=self._seed, device=self.device)


def _made(maker: BatchMaker, drawn: Callable[[], Drawn], part: slice) -> Batch:
    return maker.make(drawn()[part])


def _checked_residency(name: str) -> Residency:
    try:
        return Residency(name)
    except ValueError as error:
        raise UsageError(f"residency {name!r}: choose one of {', '.join(Residency)}") from error


def _own_transforms(dataset: InrdDataset) -> tuple[Any, Any]:
    """The data set's transform, and the one of its targets."""
    own = dataset.transforms
    if own is None:
        return None, None
    if isinstance(own, StandardTransform):
        return own.transform, own.target_transform
    if isinstance(own, v2.Transform):
        return own, None
    raise UsageError("the data set's joint transforms are not a torchvision v2 pipeline: give transform= instead")


def _check_size(plan: Plan) -> None:
    """Refuse what cannot make a batch: images of unlike size that no transform on decoded images makes alike.

    Raises:
        GeometryError: it is so.
    """
    if plan.size is None and not plan.batch_transforms:
        raise GeometryError(
            "images of unlike size make no batch: begin the transform with RandomResizedCrop or with Resize and "
            'CenterCrop, give size=(height, width), or take them in a list with collate="list"'
        )


def _stores(shards: Shards, device: torch.device, kind: Residency, budget_bytes: int | None) -> list[RecordStore]:
    """Of each file; a budget is spent on the first files first."""
    stores = []
    for dataset in shards.files:
        store = RecordStore(dataset.reader, dataset.codebook, device, residency=kind, budget_bytes=budget_bytes)
        stores.append(store)
        if budget_bytes is not None:
            budget_bytes -= store.resident_bytes
    return stores
