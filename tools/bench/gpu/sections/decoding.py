"""Decoding to training batches: both families, all geometries, and batches from small to large."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from decode import View

from gpu.setting import FAMILIES, FORM, USUAL, Setting
from gpu.timing import host_seconds, seconds
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Images per second on the device, and seconds of the host per batch."""
    for family in FAMILIES:
        records = setting.records(family)
        for view in islice(setting.views(records), setting.scale.kinds):
            yield _decoded(setting, records, family, view, setting.scale.batch)
        for batch in setting.scale.sweep:
            (usual,) = (view for view in setting.views(records, batch) if view.name == USUAL)
            yield _decoded(setting, records, family, usual, batch)


def _decoded(setting: Setting, records: DeviceRecords, family: str, view: View, batch: int) -> dict[str, Any]:
    rows = setting.rows(records, batch)
    geometry = view.geometry(int(records.shapes[0, 1])).to(setting.device)
    out = decode(records, rows, geometry, FORM)
    again = partial(decode, records, rows, geometry, FORM, out=out)
    taken = seconds(again, setting.device, passes=setting.scale.passes)
    return {
        "what": f"{family}, {view.name}",
        "batch": batch,
        "images_per_second": batch / taken,
        "seconds": taken,
        "host_seconds": host_seconds(again, setting.device, passes=setting.scale.passes),
        "record_bytes": float(records.lengths.double().mean()),
    }
