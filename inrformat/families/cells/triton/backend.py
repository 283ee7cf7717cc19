"""The Triton backend of ``cells`` (``decoding.triton.backend.TritonBackend``): what is launched for a batch.

Reading leaves the symbols of records in order. A view is then evaluated some samples at a time: for aligned maps
``operators.py`` makes what each axis needs once; ``place.py`` puts the weights that are seen where evaluation finds
them; ``aligned.py`` or ``general.py`` makes pixels. Programs of samples of another family leave at once.

A 224 px view of a 256 px colour photograph, cropped at random, takes 200,000 warp instructions on compute capability
9.0: 80,000 to place, 30,000 for operators (three times as many in views that shrink), 90,000 for products and pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton import ahead_of_time
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.decoding.triton.backend import PRECISIONS, View
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.families.cells.triton import aligned, general, operators, place, read as reading
from inrformat.families.cells.triton.plan import CellsPlan, CellsScratch
from inrformat.families.cells.triton.symbols import CHUNK
from inrformat.families.cells.triton.workspace import Workspace

__all__ = ["kernels", "prepare", "read", "render", "why_not"]

_MOST_SYMBOLS = 1 << 30
_POINTERS = {
    "blocks": "*fp16",
    "classes": "*i16",
    "covers": "*i16",
    "items": "*i16",
    "node_means": "*fp32",
    "operators": "*fp16",
    "spans": "*i32",
    "starts": "*i32",
    "steps": "*fp32",
    "totals": "*fp32",
    "unit_words": "*i32",
    "weight_numbers": "*i16",
    "work": "*i32",
}
_EXACT_POINTERS = _POINTERS | {"blocks": "*fp32", "operators": "*fp32"}


def why_not(records: DeviceRecords) -> str | None:
    """See ``TritonBackend.why_not``: images must not be beyond what 32 bits count."""
    _, height, width = records.shapes.amax(0).tolist()
    if records.channels * (height + 31) * (width + 31) * 4 // 3 > _MOST_SYMBOLS:
        return f"images of {height} x {width} px"
    return None


def prepare(records: DeviceRecords) -> CellsPlan:
    """See ``TritonBackend.prepare``."""
    return CellsPlan.of(records)


def read(plan: CellsPlan, scratch: CellsScratch, *, payload: Payload, samples: Samples, status: Tensor) -> None:
    """See ``TritonBackend.read``; status bits of the family: ``symbols.NO_SUCH_CLASS``, ``read.NO_SUCH_SCALE``."""
    batch = len(samples.rows)
    kernel: Any = reading.read_cells_kernel
    kernel[(batch,)](
        **payload._asdict(),
        **samples._asdict(),
        heads=plan.descriptors.heads,
        integers=plan.descriptors.integers,
        floats=plan.descriptors.floats,
        unit_words=plan.unit_words,
        items=scratch.items,
        classes=scratch.classes,
        starts=scratch.starts,
        work=scratch.work,
        node_means=scratch.node_means,
        steps=scratch.steps,
        status=status,
        item_capacity=plan.item_capacity,
        node_count=plan.node_count,
        details_start=plan.details_start,
        roots_start=plan.roots_start,
        weights_start=plan.weights_start,
        scale_position=plan.scale_position,
        **_read_constants(plan.channels, node_count=plan.node_count),
        **reading.OPTIONS,
    )


def render(plan: CellsPlan, scratch: CellsScratch, *, view: View) -> None:
    """See ``TritonBackend.render``."""
    workspace = Workspace.of(plan, view)
    for first in range(0, len(view), len(workspace)):
        samples = slice(first, min(first + len(workspace), len(view)))
        if view.maps.aligned:
            _make_operators(plan, workspace, view=view[samples])
        _place(plan, scratch[samples], workspace, view=view[samples])
        _evaluate(plan, workspace, view=view[samples])


def _make_operators(plan: CellsPlan, workspace: Workspace, *, view: View) -> None:
    kernel: Any = operators.cells_operators_kernel
    height, width = view.out.shape[2:]
    kernel[(len(view) * (workspace.tile_rows + workspace.tile_columns),)](
        **view.samples._asdict(),
        operators=workspace.operators,
        spans=workspace.spans,
        totals=workspace.totals,
        packed=view.maps.packed,
        heads=plan.descriptors.heads,
        point_span=view.maps.point_span,
        out_height=height,
        out_width=width,
        tile_rows=workspace.tile_rows,
        tile_columns=workspace.tile_columns,
        axis_blocks=max(workspace.block_rows, workspace.block_columns),
        **operators.constants(padding_mode=view.maps.padding_mode, products=view.precision.products),
        **operators.OPTIONS,
    )


def _place(plan: CellsPlan, scratch: CellsScratch, workspace: Workspace, *, view: View) -> None:
    kernel: Any = place.cells_place_kernel
    block_count = workspace.block_rows * workspace.block_columns
    kernel[(len(view) * block_count // 4,)](
        **view.samples._asdict(),
        blocks=workspace.blocks,
        covers=workspace.covers,
        spans=workspace.spans,
        heads=plan.descriptors.heads,
        integers=plan.descriptors.integers,
        floats=plan.descriptors.floats,
        weight_numbers=plan.weight_numbers,
        items=scratch.items,
        classes=scratch.classes,
        starts=scratch.starts,
        node_means=scratch.node_means,
        steps=scratch.steps,
        item_capacity=plan.item_capacity,
        node_count=plan.node_count,
        block_columns=workspace.block_columns,
        block_count=block_count,
        tile_rows=workspace.tile_rows,
        tile_columns=workspace.tile_columns,
        **place.constants(channels=plan.channels, tiles=max(workspace.tile_rows, workspace.tile_columns)),
        **place.OPTIONS,
    )


def _evaluate(plan: CellsPlan, workspace: Workspace, *, view: View) -> None:
    arguments = {
        "heads": plan.descriptors.heads,
        "blocks": workspace.blocks,
        "covers": workspace.covers,
        "block_columns": workspace.block_columns,
        "block_count": workspace.block_rows * workspace.block_columns,
    }
    if view.maps.aligned:
        view.launch(
            aligned.cells_aligned_kernel,
            tile=(operators.TILE, operators.TILE),
            arguments={
                **arguments,
                "operators": workspace.operators,
                "spans": workspace.spans,
                "totals": workspace.totals,
                "axis_blocks": max(workspace.block_rows, workspace.block_columns),
                "point_span": view.maps.point_span,
                **aligned.constants(products=view.precision.products),
            },
            options=aligned.options(channels=plan.channels, products=view.precision.products),
        )
    else:
        view.launch(
            general.cells_general_kernel,
            tile=(general.TILE, general.TILE),
            arguments={
                **arguments,
                "taps": view.maps.taps,
                "displacement": view.maps.displacement,
                **general.constants(displaced=view.maps.displaced, products=view.precision.products),
            },
            options=general.OPTIONS,
        )


def kernels() -> Iterator[KernelVariant]:
    """See ``TritonBackend.kernels``."""
    channels, padding_mode = ahead_of_time.ALIGNED["C"], PaddingMode(ahead_of_time.ALIGNED["PADDING_MODE"])
    yield KernelVariant(
        name="cells read",
        kernel=reading.read_cells_kernel,
        constants=_read_constants(channels, node_count=1024),
        options=reading.OPTIONS,
        pointers=_POINTERS,
        multiples_of_16=("item_capacity",),
    )
    for precision, (products, half) in PRECISIONS.items():
        pointers = _POINTERS if half else _EXACT_POINTERS
        yield KernelVariant(
            name=f"cells general {precision}",
            kernel=general.cells_general_kernel,
            constants={**ahead_of_time.GENERAL, **general.constants(displaced=True, products=products)},
            options=general.OPTIONS,
            pointers=pointers,
        )
        yield KernelVariant(
            name=f"cells operators {precision}",
            kernel=operators.cells_operators_kernel,
            constants=operators.constants(padding_mode=padding_mode, products=products),
            options=operators.OPTIONS,
            pointers=pointers,
        )
        yield KernelVariant(
            name=f"cells place {precision}",
            kernel=place.cells_place_kernel,
            constants=place.constants(channels=channels, tiles=7),
            options=place.OPTIONS,
            pointers=pointers,
            multiples_of_16=("item_capacity",),
        )
        yield KernelVariant(
            name=f"cells aligned {precision}",
            kernel=aligned.cells_aligned_kernel,
            constants={**ahead_of_time.ALIGNED, **aligned.constants(products=products)},
            options=aligned.options(channels=channels, products=products),
            pointers=pointers,
        )


def _read_constants(channels: int, *, node_count: int) -> dict[str, int]:
    return {"C": channels, "CHUNK": CHUNK, "NODE_BITS": node_count.bit_length()}
