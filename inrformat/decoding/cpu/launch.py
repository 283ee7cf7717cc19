"""Entry to the fused CPU decoder: work to threads, faults to exceptions."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.errors import DeviceError, InvalidFileError
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network
from inrformat.families.registry import family_of

__all__ = ["decode"]

_TASKS_PER_THREAD = 4
_flattened: WeakKeyDictionary[Codebook, list[Any]] = WeakKeyDictionary()


def decode(records: DeviceRecords, rows: Tensor, geometry: Geometry, pixels: PixelFormat) -> Tensor:
    """See ``dispatch.decode``; as many images at once as torch is allowed threads.

    Raises:
        DeviceError: the family of one of the file's networks has no CPU decoder.
        InvalidFileError: the symbols of a record do not add up.
    """
    networks = _flatten(records.codebook)
    chosen = rows.cpu().numpy()
    batch, maps = Batch.of(records, chosen), Maps.of(geometry)
    shape = (len(chosen), records.channels, *geometry.size)
    flat = acquire(math.prod(shape))  # compiled code writes float32 and nothing else
    status = np.zeros(len(chosen), np.int64)
    numbers = records.shapes.numpy()[chosen, 0]
    tasks: list[Callable[[], None]] = []
    for number in np.unique(numbers).tolist():
        network = records.networks[number]
        backend = _backend(network)
        epilogue = Epilogue.of(backend.colour_transform(network), geometry, pixels)
        for members in _parts(np.flatnonzero(numbers == number)):
            tasks.append(partial(backend.decode, networks[number], batch, maps, epilogue, members, flat, status))
    _run(tasks)
    _raise_faults(status, records, chosen)
    return _shaped(flat, shape, pixels)


def _shaped(flat: NDArray[np.float32], shape: tuple[int, int, int, int], pixels: PixelFormat) -> Tensor:
    """Finished pixels as a tensor ``(B, C, H, W)`` of the form asked for."""
    if pixels.dtype == torch.uint8:
        batch = torch.from_numpy(flat.astype(np.uint8))  # seven times as fast as torch's conversion
    else:
        batch = torch.from_numpy(flat).to(pixels.dtype)
    count, channels, height, width = shape
    if pixels.channels_last:
        return batch.reshape(count, height, width, channels).permute(0, 3, 1, 2)
    return batch.reshape(shape)


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
        _flattened[codebook] = [_backend(network).flatten(network) for network in codebook.networks]
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
