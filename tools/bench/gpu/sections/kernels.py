"""Time of each kernel of a decode, as torch's profiler sees it on the device."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from gpu.setting import FAMILIES, FORM, Setting
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Per family, geometry and kernel: microseconds per batch, and how often it was launched for one."""
    if not setting.on_gpu:
        return
    passes = setting.scale.passes
    for family in FAMILIES:
        records = setting.records(family)
        rows, side = setting.rows(records), int(records.shapes[0, 1])
        for view in islice(setting.views(records), setting.scale.kinds):
            geometry = view.geometry(side).to(setting.device)
            out = decode(records, rows, geometry, FORM)
            torch.cuda.synchronize()
            with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
                for _ in range(passes):
                    decode(records, rows, geometry, FORM, out=out)
                torch.cuda.synchronize()
            found = [event for event in profiled.key_averages() if event.self_device_time_total > 0]
            yield {
                "what": f"{family}, {view.name}",
                "batch": len(rows),
                "kernels": {
                    event.key: {
                        "microseconds": event.self_device_time_total / passes,
                        "launches": event.count / passes,
                    }
                    for event in sorted(found, key=lambda event: -event.self_device_time_total)
                },
            }
