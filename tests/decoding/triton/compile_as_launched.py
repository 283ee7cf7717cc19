"""A script: compiles kernels as batches would launch them, and says how many variants of each there are.

    compile_as_launched.py SM

For a process in which Triton does not interpret. No GPU is needed: Triton's driver is pretended, and compiles.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords, join_records
from inrformat.decoding.triton.launch import decode_views
from inrformat.families.codebook import Codebook
from tests.decoding.triton.small_files import mixed_file
from tests.fake_cuda import CUDA, Launch, fake_cuda, on_fake_cuda


class Stub:
    """A tensor as Triton sees it when it is to compile."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.dtype = tensor.dtype
        self._begins = (1 << 20) + tensor.storage_offset() * tensor.itemsize

    def data_ptr(self) -> int:
        """As aligned as the tensor would be."""
        return int(self._begins)


def of_one_network(records: DeviceRecords) -> DeviceRecords:
    """A file of the first record and the first network alone."""
    codebook = Codebook(records.codebook.tables, records.networks[:1])
    length = int(records.lengths[0])
    return join_records(
        [records.words[: length // 2].numpy().tobytes()],
        codebook,
        shapes=records.shapes[:1].numpy(),
        device=records.device,
    )


def launched() -> list[Launch]:
    """Batches of unlike sizes, files, payloads, places in a tensor and output sizes."""
    mixed = mixed_file()
    files = [on_fake_cuda(records) for records in (mixed, of_one_network(mixed))]
    longer = on_fake_cuda(
        join_records(
            [bytes(2 * len(mixed.words)), bytes(4097 * 16)] * 8,
            mixed.codebook,
            shapes=np.tile(mixed.shapes[:1].numpy(), (16, 1)),
            device=mixed.device,
        )
    )
    pixels = PixelFormat(torch.bfloat16)
    with fake_cuda() as cuda, cuda.loading():
        for records in [moved() for moved in (*files, longer)]:
            numbers = torch.zeros(300, dtype=torch.int64, device=CUDA)
            for first, count, size in ((0, 1, 224), (0, 16, 224), (1, 7, 224), (3, 256, 224), (0, 2, 160)):
                sides = torch.full((count,), 40, device=CUDA)
                canvas = Canvas.of(sides, sides).resize(size, size)
                views = [canvas.geometry(), canvas.rotate(torch.full_like(canvas.width, 20.0)).geometry()]
                decode_views(records, numbers[first : first + count], views, [pixels, pixels])
    return cuda.launches


def main() -> None:
    """Compile every variant that occurs."""
    sm = int(sys.argv[1])
    launches = launched()
    target = GPUTarget("cuda", sm, 32)
    driver.set_active(
        SimpleNamespace(
            get_current_device=lambda: 0, get_current_stream=lambda device: 0, get_current_target=lambda: target
        )
    )
    constants: dict[str, set[str]] = {}
    for launch in launches:
        arguments: dict[str, Any] = {
            name: Stub(value) if isinstance(value, torch.Tensor) else value for name, value in launch.arguments.items()
        }
        launch.kernel.warmup(grid=launch.grid, **arguments)
        fixed = {p.name: str(arguments[p.name]) for p in launch.kernel.params if p.is_constexpr}
        constants.setdefault(launch.kernel.fn.__name__, set()).add(str(fixed))
    kernels = {launch.kernel.fn.__name__: launch.kernel for launch in launches}
    variants = {name: len(kernel.device_caches[0][0]) for name, kernel in kernels.items()}
    counts = Counter(launch.kernel.fn.__name__ for launch in launches)
    report = {
        name: {"launches": counts[name], "constants": len(constants[name]), "variants": variants[name]}
        for name in kernels
    }
    sys.stdout.write(json.dumps({"triton": triton.__version__, "kernels": report}) + "\n")


if __name__ == "__main__":
    main()
