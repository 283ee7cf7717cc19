"""``decode``: what to launch for a batch. Nothing here waits for the device or reads from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.backend import PRECISIONS, View
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.decoding.triton.plan import Plan, Scratch, plan_of
from inrformat.decoding.triton.sampling import Maps
from inrformat.errors import UsageError

__all__ = ["decode", "decode_views", "read", "render"]

_LONGEST_SPAN = 1 << 31
"""Numbers that an image may span in its output tensor: kernels count them in 32 bits."""


def decode(
    records: DeviceRecords,
    rows: Tensor,
    geometry: Geometry,
    pixels: PixelFormat,
    *,
    out: Tensor | None = None,
    precision: str = "fast",
    plan: Plan | None = None,
    status: Tensor | None = None,
) -> Tensor:
    """Decode a batch, whatever the networks and native sizes of its records.

    Args:
        rows: int64 ``(B,)`` on the records' device, within the file. geometry: of the same B samples, on that device.
        out: ``(B, C, H, W)`` of the dtype of ``pixels``, any strides. precision: "float32", which agrees with the
            reference to 1/255, or "fast" (TF32 and float16 products), to 3/255.
        plan: of ``records``; found by itself where none is given. status: int32 ``(B,)`` on the device, receives 0 for
            each record whose bytes are sound and else bits that say what is wrong: see ``TritonBackend.read``.

    Raises:
        UsageError: arguments that do not fit one another. GeometryError: a fill of the wrong length.
        DeviceError: the file is beyond what the kernels do, see ``plan.why_not``.
    """
    outs = None if out is None else [out]
    return decode_views(records, rows, [geometry], [pixels], outs=outs, precision=precision, plan=plan, status=status)[
        0
    ]


def decode_views(
    records: DeviceRecords,
    rows: Tensor,
    geometries: Sequence[Geometry],
    pixels: Sequence[PixelFormat],
    *,
    outs: Sequence[Tensor] | None = None,
    precision: str = "fast",
    plan: Plan | None = None,
    status: Tensor | None = None,
) -> list[Tensor]:
    """What ``decode`` gives for each of ``geometries``, all of the same B samples, whose records are read once.

    ``outs``: one for each, otherwise arguments and errors are those of ``decode``.
    """
    plan = plan_of(records) if plan is None else plan
    for geometry in geometries:
        _check(plan, rows, geometry, precision)
    shapes = [(len(rows), plan.channels, *geometry.size) for geometry in geometries]
    if outs is None:
        outs = [form.empty(shape, plan.device) for form, shape in zip(pixels, shapes, strict=True)]
    for out, form, shape in zip(outs, pixels, shapes, strict=True):
        _check_out(out, form, shape, plan.device)
    part = plan.part(len(rows))
    # Triton launches on the current device, whatever device its arguments are on.
    current = torch.cuda.device(plan.device) if plan.device.type == "cuda" else nullcontext()
    with current, plan.scratch_pool.lent(plan, part) as scratch:
        for first in range(0, len(rows), part):
            batch = slice(first, min(first + part, len(rows)))
            chosen = _some(rows, batch)
            read(plan, records, rows=chosen, scratch=scratch)
            if status is not None:
                status[batch].copy_(scratch.status[: batch.stop - batch.start])
            for geometry, form, out in zip(geometries, pixels, outs, strict=True):
                render(
                    plan,
                    records,
                    rows=chosen,
                    scratch=scratch,
                    geometry=geometry[batch],
                    pixels=form,
                    out=_some(out, batch),
                    precision=precision,
                )
    return list(outs)


def _some(tensor: Tensor, samples: slice) -> Tensor:
    """``tensor[samples]``; without an operation of torch where that is all of it."""
    return tensor if samples.stop - samples.start == len(tensor) else tensor[samples]


def _check(plan: Plan, rows: Tensor, geometry: Geometry, precision: str) -> None:
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if rows.dtype != torch.int64 or rows.ndim != 1 or rows.device != plan.device:
        raise UsageError(f"rows are {rows.dtype} {tuple(rows.shape)} on {rows.device}: expected int64 on {plan.device}")
    if len(geometry) != len(rows):
        raise UsageError(f"a geometry of {len(geometry)} samples for {len(rows)} records")
    if geometry.matrices.device != plan.device:
        raise UsageError(f"the geometry is on {geometry.matrices.device}, the records are on {plan.device}")


def _check_out(out: Tensor, form: PixelFormat, shape: tuple[int, ...], device: torch.device) -> None:
    if out.shape != shape or out.dtype != form.dtype or out.device != device:
        raise UsageError(f"out is {out.dtype} {tuple(out.shape)} on {out.device}, expected {form.dtype} {shape}")
    if sum((n - 1) * s for n, s in zip(out.shape[1:], out.stride()[1:], strict=True)) >= _LONGEST_SPAN:
        raise UsageError(f"an image of {shape[1:]} in out spans 2**31 numbers or more, which kernels cannot address")


def read(plan: Plan, records: DeviceRecords, *, rows: Tensor, scratch: Scratch) -> None:
    """Records to weights in ``scratch``."""
    samples = _samples(plan, records, rows)
    payload = Payload(
        words=records.words,
        word_count=len(records.words),
        offsets=records.offsets,
        lengths=records.lengths,
        slot_entries=plan.slot_entries,
    )
    for family, held in zip(plan.families, scratch.families, strict=True):
        family.backend.read(family.plan, held, payload=payload, samples=samples, status=scratch.status)


def render(
    plan: Plan,
    records: DeviceRecords,
    *,
    rows: Tensor,
    scratch: Scratch,
    geometry: Geometry,
    pixels: PixelFormat,
    out: Tensor,
    precision: str,
) -> None:
    """Weights in ``scratch`` to pixels."""
    view = View(
        samples=_samples(plan, records, rows),
        maps=Maps.of(geometry),
        out=out,
        channel_style=plan.channel_style(*pixels.scale_shift(plan.channels), geometry.fills(plan.channels)),
        precision=PRECISIONS[precision],
    )
    for family, held in zip(plan.families, scratch.families, strict=True):
        family.backend.render(family.plan, held, view=view)


def _samples(plan: Plan, records: DeviceRecords, rows: Tensor) -> Samples:
    return Samples(
        shapes=records.shapes,
        rows=rows.contiguous(),
        record_count=len(records),
        network_count=len(records.networks),
        max_height=plan.max_height,
        max_width=plan.max_width,
    )
