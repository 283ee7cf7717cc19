"""What must hold before the Triton decoder's speed means anything, checked with the kernels that the device runs.

Each check takes records and returns what it found as a dict with "passed". ``decode_gpu.py`` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inrformat.decoding import reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.backend import PRECISIONS
from inrformat.decoding.triton.launch import decode, read, render
from inrformat.decoding.triton.plan import Plan, Scratch

EXTRA_BYTES = 256 << 20
"""Device memory that decoding may take beside its output."""
TOLERANCES = {"float32": 1.0, "fast": 3.0}
"""Steps of 1/255 off the reference decoder; of 99.9 % of the values, and three times that of all."""
_GUARD = 4096
_MAY_PASS = {"a word in a hundred", "shapes of nothing"}
"""Damages that may miss a record, or leave one that another network wrote so."""


def canvases(records: DeviceRecords, rows: Tensor) -> Canvas:
    """The images ``rows`` as they are stored."""
    height, width = records.shapes[rows, 1:].unbind(1)
    return Canvas.of(height, width)


def geometries(records: DeviceRecords, rows: Tensor, size: int) -> dict[str, Geometry]:
    """One geometry for every kernel and rule."""
    start = canvases(records, rows)
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


def parity(records: DeviceRecords, rows: Tensor, size: int) -> dict[str, Any]:
    """Greatest differences from the reference decoder, in steps of 1/255, and whether repeating gives the same bits."""
    found: dict[str, Any] = {"passed": True}
    form = PixelFormat(torch.float32)
    for name, geometry in geometries(records, rows, size).items():
        expected = form.of(reference.decode(records, rows, geometry))
        for precision in PRECISIONS:
            ours = decode(records, rows, geometry, form, precision=precision)
            again = decode(records, rows, geometry, form, precision=precision)
            off = ((ours - expected).abs() * 255).flatten().sort().values
            common, worst = float(off[int(0.999 * (len(off) - 1))]), float(off[-1])
            within = common <= TOLERANCES[precision] and worst <= 3 * TOLERANCES[precision]
            same = bool(torch.equal(ours, again))
            found[f"{name}, {precision}"] = {"of 99.9 %": common, "worst": worst, "repeats": same}
            found["passed"] &= within and same
    return found


def _in_frames(scratch: Scratch) -> tuple[Scratch, Callable[[], bool]]:
    """A scratch like ``scratch`` in larger memory, and what says whether anything around it has changed."""
    frames: list[Tensor] = []

    def framed(tensor: Tensor) -> Tensor:
        frame = torch.full((tensor.numel() + 2 * _GUARD,), 77, dtype=tensor.dtype, device=tensor.device)
        frames.append(frame)
        return frame[_GUARD:-_GUARD].reshape(tensor.shape)

    families = tuple(
        replace(held, **{field.name: framed(getattr(held, field.name)) for field in fields(held)})
        for held in scratch.families
    )
    moved = Scratch(status=framed(scratch.status), families=families)
    return moved, lambda: all(bool((f[:_GUARD] == 77).all() & (f[-_GUARD:] == 77).all()) for f in frames)


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


def damage(records: DeviceRecords, rows: Tensor, size: int) -> dict[str, Any]:
    """Damaged records write nothing outside their memory, are reported, and give colours in [0, 1]."""
    found: dict[str, Any] = {"passed": True}
    form = PixelFormat(torch.float32)
    views = geometries(records, rows, size)
    plan = Plan.of(records.file)
    for what, broken in damages(records).items():
        scratch, intact = _in_frames(plan.scratch(len(rows)))
        read(plan, broken, rows=rows, scratch=scratch)
        reported = int((scratch.status[: len(rows)] != 0).sum())
        good = True
        for geometry in views.values():
            shape = (len(rows), records.channels, *geometry.size)
            frame = torch.full((int(np.prod(shape)) + 2 * _GUARD,), -9.0, device=records.device)
            out = frame[_GUARD:-_GUARD].reshape(shape)
            render(plan, broken, rows=rows, scratch=scratch, geometry=geometry, pixels=form, out=out, precision="fast")
            around = bool((frame[:_GUARD] == -9).all() & (frame[-_GUARD:] == -9).all())
            good &= around and bool(((out >= 0) & (out <= 1)).all())
        found[what] = {"reported": reported, "of": len(rows), "memory around untouched": intact(), "pixels": good}
        found["passed"] &= intact() and good and (reported == len(rows) or what in _MAY_PASS)
    return found


def graph(records: DeviceRecords, rows: Tensor, geometry: Geometry, form: PixelFormat) -> dict[str, Any]:
    """A captured decode gives the same pixels, of other records and maps put in its place; and what replays it."""
    stream = torch.cuda.Stream()
    rows = rows.clone()
    geometry = replace(
        geometry,
        matrices=geometry.matrices.clone(),
        windows=geometry.windows.clone(),
        feather=geometry.feather.clone(),
    )
    out = decode(records, rows, geometry, form)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        decode(records, rows, geometry, form, out=out)
    torch.cuda.synchronize()
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured, stream=stream):
        decode(records, rows, geometry, form, out=out)
    for batch in (rows, geometry.matrices, geometry.windows, geometry.feather):
        batch.copy_(batch.flip(0))
    out.zero_()
    captured.replay()
    torch.cuda.synchronize()

    def replay(_kept: tuple[Tensor, Geometry] = (rows, geometry)) -> Tensor:
        captured.replay()
        return out

    return {"passed": bool(torch.equal(out, decode(records, rows, geometry, form))), "replay": replay}


def side_streams(records: DeviceRecords, rows: Tensor, geometry: Geometry, form: PixelFormat) -> dict[str, Any]:
    """Decodes queued on two streams at once, beside other work, give what one alone gives."""
    expected = decode(records, rows, geometry, form)
    streams = [torch.cuda.Stream() for _ in range(2)]
    outs: list[Tensor] = []
    torch.cuda.synchronize()
    busy = torch.rand(4096, 4096, device=records.device)
    for stream in streams * 3:
        with torch.cuda.stream(stream):
            outs.append(decode(records, rows, geometry, form))
        busy = busy @ busy.clamp(0, 1e-3)
    torch.cuda.synchronize()
    return {"passed": all(bool(torch.equal(out, expected)) for out in outs)}


def memory(records: DeviceRecords, rows: Tensor, geometry: Geometry, form: PixelFormat) -> dict[str, Any]:
    """Device memory beside the output at most, of a plan that has decoded nothing yet."""
    torch.cuda.synchronize()
    plan = Plan.of(records.file)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    out = decode(records, rows, geometry, form, plan=plan)
    torch.cuda.synchronize()
    extra = torch.cuda.max_memory_allocated() - before - out.nbytes
    return {
        "passed": extra < EXTRA_BYTES,
        "extra_bytes": extra,
        "scratch_bytes": plan.part(len(rows)) * plan.record_bytes,
    }
