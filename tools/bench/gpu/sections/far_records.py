"""Records that lie beyond 4 GB of payload decode as others do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from gpu.setting import FAMILIES, FORM, Setting
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family: its records behind a gap."""
    gap_bytes = setting.scale.gap_bytes
    for family in FAMILIES:
        records = setting.records(family)
        words = torch.zeros(gap_bytes // 2 + len(records.words), dtype=torch.int16, device=setting.device)
        words[gap_bytes // 2 :] = records.words
        far = replace(records, words=words, offsets=records.offsets + gap_bytes)
        rows = setting.rows(records)
        geometry = setting.usual(records)
        same = torch.equal(decode(far, rows, geometry, FORM), decode(records, rows, geometry, FORM))
        yield {"what": family, "passed": bool(same), "payload_bytes": 2 * len(words)}
