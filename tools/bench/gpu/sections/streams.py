"""Decodes queued on two streams at once, beside other work, give what one alone gives; and what that brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from gpu.setting import FAMILIES, FORM, Setting
from gpu.timing import seconds
from torch import Tensor

from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family, and images per second of several batches in flight."""
    if not setting.on_gpu:
        return
    for family in FAMILIES:
        records = setting.records(family)
        rows, geometry = setting.rows(records), setting.usual(records)

        def batches(count: int) -> list[Tensor]:
            current = torch.cuda.current_stream()
            outs = []
            for stream in streams[:count]:
                stream.wait_stream(current)
                with torch.cuda.stream(stream):
                    outs.append(decode(records, rows, geometry, FORM))  # noqa: B023  (called in this round)
            for stream in streams[:count]:
                current.wait_stream(stream)
            return outs

        streams = [torch.cuda.Stream() for _ in range(4)]
        expected = decode(records, rows, geometry, FORM)
        busy = torch.rand(4096, 4096, device=setting.device)
        outs = []
        for _ in range(3):
            outs += batches(2)
            busy = busy @ busy.clamp(0, 1e-3)
        torch.cuda.synchronize()
        yield {"what": family, "passed": all(bool(torch.equal(out, expected)) for out in outs)}
        for count in (1, 2, 4):
            taken = seconds(lambda n=count: batches(n), setting.device, passes=setting.scale.passes)
            yield {"what": f"{family}, {count} in flight", "images_per_second": count * len(rows) / taken}
