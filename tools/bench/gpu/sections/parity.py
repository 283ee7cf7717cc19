"""Every kernel against the reference decoder on the same device and against the CPU decoder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from gpu.geometries import geometries
from gpu.setting import FAMILIES, Setting
from inrformat import PixelFormat
from inrformat.data.residency import load_resident
from inrformat.decoding import dispatch, reference
from inrformat.decoding.triton.backend import PRECISIONS
from inrformat.decoding.triton.launch import decode

__all__ = ["measure"]

TOLERANCES = {"float32": 1.0, "fast": 3.0}
"""Steps of 1/255 off the reference; of 99.9 % of the values, and three times that of all."""


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """A check per family, geometry and precision; "repeats": whether a second decode gives the same bits."""
    form = PixelFormat(torch.float32)
    for family in FAMILIES:
        records, data = setting.records(family), setting.dataset(family)
        at_home = load_resident(data.reader, data.codebook, torch.device("cpu"))
        rows = setting.rows(records, setting.scale.checked)
        looks = geometries(records, rows, setting.scale.checked_px)
        for name, geometry in islice(looks.items(), setting.scale.kinds):
            expected = form.of(reference.decode(records, rows, geometry))
            on_cpu = dispatch.decode(at_home, rows.cpu(), geometry.to(torch.device("cpu")), form, backend="cpu")
            for precision in PRECISIONS:
                ours, again = (decode(records, rows, geometry, form, precision=precision) for _ in range(2))
                off, off_cpu = steps_off(ours, expected), steps_off(ours.cpu(), on_cpu)
                repeats = bool(torch.equal(ours, again))
                within = all(_within(each, TOLERANCES[precision]) for each in (off, off_cpu))
                yield {
                    "what": f"{family}, {name}, {precision}",
                    "passed": within and repeats,
                    "off_the_reference": off,
                    "off_the_cpu_decoder": off_cpu,
                    "repeats": repeats,
                }


def steps_off(ours: Tensor, expected: Tensor) -> dict[str, float]:
    """Differences in steps of 1/255."""
    off = ((ours - expected).abs() * 255).flatten().sort().values
    return {"of_99.9_percent": float(off[int(0.999 * (len(off) - 1))]), "worst": float(off[-1])}


def _within(off: dict[str, float], tolerance: float) -> bool:
    return off["of_99.9_percent"] <= tolerance and off["worst"] <= 3 * tolerance
