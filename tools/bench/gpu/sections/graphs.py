"""A decode as a CUDA graph: the same pixels, also of records and maps put in place of those it was captured with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from gpu.setting import FAMILIES, FORM, Setting
from gpu.timing import host_seconds, seconds
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family, and how long a replay takes on the device and on the host."""
    if not setting.on_gpu:
        return
    for family in FAMILIES:
        records = setting.records(family)
        rows, geometry = setting.rows(records).clone(), setting.usual(records)
        geometry = replace(
            geometry,
            matrices=geometry.matrices.clone(),
            windows=geometry.windows.clone(),
            feather=geometry.feather.clone(),
        )
        out = decode(records, rows, geometry, FORM)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            decode(records, rows, geometry, FORM, out=out)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            decode(records, rows, geometry, FORM, out=out)
        for captured in (rows, geometry.matrices, geometry.windows, geometry.feather):
            captured.copy_(captured.flip(0))
        out.zero_()
        graph.replay()
        same = bool(torch.equal(out, decode(records, rows, geometry, FORM)))
        # Larger batches since, which may have moved what the graph works with.
        decode(records, rows.repeat(2), setting.usual(records, 2 * len(rows)), FORM)
        out.zero_()
        graph.replay()
        still = bool(torch.equal(out, decode(records, rows, geometry, FORM)))
        passes = setting.scale.passes
        yield {
            "what": family,
            "passed": same and still,
            "replays": same,
            "replays_after_a_larger_batch": still,
            "replay_seconds": seconds(graph.replay, setting.device, passes=passes),
            "host_seconds": host_seconds(graph.replay, setting.device, passes=passes),
        }
