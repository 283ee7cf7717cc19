"""Decodes queued on two streams at once, beside other work, give what one alone gives; and what that brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gpu.setting import FAMILIES, FORM, Setting
from gpu.timing import seconds
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family, and images per second of several batches in flight."""
    if not setting.on_gpu:
        return
    for family in FAMILIES:
        records = setting.records(family)
        rows, geometry = setting.rows(records), setting.usual(records)
        decoded = partial(decode, records, rows, geometry, FORM)
        streams = [torch.cuda.Stream() for _ in range(4)]
        expected = decoded()
        busy = torch.rand(4096, 4096, device=setting.device)
        outs = []
        for _ in range(3):
            outs += on_each(streams[:2], decoded)
            busy = busy @ busy.clamp(0, 1e-3)
        torch.cuda.synchronize()
        yield {"what": family, "passed": all(bool(torch.equal(out, expected)) for out in outs)}
        for count in (1, 2, 4):
            in_flight = partial(on_each, streams[:count], decoded)
            taken = seconds(in_flight, setting.device, passes=setting.scale.passes)
            yield {"what": f"{family}, {count} in flight", "images_per_second": count * len(rows) / taken}


def on_each(streams: Sequence[torch.cuda.Stream], decoded: Callable[[], Tensor]) -> list[Tensor]:
    """A batch on each stream, behind what the current one has to do, which then waits for all of them."""
    current, outs = torch.cuda.current_stream(), []
    for stream in streams:
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            outs.append(decoded())
    for stream in streams:
        current.wait_stream(stream)
    return outs
