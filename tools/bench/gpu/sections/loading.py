"""The loader by itself: images per second, and what a batch costs the host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from gpu.loaders import usual_loader
from gpu.sections.residency import images_per_second
from gpu.setting import FAMILIES, Setting
from gpu.timing import synchronize

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Per family, with and without prefetching."""
    for family in FAMILIES:
        for prefetch in (0, 2, 4):
            loader = usual_loader(setting, family, batches=setting.scale.steps, prefetch=prefetch)
            speed = images_per_second(loader, setting)
            start, count = time.perf_counter(), 0
            for _batch in loader:
                count += 1
            host = (time.perf_counter() - start) / count
            synchronize(setting.device)
            yield {
                "what": f"{family}, prefetch {prefetch}",
                "images_per_second": speed,
                "host_seconds_per_batch": host,
            }
