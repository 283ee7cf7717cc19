"""``decode``: what to launch for a batch. Nothing here waits for the device or reads from it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor

from inrformat.decode.geometry import Geometry
from inrformat.decode.pixels import PixelFormat
from inrformat.decode.records import DeviceRecords
from inrformat.decode.triton.plan import Plan, Scratch, plan_of
from inrformat.errors import UsageError
from inrformat.families.cells.triton import aligned as cells_aligned, general as cells_general
from inrformat.families.cells.triton.read import CHUNK, OPTIONS as READ_OPTIONS, read_cells_kernel
from inrformat.families.siren.triton import siren
from inrformat.families.siren.triton.read import read_siren_kernel

__all__ = ["PRECISIONS", "decode", "read", "render"]

PRECISIONS = {"float32": ("ieee", False), "fast": ("tf32", True)}
"""By name: precision of products of float32, and whether siren activations are float16 in products."""

_MAX_PLACES = 1 << 31
_POINT_SPAN = 1 + 1e-6
"""More than 1 by rounding is not minification."""


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
    # Triton launches on the current device, whatever device its arguments are on.
    current = torch.cuda.device(plan.device) if plan.device.type == "cuda" else nullcontext()
    with plan.launching, current:
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
    options = {
        "C": channels,
        "CP": triton.next_power_of_2(channels),
        "PADDING_MODE": int(geometry.padding_mode),
        "BYTES": pixels.dtype == torch.uint8,
    }
    about, packed = plan.descriptors, geometry.packed()
    taps, displacement = packed, packed  # aligned maps have neither
    if not geometry.aligned:
        taps = torch.cat(geometry.taps(), dim=1).float()
        if geometry.displacement is not None:
            displacement = geometry.displacement.float().contiguous()
    style = plan.style(*pixels.scale_shift(channels), geometry.fills(channels))
    view = _View(
        out=out,
        aligned=(packed, style),
        general=(packed, taps, displacement, style),
        resident=(records.shapes, rows.contiguous(), about.heads, about.floats),
        limits=(len(records), len(about.heads), plan.height, plan.width),
        geometry=geometry,
        options=options,
        precision=precision,
    )
    if plan.has_cells:
        _cells(view, plan, scratch)
    if plan.has_siren:
        _siren(view, plan, scratch)


@dataclass(frozen=True, slots=True)
class _View:
    """What kernels of both families are given: arguments in their order, and constants."""

    out: Tensor
    aligned: tuple[Tensor, ...]
    general: tuple[Tensor, ...]
    resident: tuple[Tensor, ...]
    limits: tuple[int, ...]
    geometry: Geometry
    options: dict[str, Any]
    precision: str

    @property
    def point_span(self) -> float:
        """Native pixels that an output pixel of an aligned map may span without being filtered."""
        return _POINT_SPAN if self.geometry.antialias else float("inf")

    @property
    def filters(self) -> tuple[bool, ...]:
        """Which kinds of samples an aligned map may have: those that need no filter, and those that do."""
        return (False, True) if self.geometry.antialias else (False,)

    def launch(self, kernel: Any, tile: tuple[int, int], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A program for each tile (height, width) of each sample."""
        rows, columns = (-(-side // size) for side, size in zip(self.out.shape[2:], tile, strict=True))
        frame = (*self.out.shape[2:], columns, rows * columns, *self.out.stride())
        kernel[(len(self.out) * rows * columns,)](self.out, *arguments, *frame, **self.options, **options)


def _cells(view: _View, plan: Plan, scratch: Scratch) -> None:
    weights = (scratch.area, scratch.dc, scratch.cover, scratch.steps)
    limits = (*view.limits, plan.area_size, plan.plane, plan.plane_width // 8, plan.plane_size // 64)
    options: dict[str, Any]
    if view.geometry.aligned:
        tile = (cells_aligned.TILE, cells_aligned.TILE)
        product = PRECISIONS[view.precision][0]
        for shrinks in view.filters:
            options = {"SIZE": cells_aligned.TILE, "FILTER": shrinks, "PRECISION": product}
            options |= cells_aligned.options(shrinks=shrinks, precision=product)
            arguments = (*view.aligned, *view.resident, *weights, *limits, view.point_span)
            view.launch(cells_aligned.cells_aligned_kernel, tile, arguments, options)
    else:
        tile = (cells_general.TILE_HEIGHT, cells_general.TILE_WIDTH)
        options = {"TILE_H": tile[0], "TILE_W": tile[1], "DISPLACED": view.geometry.displacement is not None}
        options |= cells_general.OPTIONS
        view.launch(
            cells_general.cells_general_kernel, tile, (*view.general, *view.resident, *weights, *limits), options
        )


def _siren(view: _View, plan: Plan, scratch: Scratch) -> None:
    product, half = PRECISIONS[view.precision]
    aligned, displaced = view.geometry.aligned, view.geometry.displacement is not None
    options: dict[str, Any] = {"PAD": plan.pad, "HALF": half, "PRECISION": product}
    rest = (*view.resident, scratch.parameters, *view.limits, plan.padded, plan.layers, view.point_span)
    points = {**siren.tiling(plan.pad, aligned=aligned, half=half), "ALIGNED": aligned, "DISPLACED": displaced}
    tile = (points["SIZE"], points["SIZE"])
    view.launch(siren.siren_points_kernel, tile, (*view.general, *rest), {**options, **points})
    if aligned and view.geometry.antialias:
        shrunk = siren.shrinking(plan.pad)
        tile = (shrunk["TILE"], shrunk["TILE"])
        view.launch(siren.siren_shrinking_kernel, tile, (*view.aligned, *rest), {**options, **shrunk})
