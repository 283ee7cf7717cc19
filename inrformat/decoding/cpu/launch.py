"""Entry to the fused CPU decoder: work to threads, faults to exceptions."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.decoding.cpu.backend import CpuBackend
from inrformat.decoding.cpu.batch import Batch, Maps
from inrformat.decoding.cpu.buffer_pool import acquire
from inrformat.decoding.cpu.epilogue import Epilogue
from inrformat.decoding.cpu.rans import FAULTS
from inrformat.decoding.cpu.seen import seen_by
from inrformat.decoding.cpu.warm_up import ready
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.errors import DeviceError, InvalidFileError
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network
from inrformat.families.registry import family_of

__all__ = ["decode_views"]

_TASKS_PER_THREAD = 4
_WEIGHTS_PX = 1 << 19
"""Native pixels whose weights are kept between reading and rendering: more would leave the caches in between."""
_flattened: WeakKeyDictionary[Codebook, list[Any]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One of the views that are wanted of a batch.

    Attributes:
        maps: the same as ``geometry``. form: of its pixels. flat: float32, of all samples, to be written.
        shape: of the batch, ``(B, C, H, W)``.
    """

    geometry: Geometry
    maps: Maps
    form: PixelFormat
    flat: NDArray[np.float32]
    shape: tuple[int, int, int, int]

    def finished(self) -> Tensor:
        """What was written to ``flat``, in the form asked for."""
        if self.form.dtype == torch.uint8:
            batch = torch.from_numpy(self.flat.astype(np.uint8))  # seven times as fast as torch's conversion
        else:
            batch = torch.from_numpy(self.flat).to(self.form.dtype)
        count, channels, height, width = self.shape
        if self.form.channels_last:
            return batch.reshape(count, height, width, channels).permute(0, 3, 1, 2)
        return batch.reshape(self.shape)


def decode_views(
    records: DeviceRecords, rows: Tensor, geometries: Sequence[Geometry], pixels: Sequence[PixelFormat]
) -> list[Tensor]:
    """See ``dispatch.decode_views``; as many images at once as torch is allowed threads.

    Raises:
        DeviceError: the family of one of the file's networks has no CPU decoder.
        InvalidFileError: the symbols of a record do not add up.
    """
    networks = _flatten(records.codebook)
    chosen = rows.cpu().numpy()
    batch, views = Batch.of(records, chosen), _views(geometries, pixels, count=len(chosen), channels=records.channels)
    seen, status = seen_by([view.maps for view in views], batch), np.zeros(len(chosen), np.int64)
    numbers = records.shapes.numpy()[chosen, 0]
    tasks: list[Callable[[], None]] = []
    for number in np.unique(numbers).tolist():
        backend = _backend(records.networks[number])
        colour = backend.colour_transform(records.networks[number])
        for aligned in sorted({view.maps.aligned for view in views}):
            ready(backend, networks[number], colour, aligned=aligned)
        epilogues = [Epilogue.of(colour, view.geometry, view.form) for view in views]
        for members in _parts(np.flatnonzero(numbers == number)):
            decode = partial(_decode_part, backend, networks[number], batch, views, epilogues)
            tasks.append(partial(decode, members=members, seen=seen, status=status))
    _run(tasks)
    _raise_faults(status, records, chosen)
    return [view.finished() for view in views]


def _decode_part(
    backend: CpuBackend,
    network: Any,
    batch: Batch,
    views: Sequence[_View],
    epilogues: Sequence[Epilogue],
    *,
    members: NDArray[np.int64],
    seen: NDArray[np.float64],
    status: NDArray[np.int64],
) -> None:
    """Decode the samples ``members``, all of one network, up to the first damaged one: each is read once."""
    for few in _at_once(members, batch):
        weights = backend.read(network, batch, few, seen, status)
        if status[few].any():
            return
        for view, epilogue in zip(views, epilogues, strict=True):
            backend.render(network, weights, batch, few, view.maps, epilogue, view.flat)


def _at_once(members: NDArray[np.int64], batch: Batch) -> Iterator[NDArray[np.int64]]:
    """``members`` in as many pieces as their weights need."""
    count = max(_WEIGHTS_PX // int((batch.heights[members] * batch.widths[members]).max()), 1)
    for first in range(0, len(members), count):
        yield members[first : first + count]


def _views(geometries: Sequence[Geometry], pixels: Sequence[PixelFormat], *, count: int, channels: int) -> list[_View]:
    """The views with memory of ``count`` samples each, all in one buffer. Compiled code writes float32 alone."""
    shapes = [(count, channels, *geometry.size) for geometry in geometries]
    sizes = [math.prod(shape) for shape in shapes]
    parts = np.split(acquire(sum(sizes)), np.cumsum(sizes)[:-1])
    return [
        _View(geometry, Maps.of(geometry), form, flat, shape)
        for geometry, form, flat, shape in zip(geometries, pixels, parts, shapes, strict=True)
    ]


def _parts(members: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Samples divided among tasks: a few for every thread, so that none waits long for the last."""
    threads = torch.get_num_threads()
    tasks = 1 if threads == 1 else _TASKS_PER_THREAD * threads
    return np.array_split(members, min(len(members), tasks))


def _run(tasks: list[Callable[[], None]]) -> None:
    threads = torch.get_num_threads()
    if threads == 1 or len(tasks) == 1:
        for task in tasks:
            task()
        return
    for done in [_pool(os.getpid(), threads).submit(task) for task in tasks]:
        done.result()


@cache
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    # One pool per process: threads do not survive a fork.
    return ThreadPoolExecutor(threads, thread_name_prefix="inrformat-decode")


def _flatten(codebook: Codebook) -> list[Any]:
    """The codebook's networks as compiled code reads them, made at its first use."""
    if codebook not in _flattened:
        _flattened[codebook] = [_backend(network).flatten(network, codebook.tables) for network in codebook.networks]
    return _flattened[codebook]


def _backend(network: Network) -> CpuBackend:
    """The CPU backend of a network's family.

    Raises:
        DeviceError: the family has none.
    """
    load = family_of(network).cpu
    if load is None:
        raise DeviceError(f"network family {network.family!r} has no CPU decoder")
    backend: CpuBackend = load()
    return backend


def _raise_faults(status: NDArray[np.int64], records: DeviceRecords, chosen: NDArray[np.int64]) -> None:
    for place in np.flatnonzero(status)[:1].tolist():
        network = records.networks[int(records.shapes[int(chosen[place]), 0])]
        rule, text = {**FAULTS, **_backend(network).FAULTS}[int(status[place])]
        raise InvalidFileError(rule, f"record {chosen[place]}: {text}")
