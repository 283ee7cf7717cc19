"""Geometries that reach every kernel and rule of decoding."""

from __future__ import annotations

import torch
from torch import Tensor

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.records import DeviceRecords

__all__ = ["geometries"]


def geometries(records: DeviceRecords, rows: Tensor, size: int) -> dict[str, Geometry]:
    """For the images ``rows``; outputs are about ``size`` pixels."""
    height, width = records.shapes[rows, 1:].unbind(1)
    start = Canvas.of(height, width)
    flips = torch.arange(len(rows), device=records.device) % 2 == 0
    inner = start.crop(1.5, 2.25, start.height - 4, start.width - 5)
    padded = inner.resize(size, size).pad(5, 3, 4, 6, fill=(0.1, 0.6, 0.9))
    generator = torch.Generator().manual_seed(0)
    displacement = torch.randn(len(rows), size, size, 2, generator=generator).to(records.device)
    return {
        "enlarged": inner.resize(2 * size, 2 * size).horizontal_flip(flips).geometry(),
        "reduced": start.resize(size // 2, size // 2).vertical_flip(flips).geometry(),
        "reduced on one axis": start.resize(start.height, size // 2).resize(size, size // 2).geometry(),
        "padded": padded.resize(size, size).geometry(),
        "points": start.resize(size // 2, size // 2).geometry(antialias=False),
        "rotated": inner.resize(size, size).rotate(30.0, fill=(0.2, 0.5, 0.9)).geometry(),
        "rotated and reduced": start.resize(size // 2, size // 2).rotate(-20.0).geometry(),
        "elastic": inner.resize(size, size).displace(displacement).geometry(),
    }
