"""Records on the device, in pinned memory, in the mapped file: the same pixels, and how fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch

from gpu.loaders import usual_loader
from gpu.setting import FAMILIES, Setting
from gpu.timing import synchronize
from inrformat import InrdLoader

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check and a speed per family and place."""
    for family in FAMILIES:
        expected = None
        for residency in ("device", "pinned", "mmap"):
            loader = usual_loader(setting, family, residency=residency, batches=setting.scale.steps)
            loader.set_epoch(0)
            first = next(iter(loader))[0].clone()
            expected = first if expected is None else expected
            yield {
                "what": f"{family}, {residency}",
                "passed": bool(torch.equal(first, expected)),
                "images_per_second": images_per_second(loader, setting),
            }


def images_per_second(loader: InrdLoader, setting: Setting) -> float:
    """Of an epoch that is not the first; nothing else uses the device."""
    for _batch in islice(loader, 4):
        pass
    synchronize(setting.device)
    start = time.perf_counter()
    count = sum(len(images) for images, _targets in loader)
    synchronize(setting.device)
    return count / (time.perf_counter() - start)
