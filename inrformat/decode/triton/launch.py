"""``decode``: what to launch for a batch. Nothing here waits for the device or reads from it."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from inrformat.decode.geometry import Geometry
from inrformat.decode.pixels import PixelFormat
from inrformat.decode.records import DeviceRecords
from inrformat.decode.triton import cells_aligned, cells_general, siren
from inrformat.decode.triton.plan import Plan, Scratch, plan_of
from inrformat.decode.triton.read_cells import CHUNK, OPTIONS as READ_OPTIONS, read_cells_kernel
from inrformat.decode.triton.read_siren import read_siren_kernel
from inrformat.errors import UsageError

__all__ = ["PRECISIONS", "decode", "read", "render"]

PRECISIONS = {"float32": ("ieee", False), "fast": ("tf32", True)}
"""By name: precision of products of float32, and whether siren activations are float16 in products."""

_MAX_PLACES = 1 << 31


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
            each record whose bytes are sound and else the bits of ``rans.py`` and ``read_cells.py``.

    Raises:
        UsageError: arguments that do not fit one another. GeometryError: a fill of the wrong length.
        DeviceError: the file is beyond what the kernels do, see ``plan.why_not``.
    """
    plan = plan_of(records) if plan is None else plan
    shape = (len(rows), plan.channels, *geometry.size)
    _check(plan, rows, geometry, precision)
    if out is None:
        out = pixels.empty(shape, plan.device)
    elif out.shape != shape or out.dtype != pixels.dtype or out.device != plan.device:
        raise UsageError(f"out is {out.dtype} {tuple(out.shape)} on {out.device}, expected {pixels.dtype} {shape}")
    if sum((n - 1) * s for n, s in zip(out.shape[1:], out.stride()[1:], strict=True)) >= _MAX_PLACES:
        raise UsageError(f"an image of {shape[1:]} in out spans 2**31 numbers or more, which kernels cannot address")
    part = plan.part(len(rows))
    with plan.launching:
        scratch = plan.scratch(part)
        for first in range(0, len(rows), part):
            batch = slice(first, min(first + part, len(rows)))
            read(plan, records, rows[batch], scratch)
            if status is not None:
                status[batch].copy_(scratch.status[: batch.stop - batch.start])
            render(plan, records, rows[batch], geometry[batch], pixels, scratch, out=out[batch], precision=precision)
    return out


def _check(plan: Plan, rows: Tensor, geometry: Geometry, precision: str) -> None:
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if rows.dtype != torch.int64 or rows.ndim != 1 or rows.device != plan.device:
        raise UsageError(f"rows are {rows.dtype} {tuple(rows.shape)} on {rows.device}: expected int64 on {plan.device}")
    if len(geometry) != len(rows):
        raise UsageError(f"a geometry of {len(geometry)} samples for {len(rows)} records")
    if geometry.matrices.device != plan.device:
        raise UsageError(f"the geometry is on {geometry.matrices.device}, the records are on {plan.device}")


def read(plan: Plan, records: DeviceRecords, rows: Tensor, scratch: Scratch) -> None:
    """Records to weights in ``scratch``."""
    batch, about = len(rows), plan.descriptors
    rows = rows.contiguous()
    scratch.area[:batch].zero_()
    resident = (records.words, records.offsets, records.lengths, records.shapes, rows, plan.entries)
    limits = (len(records), len(about.heads), len(records.words), plan.height, plan.width)
    kernel: Any
    if plan.has_cells:
        kernel = read_cells_kernel
        kernel[(batch,)](
            *resident, about.heads, about.integers, about.floats, about.units,
            scratch.area, scratch.work, scratch.means, scratch.dc, scratch.cover, scratch.steps, scratch.status,
            *limits, plan.nodes, plan.area_size, plan.details, plan.roots, plan.scale_at, plan.plane,
            plan.plane_width, plan.plane_size,
            C=plan.channels, CHUNK=CHUNK, NODE_BITS=plan.nodes.bit_length(), **READ_OPTIONS,
        )  # fmt: skip
    if plan.has_siren:
        kernel = read_siren_kernel
        kernel[(batch,)](
            *resident, about.heads, about.integers, about.floats,
            scratch.area, scratch.work, scratch.parameters, scratch.status,
            *limits, plan.area_size, plan.scale_at, plan.padded, CHUNK=CHUNK, **READ_OPTIONS,
        )  # fmt: skip


def render(
    plan: Plan, records: DeviceRecords, rows: Tensor, geometry: Geometry, pixels: PixelFormat, scratch: Scratch,
    *, out: Tensor, precision: str,
) -> None:  # fmt: skip
    """Weights in ``scratch`` to pixels."""
    channels = plan.channels
    style = plan.style(*pixels.scale_shift(channels), geometry.fills(channels))
    options = {"C": channels, "OUTSIDE": int(geometry.outside), "BYTES": pixels.dtype == torch.uint8}
    about = plan.descriptors
    resident = (style, records.shapes, rows.contiguous(), about.heads, about.floats)
    limits = (len(records), len(about.heads), plan.height, plan.width)
    if geometry.aligned:
        maps: tuple[Any, ...] = (geometry.packed(),)
        options["ANTIALIAS"] = geometry.antialias
    else:
        taps = torch.cat(geometry.taps(), dim=1).float()
        displaced = geometry.displacement is not None
        moved = geometry.displacement.float().contiguous() if geometry.displacement is not None else taps
        maps = (geometry.packed(), taps, moved)
        options["DISPLACED"] = displaced
    if plan.has_cells:
        tail: tuple[Any, ...] = (
            scratch.area, scratch.dc, scratch.cover, scratch.steps,
            *limits, plan.area_size, plan.plane, plan.plane_width, plan.plane_size,
        )  # fmt: skip
        _cells(out, (*maps, *resident, *tail), geometry, {**options, **_cells_options(geometry, precision)}, channels)
    if plan.has_siren:
        tail = (scratch.parameters, *limits, plan.padded, plan.layers)
        _siren(out, (*maps, *resident, *tail), geometry, options, plan=plan, precision=precision)


def _cells_options(geometry: Geometry, precision: str) -> dict[str, Any]:
    return {"PRECISION": PRECISIONS[precision][0]} if geometry.aligned else {}


def _tiles(out: Tensor, height: int, width: int) -> tuple[int, tuple[int, ...]]:
    """Programs for the batch, and what kernels are told of the output."""
    rows, columns = (-(-side // tile) for side, tile in zip(out.shape[2:], (height, width), strict=True))
    return len(out) * rows * columns, (*out.shape[2:], columns, rows * columns, *out.stride())


def _cells(out: Tensor, arguments: tuple[Any, ...], geometry: Geometry, options: dict[str, Any], channels: int) -> None:
    kernel: Any
    if geometry.aligned:
        kernel = cells_aligned.cells_aligned_kernel
        programs, frame = _tiles(out, cells_aligned.TILE, cells_aligned.TILE)
        programs *= channels
        extra = {"SIZE": cells_aligned.TILE, **cells_aligned.OPTIONS}
    else:
        kernel = cells_general.cells_general_kernel
        programs, frame = _tiles(out, cells_general.TILE_HEIGHT, cells_general.TILE_WIDTH)
        extra = {"TILE_H": cells_general.TILE_HEIGHT, "TILE_W": cells_general.TILE_WIDTH, **cells_general.OPTIONS}
        extra["CP"] = triton.next_power_of_2(channels)
    kernel[(programs,)](out, *arguments, *frame, **options, **extra)


def _siren(
    out: Tensor, arguments: tuple[Any, ...], geometry: Geometry, options: dict[str, Any], *, plan: Plan, precision: str
) -> None:
    product, half = PRECISIONS[precision]
    extra: dict[str, Any] = {"PAD": plan.pad, "SIZE": siren.TILE, "HALF": half, "PRECISION": product, **siren.OPTIONS}
    if geometry.aligned:
        extra["CP"] = triton.next_power_of_2(plan.channels)
    kernel: Any = siren.siren_aligned_kernel if geometry.aligned else siren.siren_general_kernel
    programs, frame = _tiles(out, siren.TILE, siren.TILE)
    kernel[(programs,)](out, *arguments, *frame, **options, **extra)
