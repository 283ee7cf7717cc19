"""``InrdLoader``: batches of an .inrd data set as whole tensors, decoded on the device that trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.datasets.vision import StandardTransform
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from inrformat.data.batches import Batch, BatchMaker
from inrformat.data.dataset import InrdDataset
from inrformat.data.order import OccurrenceCounter, RankShard, batch_count, occurrences_of, spans
from inrformat.data.prefetch import prefetched
from inrformat.data.randomness import permutation
from inrformat.data.residency import RecordStore, Residency
from inrformat.data.shards import Shards, Source, opened
from inrformat.data.targets import collate
from inrformat.data.transforms.batch_transforms import apply_batch_transforms
from inrformat.data.transforms.crops import resized
from inrformat.data.transforms.plan import Plan, plan_of
from inrformat.decoding.devices import checked_device
from inrformat.decoding.output_size import Size
from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import GeometryError, UsageError

__all__ = ["InrdLoader"]


class _Job(NamedTuple):
    """Samples of a batch, how often each has come before, and how much of the epoch has been seen behind it."""

    samples: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    after: int


class InrdLoader:
    """Iterating gives ``(images, targets)``: a tensor ``(B, C, H, W)`` on the device, and the batch's targets.

    Class numbers and other targets of one shape come as a tensor on the device, ragged ones as a list
    (``inrformat.data.targets.collate``). Everything random is a function of (seed, epoch, sample number,
    and how often the sample came before in the epoch): a sample has the same pixels in any batch, on any rank and
    after a resume, and others each time that it comes again. (A ``sampler`` decides about ranks; then these count
    too.) Every iteration is the next epoch, as `set_epoch` counts them.

    Under torch.distributed each rank gets its share: equal ones when training (``even``), exact ones otherwise.

    Attributes:
        dataset: a data set, also where paths were given. plan: what became of the transform; ``print(loader.plan)``.
        device: of the batches.
    """

    def __init__(
        self,
        dataset: Source,
        batch_size: int = 1,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        indices: Sequence[int] | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        size: Size = None,
        transform: Any = None,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
        device: str | torch.device = "auto",
        prefetch: int = 2,
        residency: str = "auto",
        budget_bytes: int | None = None,
        even: bool | None = None,
    ) -> None:
        """Open the files and put their bytes where they are to be.

        Args:
            dataset: an `InrdDataset` or path, a ``Subset`` or ``ConcatDataset`` of them, or a list of shards.
            batch_size: samples in a batch of this process. drop_last: leave an incomplete last batch out.
            shuffle: a new random order in every epoch. seed: of the order and of every random parameter.
            indices: only these samples, by number in ``dataset``.
            sampler, batch_sampler: numbers of samples, or batches of them, as a ``DataLoader`` takes them; they decide
                themselves about order, epochs and ranks.
            size: decode at this size before the transform: short side in pixels, or (height, width).
            transform: a torchvision pipeline; by default the data set's own. Its geometric part is evaluated in
                coordinates, the rest on the decoded batch: `inrformat.explain` says which is which.
            dtype: of the images; uint8 images become floats in [0, 1].
            memory_format: ``torch.channels_last`` for strides of that form.
            device: "cuda", "cuda:N", "cpu" or "auto".
            prefetch: batches made ahead of time: on a side stream on CUDA, in a thread on the CPU. 0 for none.
            residency: "device", "pinned", "mmap" or "auto" (`Residency`). budget_bytes: of the device, for "auto".
            even: share samples out evenly to ranks, leaving out what remains; None: when shuffling or dropping.

        Raises:
            UsageError: arguments that contradict each other. GeometryError: images of unlike size make no batch.
        """
        _check_order(batch_size, sampler, batch_sampler, ordered=shuffle or indices is not None, drop_last=drop_last)
        kind = _checked_residency(residency)
        self.batch_size, self.device = batch_size, checked_device(device)
        self._shuffle, self._drop_last, self._seed, self._prefetch = shuffle, drop_last, seed, prefetch
        self._sampler, self._batch_sampler = sampler, batch_sampler
        self._even = (shuffle or drop_last) if even is None else even
        self.dataset = opened(dataset)
        self._shards = Shards.of(self.dataset)
        self._count = len(self._shards)
        self._samples = np.arange(self._count) if indices is None else _checked_indices(indices, self._count)
        self._repeats = len(np.unique(self._samples)) < len(self._samples)
        self._frame = self._shards.frame()
        self._stores = _stores(self._shards, self.device, kind, budget_bytes)
        self._asked_dtype, self._memory_format = dtype, memory_format
        self._transform, self._size = transform, size
        self._prepare()
        self._next = (0, 0)  # epoch and position at which the next iteration starts
        self._at = (0, 0)  # what has been handed out

    # -- what becomes of an image

    @property
    def transform(self) -> Any:
        """The pipeline; setting it changes batches from the next iteration on. None: the data set's own."""
        return self._transform

    @transform.setter
    def transform(self, transform: Any) -> None:
        self._transform = transform
        self._prepare()

    @property
    def size(self) -> Size:
        """At which images are decoded before the transform; setting it, as for progressive resizing, is as cheap."""
        return self._size

    @size.setter
    def size(self, size: Size) -> None:
        self._size = size
        self._prepare()

    def _prepare(self) -> None:
        """Split the pipeline, and be ready to make batches; where records lie stays as it is.

        Raises:
            GeometryError: images of unlike size make no batch.
        """
        first = self._shards.files[0]
        self._own = first.transforms
        own, self._target_transform = _own_transforms(first)
        pipeline = own if self._transform is None else self._transform
        start = first.size if self._size is None else self._size
        plan = plan_of(pipeline, self._frame, start=resized(start))
        if plan.size is None and self._count:
            raise GeometryError(_unlike_sizes(plan))
        self.plan: Plan = plan
        pixels, self._dtype = _pixels(plan, self._asked_dtype)
        pixels = replace(pixels, channels_last=self._memory_format == torch.channels_last)
        self._maker = BatchMaker(self._shards, self._stores, plan, pixels=pixels, frame=self._frame, seed=self._seed)

    # -- epochs and state

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of ``epoch``: from its beginning, or on from a loaded state of that epoch."""
        if self._next[0] != epoch:
            self._next = (epoch, 0)
        self._at = self._next

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
        if self._batch_sampler is not None:
            return len(self._batch_sampler)  # type: ignore[arg-type]
        if self._sampler is not None:
            count, shard = len(self._sampler), RankShard()  # type: ignore[arg-type]
        else:
            count, shard = len(self._samples), RankShard.of_process(even=self._even)
        return batch_count(count, self.batch_size, drop_last=self._drop_last, shard=shard)

    def __repr__(self) -> str:
        files = ", ".join(str(f.reader.path) for f in self._shards.files[:3])
        more = f" and {len(self._shards.files) - 3} more" if len(self._shards.files) > 3 else ""
        order = "shuffled" if self._shuffle else "in the order of a sampler" if self._given_order else "in order"
        return (
            f"InrdLoader of {files}{more}: {len(self._samples)} samples {order}, batches of {self.batch_size} on "
            f"{self.device}\n{self.plan}"
        )

    @property
    def _given_order(self) -> bool:
        return self._sampler is not None or self._batch_sampler is not None

    # -- batches

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        """An epoch: the next one, or the rest of the one whose state was loaded."""
        if self._shards.files[0].transforms is not self._own:  # they were set on the data set meanwhile
            self._prepare()
        epoch, position = self._next
        self._next, self._at = (epoch + 1, 0), (epoch, position)
        ahead: deque[int] = deque()  # positions behind the batches that are being made

        def jobs() -> Iterator[Callable[[], Batch]]:
            for job in self._batches(epoch, position):
                ahead.append(job.after)
                yield partial(self._maker.make, job.samples, job.occurrences, epoch=epoch)

        with closing(prefetched(jobs(), depth=self._prefetch, device=self.device)) as batches:
            for batch in batches:
                result = self._finished(batch, epoch)
                self._at = epoch, ahead.popleft()
                yield result
        self._at = epoch + 1, 0

    def _batches(self, epoch: int, position: int) -> Iterator[_Job]:
        """Samples of each batch of this rank from ``position`` on."""
        if self._batch_sampler is not None:
            _tell_epoch(self._batch_sampler, epoch)
            given = ((self._numbers(batch), number) for number, batch in enumerate(self._batch_sampler, start=1))
            yield from self._counted(given, position)
        elif self._sampler is not None:
            _tell_epoch(self._sampler, epoch)
            yield from self._counted(self._drawn(position), position)
        else:
            order = self._order(epoch)
            occurrences = occurrences_of(order) if self._repeats else np.zeros_like(order)
            shard = RankShard.of_process(even=self._even)
            for span in spans(len(order), self.batch_size, drop_last=self._drop_last, shard=shard, position=position):
                batch = slice(span.start, span.stop)
                yield _Job(order[batch], occurrences[batch], span.after)

    def _drawn(self, position: int) -> Iterator[tuple[NDArray[np.int64], int]]:
        """What the sampler gives: first the ``position`` samples seen already, then batches; and where each ends."""
        numbers = iter(self._sampler or ())
        if position:
            yield self._numbers(islice(numbers, position)), position
        while chosen := list(islice(numbers, self.batch_size)):
            if len(chosen) == self.batch_size or not self._drop_last:
                position += len(chosen)
                yield self._numbers(chosen), position

    def _counted(self, given: Iterable[tuple[NDArray[np.int64], int]], position: int) -> Iterator[_Job]:
        """Batches that end behind ``position``, their samples counted with those before."""
        counter = OccurrenceCounter(self._count, RankShard.of_process(even=False))
        for samples, after in given:
            occurrences = counter.take(samples)
            if after > position:
                yield _Job(samples, occurrences, after)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if not self._shuffle:
            return self._samples
        order = permutation(len(self._samples), seed=self._seed, epoch=epoch, device=self.device)
        shuffled: NDArray[np.int64] = self._samples[order.cpu().numpy()]
        return shuffled

    def _numbers(self, chosen: Iterable[int]) -> NDArray[np.int64]:
        return _checked_indices(list(chosen), self._count)

    def _finished(self, batch: Batch, epoch: int) -> tuple[Tensor, Any]:
        """What is left to do where the batch is used: transforms that draw from torch's own generators."""
        images, targets = batch.images, batch.targets
        if self.plan.batch_transforms:
            images, targets = apply_batch_transforms(
                self.plan.batch_transforms,
                images,
                targets,
                samples=batch.samples,
                occurrences=batch.occurrences,
                seed=self._seed,
                epoch=epoch,
            )
        if self._dtype is not None:
            images = F.to_dtype(images, self._dtype, scale=True)
        if self._target_transform is not None:
            listed = targets.tolist() if isinstance(targets, Tensor) and targets.ndim == 1 else list(targets)
            targets = [self._target_transform(target) for target in listed]
        if isinstance(targets, list):
            targets = collate(targets)
            targets = targets.to(self.device) if isinstance(targets, Tensor) else targets
        return images.contiguous(memory_format=self._memory_format), targets


def _check_order(batch_size: int, sampler: Any, batch_sampler: Any, *, ordered: bool, drop_last: bool) -> None:
    if batch_size < 1:
        raise UsageError(f"batch_size {batch_size}: expected at least 1")
    if (sampler is not None or batch_sampler is not None) and ordered:
        raise UsageError("a sampler decides about the order: leave shuffle and indices out")
    if batch_sampler is not None and (sampler is not None or batch_size != 1 or drop_last):
        raise UsageError("a batch_sampler decides about batches: leave batch_size, sampler and drop_last out")


def _checked_residency(name: str) -> Residency:
    try:
        return Residency(name)
    except ValueError as error:
        raise UsageError(f"residency {name!r}: choose one of {', '.join(Residency)}") from error


def _checked_indices(indices: Sequence[int], count: int) -> NDArray[np.int64]:
    numbers = np.asarray(indices, np.int64).reshape(-1)
    if len(numbers) and not (numbers.min() >= -count and numbers.max() < count):
        raise IndexError(f"samples {numbers.min()} to {numbers.max()} of a data set of {count}")
    checked: NDArray[np.int64] = numbers % max(count, 1)
    return checked


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


def _pixels(plan: Plan, dtype: torch.dtype | None) -> tuple[PixelFormat, torch.dtype | None]:
    """The form of decoded pixels, and the dtype still to be brought about behind them."""
    if dtype is None or plan.batch_transforms:
        return plan.pixels, dtype
    return replace(plan.pixels, dtype=dtype), None


def _unlike_sizes(plan: Plan) -> str:
    reason = f" ({type(plan.batch_transforms[0]).__name__} is not lifted: {plan.reason})" if plan.reason else ""
    return (
        f"images of unlike size make no batch{reason}: begin the transform with RandomResizedCrop or with Resize and "
        "CenterCrop, or give size=(height, width)"
    )


def _tell_epoch(sampler: Any, epoch: int) -> None:
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)


def _stores(shards: Shards, device: torch.device, kind: Residency, budget_bytes: int | None) -> list[RecordStore]:
    """Of each file; a budget is spent on the first files first."""
    stores = []
    for dataset in shards.files:
        store = RecordStore(dataset.reader, dataset.codebook, device, residency=kind, budget_bytes=budget_bytes)
        stores.append(store)
        if budget_bytes is not None:
            budget_bytes -= store.resident_bytes
    return stores
