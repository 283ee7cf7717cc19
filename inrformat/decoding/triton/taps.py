"""``Geometry.taps`` in one launch, where torch takes some eighty operations for each batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inrformat.decoding.geometry import LEAST_SHRINKING, MAX_TAPS, Geometry
from inrformat.decoding.triton.ahead_of_time import KernelVariant

__all__ = ["OPTIONS", "SAMPLES", "filter_taps", "kernels", "taps_kernel"]

SAMPLES = 32
"""Of a program."""
OPTIONS = {"num_warps": 1}
_MAX_TAPS, _LEAST_SHRINKING = tl.constexpr(MAX_TAPS), tl.constexpr(LEAST_SHRINKING)


def filter_taps(geometry: Geometry) -> Tensor:
    """Evaluations along x and y, then half widths along x and y: float32 ``(B, 4)`` on the geometry's device."""
    device, (height, width) = geometry.matrices.device, geometry.size
    taps = torch.empty((len(geometry), 4), dtype=torch.float32, device=device)
    kernel: Any = taps_kernel
    # Triton launches on the current device, whatever device its arguments are on.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        kernel[(triton.cdiv(len(geometry), SAMPLES),)](
            geometry.matrices.double().contiguous(),
            taps,
            len(geometry),
            height,
            width,
            ANTIALIAS=geometry.antialias,
            SAMPLES=SAMPLES,
            **OPTIONS,
        )
    return taps


@triton.jit(do_not_specialize=["count", "height", "width"])
def taps_kernel(matrices, taps, count, height, width, ANTIALIAS: tl.constexpr, SAMPLES: tl.constexpr):
    """Those of ``count`` float64 matrices, each of ``(3, 3)`` numbers, for an output of ``height`` x ``width``."""
    place = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    inside = place < count
    for axis in tl.static_range(2):
        span = tl.full((SAMPLES,), 0, tl.float64)
        for corner in tl.static_range(4):
            x = 0.5 + (corner % 2) * (width - 1.0)
            y = 0.5 + (corner // 2) * (height - 1.0)
            span = tl.maximum(span, _span(matrices + 9 * place, inside, x, y, axis))
        reach = tl.where(span > _LEAST_SHRINKING, tl.sqrt(tl.maximum(span * span - 1.0, 0.0)), 0.0)
        if not ANTIALIAS:
            reach = tl.zeros_like(reach)
        evaluations = tl.minimum(tl.maximum(2.0 * tl.ceil(reach), 1.0), _MAX_TAPS)
        tl.store(taps + 4 * place + axis, evaluations.to(tl.float32), inside)
        tl.store(taps + 4 * place + 2 + axis, (reach / tl.maximum(span, 1.0)).to(tl.float32), inside)


def kernels() -> Iterator[KernelVariant]:
    """The kernel as ``filter_taps`` launches it, see ``TritonBackend.kernels``."""
    yield KernelVariant(
        name="taps",
        kernel=taps_kernel,
        constants={"ANTIALIAS": True, "SAMPLES": SAMPLES},
        options=OPTIONS,
        pointers={"matrices": "*fp64", "taps": "*fp32"},
    )


@triton.jit
def _span(matrix, inside, x, y, axis: tl.constexpr):
    """Source pixels that an output pixel at (x, y) spans along one of the output's axes."""
    at_x, dx = _row(matrix, inside, x, y, axis)
    at_y, dy = _row(matrix + 3, inside, x, y, axis)
    at_w, dw = _row(matrix + 6, inside, x, y, axis)
    along_x = (dx * at_w - at_x * dw) / (at_w * at_w)
    along_y = (dy * at_w - at_y * dw) / (at_w * at_w)
    return tl.sqrt(along_x * along_x + along_y * along_y)


@triton.jit
def _row(row, inside, x, y, axis: tl.constexpr):
    """A matrix row's product with (x, y, 1), and its entry of the axis."""
    of_x, of_y = tl.load(row, inside, other=1), tl.load(row + 1, inside, other=1)
    return of_x * x + of_y * y + tl.load(row + 2, inside, other=1), of_x if axis == 0 else of_y
