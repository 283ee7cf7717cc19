"""Entry to the fused CPU decoder: arrays out of tensors, work to threads, faults to exceptions."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.decode.cpu.backend import CpuBackend
from inrformat.decode.cpu.batch import Batch
from inrformat.decode.cpu.buffer_pool import borrow
from inrformat.decode.cpu.epilogue import Finish
from inrformat.decode.cpu.rans import FAULTS
from inrformat.decode.cpu.sampling import Maps
from inrformat.decode.geometry import Geometry, PaddingMode
from inrformat.decode.pixels import PixelFormat
from inrformat.decode.records import DeviceRecords
from inrformat.errors import DeviceError, InvalidFileError
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network
from inrformat.families.registry import family_of

__all__ = ["decode"]

_TASKS_PER_THREAD = 4
_prepared: WeakKeyDictionary[Codebook, list[Any]] = WeakKeyDictionary()


def decode(records: DeviceRecords, rows: Tensor, geometry: Geometry, pixels: PixelFormat) -> Tensor:
    """See ``dispatch.decode``; as many images at once as torch is allowed threads."""
    chosen = rows.cpu().numpy()
    shapes = records.shapes.numpy()[chosen]
    # Compiled code knows float32 alone; it comes to 0.5 .. 255.5 where bytes are wanted.
    channels, (height, width) = records.channels, geometry.size
    flat = borrow(len(chosen) * channels * height * width)
    if pixels.channels_last:
        out = torch.from_numpy(flat).reshape(len(chosen), height, width, channels).permute(0, 3, 1, 2)
    else:
        out = torch.from_numpy(flat).reshape(len(chosen), channels, height, width)
    status = np.zeros(len(chosen), np.int64)
    batch, maps, networks = _batch(records, chosen, shapes), _maps(geometry), _networks(records.codebook)
    tasks = 1 if torch.get_num_threads() == 1 else _TASKS_PER_THREAD * torch.get_num_threads()
    with_threads = []
    for number in np.unique(shapes[:, 0]).tolist():
        network = records.networks[number]
        finish = _finish(network, geometry, pixels)
        arguments = (networks[number], records.codebook.tables.slots, batch, maps, finish, geometry.size)
        members = np.flatnonzero(shapes[:, 0] == number)
        parts = np.array_split(members, min(len(members), tasks))
        with_threads += [(_backend(network).decode, (*arguments, part, flat, status)) for part in parts]
    _run(with_threads)
    _raise_faults(status, records, chosen)
    return out.to(pixels.dtype)


def _run(tasks: list[tuple[Any, tuple[Any, ...]]]) -> None:
    threads = torch.get_num_threads()
    if threads == 1 or len(tasks) == 1:
        for work, arguments in tasks:
            work(*arguments)
        return
    for done in [_pool(os.getpid(), threads).submit(work, *arguments) for work, arguments in tasks]:
        done.result()


@cache
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    # One pool a process: threads do not survive a fork.
    return ThreadPoolExecutor(threads, thread_name_prefix="inrformat-decode")


def _networks(codebook: Codebook) -> list[Any]:
    """Arrays of the codebook's networks, made at its first use."""
    if codebook not in _prepared:
        _prepared[codebook] = [_backend(network).prepare(network) for network in codebook.networks]
    return _prepared[codebook]


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


def _batch(records: DeviceRecords, chosen: NDArray[np.int64], shapes: NDArray[np.int64]) -> Batch:
    first = records.offsets.numpy()[chosen] // 2
    lanes = [records.networks[n].lanes(height=h, width=w) for n, h, w in shapes.tolist()]
    return Batch(
        words=records.words.numpy().view(np.uint16),
        first=first,
        last=first + records.lengths.numpy()[chosen] // 2,
        heights=np.ascontiguousarray(shapes[:, 1]),
        widths=np.ascontiguousarray(shapes[:, 2]),
        lanes=np.array(lanes, np.int64),
    )


def _maps(geometry: Geometry) -> Maps:
    counts, reach = (torch.zeros((0, 2)),) * 2 if geometry.aligned else geometry.taps()
    displacement = torch.zeros((0, 0, 0, 2)) if geometry.displacement is None else geometry.displacement
    return Maps(
        matrices=_array(geometry.matrices.flatten(1), np.float64),
        windows=_array(geometry.windows, np.float64),
        feather=_array(geometry.feather, np.float64),
        counts=_array(counts, np.int64),
        reach=_array(reach, np.float64),
        displacement=_array(displacement, np.float32),
        aligned=geometry.aligned,
        padding_mode=int(geometry.padding_mode),
        constant=geometry.padding_mode is PaddingMode.CONSTANT,
        antialias=geometry.antialias,
    )


def _array(values: Tensor, dtype: Any) -> NDArray[Any]:
    return np.ascontiguousarray(values.detach().cpu().numpy(), dtype)


def _finish(network: Network, geometry: Geometry, form: PixelFormat) -> Finish:
    channels, (height, width) = network.channels, geometry.size
    colour, offset = _backend(network).colours(network)
    scale, shift = ((255.0,) * channels, (0.5,) * channels) if form.dtype == torch.uint8 else form.scale_shift(channels)
    strides = (1, width * channels, channels) if form.channels_last else (height * width, width, 1)
    return Finish(
        colour=np.ascontiguousarray(colour),
        offset=np.float32(offset),
        fill=np.array(geometry.fills(channels), np.float32),
        squared=not geometry.aligned,
        scale=np.array(scale, np.float32),
        shift=np.array(shift, np.float32),
        strides=np.array(strides, np.int64),
    )


def _raise_faults(status: NDArray[np.int64], records: DeviceRecords, chosen: NDArray[np.int64]) -> None:
    for place in np.flatnonzero(status)[:1].tolist():
        network = records.networks[int(records.shapes[int(chosen[place]), 0])]
        rule, text = {**FAULTS, **_backend(network).FAULTS}[int(status[place])]
        raise InvalidFileError(rule, f"record {chosen[place]}: {text}")
