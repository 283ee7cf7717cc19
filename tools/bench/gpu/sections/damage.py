"""Damaged records: they write nothing outside their pixels, are reported, and give colours in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpu.geometries import geometries
from gpu.setting import FAMILIES, Setting
from inrformat import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.launch import decode
from inrformat.decoding.triton.plan import plan_of

__all__ = ["measure"]

_GUARD = 4096
_MAY_PASS = {"a word in a hundred", "shapes of nothing"}
"""Damages that may miss a record, or leave one that another network wrote so."""


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family and damage, under every geometry."""
    form = PixelFormat(torch.float32)
    for family in FAMILIES:
        records = setting.records(family)
        rows = setting.rows(records, setting.scale.checked)
        looks = geometries(records, rows, setting.scale.checked_px)
        for what, broken in islice(damages(records).items(), setting.scale.kinds):
            status = torch.zeros(len(rows), dtype=torch.int32, device=setting.device)
            sound = True
            for geometry in islice(looks.values(), setting.scale.kinds):
                shape = (len(rows), records.channels, *geometry.size)
                frame = torch.full((math.prod(shape) + 2 * _GUARD,), -9.0, device=setting.device)
                out = frame[_GUARD:-_GUARD].reshape(shape)
                # The plan of the sound file: that is what a file that is damaged after its opening meets.
                decode(broken, rows, geometry, form, out=out, status=status, plan=plan_of(records))
                around = bool((frame[:_GUARD] == -9).all() & (frame[-_GUARD:] == -9).all())
                sound &= around and bool(((out >= 0) & (out <= 1)).all())
            reported = int((status != 0).sum())
            yield {
                "what": f"{family}, {what}",
                "passed": sound and (reported == len(rows) or what in _MAY_PASS),
                "reported": reported,
                "of": len(rows),
            }


def damages(records: DeviceRecords) -> dict[str, DeviceRecords]:
    """The same file with other bytes, or with lengths, offsets and shapes that are wrong."""
    rng = np.random.default_rng(5)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(records.device)

    words = records.words.cpu().numpy()
    noise = rng.integers(-32768, 32768, len(words)).astype(np.int16)
    spots = np.where(rng.random(len(words)) < 0.01, noise, words)
    return {
        "random bytes": replace(records, words=on_device(noise)),
        "a word in a hundred": replace(records, words=on_device(spots)),
        "ones": replace(records, words=torch.full_like(records.words, -1)),
        "cut off": replace(records, lengths=records.lengths // 4 * 2),
        "said to reach beyond the payload": replace(records, lengths=records.lengths + (1 << 40)),
        "said to begin outside the payload": replace(records, offsets=records.offsets - (1 << 40)),
        "shapes of nothing": replace(records, shapes=records.shapes * -1000003),
    }
