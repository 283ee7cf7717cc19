"""Decoding on a CUDA device that is not there: what would be launched, and that nothing waits."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from inrformat.coding.rans_torch import TorchTables
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.triton.launch import decode_views
from inrformat.decoding.triton.plan import plan_of

from ...fake_cuda import CUDA, FakeCuda, fake_cuda, on_fake_cuda

NORMALIZED = PixelFormat(torch.bfloat16, mean=(0.5,), std=(0.2,), channels_last=True)
KERNELS_A_BATCH = 14
"""Of two families together."""
OPERATIONS_A_BATCH = 14
"""Of torch, beside them."""


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    with fake_cuda() as cuda:
        yield cuda


@pytest.fixture(scope="session")
def moved(mixed):
    """``mixed`` on the device that is not there."""
    return on_fake_cuda(mixed)


def batches(size: int) -> dict[str, Geometry]:
    """Maps of every kind that kernels tell apart, for ``size`` samples."""
    sides = torch.full((size,), 24, device=CUDA), torch.full((size,), 30, device=CUDA)
    canvas = Canvas.of(*sides, shortest=20)
    return {
        "aligned": canvas.crop(2, 1, 11, 13).resize(32, 32).horizontal_flip().geometry(),
        "padded": canvas.pad(5, 3, 4, 2, fill=(0.3,)).crop(1, 2, 20, 22).geometry(),
        "at points": canvas.resize(17, 13).geometry(antialias=False),
        "rotated": canvas.resize(24, 24).rotate(20.0).geometry(),
        "displaced": canvas.resize(16, 16).displace(torch.zeros(size, 16, 16, 2, device=CUDA)).geometry(),
    }


@pytest.mark.parametrize("name", ["aligned", "padded", "at points", "rotated", "displaced"])
def test_a_batch_waits_for_nothing_and_stays_within_its_launches(cuda, moved, name):
    with cuda.loading():
        records = moved()
        geometry, rows = batches(5)[name], torch.arange(5, device=CUDA)
        decode_views(records, rows, [geometry], [NORMALIZED])
    cuda.forget()
    (out,) = decode_views(records, rows, [geometry], [NORMALIZED])
    assert out.device == CUDA and out.dtype == torch.bfloat16
    assert 4 <= len(cuda.launches) <= KERNELS_A_BATCH
    assert len(cuda.operations) <= OPERATIONS_A_BATCH, cuda.operations


def test_the_first_batch_waits_for_nothing_once_the_plan_is_made(cuda, moved):
    with cuda.loading():
        records = moved()
        plan_of(records)
        geometry, rows = batches(5)["aligned"], torch.arange(5, device=CUDA)
    decode_views(records, rows, [geometry], [NORMALIZED])
    assert cuda.launches


def test_scratch_is_allocated_once(cuda, moved):
    with cuda.loading():
        records = moved()
        geometry, rows = batches(5)["aligned"], torch.arange(5, device=CUDA)
        decode_views(records, rows, [geometry], [NORMALIZED])
    scratch = [launch.arguments["status"] for launch in cuda.launches if "status" in launch.arguments]
    for count in (5, 3, 1, 5):
        cuda.forget()
        decode_views(records, rows[:count], [geometry[:count]], [NORMALIZED])
        again = [launch.arguments["status"] for launch in cuda.launches if "status" in launch.arguments]
        assert all(a is b for a, b in zip(again, scratch, strict=True))


def test_every_tensor_that_a_kernel_is_given_is_on_the_device(cuda, moved):
    with cuda.loading():
        records, rows = moved(), torch.arange(5, device=CUDA)
    for geometry in batches(5).values():
        with cuda.loading():
            decode_views(records, rows, [geometry], [NORMALIZED])
    tensors = [v for launch in cuda.launches for v in launch.arguments.values() if isinstance(v, torch.Tensor)]
    assert len(tensors) > 100 and all(tensor.device == CUDA for tensor in tensors)


def test_a_file_knows_the_number_of_its_device_also_where_none_was_given(cuda, mixed, monkeypatch):
    tables = TorchTables.of(mixed.codebook.tables, torch.device("cpu"))
    moved = dataclasses.replace(tables, slots=torch.empty(1, device=CUDA))
    monkeypatch.setattr(TorchTables, "of", lambda of, device: moved)  # as torch does: on the current device
    file = DeviceFile.of(mixed.codebook, shapes=np.ones((1, 3), np.int64), device=torch.device("cuda"))
    assert file.device == CUDA != torch.device("cuda")
