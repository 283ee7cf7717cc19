"""What the device does at best: copying, and products of matrices."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torchvision
import triton

from gpu.setting import Setting
from gpu.timing import seconds

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """What runs here, bytes copied per second (read and written), multiply-adds per second."""
    yield {
        "what": "versions",
        "gpu": torch.cuda.get_device_name() if setting.on_gpu else None,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "triton": triton.__version__,
        "python": platform.python_version(),
    }
    passes = setting.scale.passes
    source = torch.ones(1 << (30 if setting.on_gpu else 20), dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() / seconds(partial(target.copy_, source), setting.device, passes=passes)
    yield {"what": "copy on the device", "bytes_per_second": copied}
    on_host = torch.ones(1 << (28 if setting.on_gpu else 20), dtype=torch.uint8, pin_memory=setting.on_gpu)
    to_device = partial(target[: len(on_host)].copy_, on_host, non_blocking=True)
    taken = seconds(to_device, setting.device, passes=passes)
    yield {"what": "copy from pinned memory", "bytes_per_second": len(on_host) / taken}
    side = 8192 if setting.on_gpu else 64
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        square = torch.rand(side, side, device=setting.device).to(dtype)
        taken = seconds(partial(torch.matmul, square, square), setting.device, passes=passes)
        yield {"what": f"products of matrices, {dtype}", "multiply_adds_per_second": side**3 / taken}
