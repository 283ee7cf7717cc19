"""Device memory: what decoding takes beside its output, and that epochs of prefetching do not add to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gpu.loaders import usual_loader
from gpu.setting import FAMILIES, FORM, Setting
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]

SCRATCH_BYTES = 256 << 20
"""That decoding a batch may take beside its output."""


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Two checks per family."""
    for family in FAMILIES:
        if setting.on_gpu:
            yield _scratch(setting, family)
        yield _epochs(setting, family)


def _scratch(setting: Setting, family: str) -> dict[str, Any]:
    """Of the first decode of a file."""
    records = setting.records(family)
    rows, geometry = setting.rows(records), setting.usual(records)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    out = decode(records, rows, geometry, FORM)
    torch.cuda.synchronize()
    extra = torch.cuda.max_memory_allocated() - before - out.nbytes
    return {"what": f"{family}, scratch", "passed": extra < SCRATCH_BYTES, "scratch_bytes": extra, "batch": len(rows)}


def _epochs(setting: Setting, family: str) -> dict[str, Any]:
    """Memory reserved after each epoch; that of the second is what all others may have."""
    loader = usual_loader(setting, family, prefetch=4)
    reserved = []
    for _ in range(setting.scale.epochs):
        for _batch in loader:
            pass
        reserved.append(torch.cuda.memory_reserved() if setting.on_gpu else 0)
    return {
        "what": f"{family}, {len(reserved)} epochs of prefetching",
        "passed": reserved[-1] <= reserved[min(1, len(reserved) - 1)],
        "reserved_bytes": reserved,
    }
