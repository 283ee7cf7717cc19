"""Neither decoding nor the loader waits for the device: torch raises an error where they would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from gpu.loaders import usual_loader
from gpu.setting import FAMILIES, FORM, Setting
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family of a decode and of a later epoch of the loader."""
    for family in FAMILIES:
        records = setting.records(family)
        rows, geometry = setting.rows(records), setting.usual(records)
        decode(records, rows, geometry, FORM)
        with waiting_is_an_error(setting):
            decode(records, rows, geometry, FORM)
        yield {"what": f"{family}, decode", "passed": True}
        loader = usual_loader(setting, family)
        for _images, _targets in loader:
            pass
        with waiting_is_an_error(setting):
            count = sum(1 for _batch in islice(loader, 8))
        yield {"what": f"{family}, loader", "passed": count > 0, "batches": count}


@contextmanager
def waiting_is_an_error(setting: Setting) -> Iterator[None]:
    """Within, what makes the host wait for the device raises RuntimeError."""
    if not setting.on_gpu:
        yield
        return
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
