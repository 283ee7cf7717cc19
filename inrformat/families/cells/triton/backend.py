"""The Triton backend of ``cells`` (``decoding.triton.backend.TritonBackend``): what is launched for a batch.

Reading leaves the symbols of records in order. A view is then evaluated some samples at a time: for aligned maps
``operators.py`` makes what each axis needs once; ``place.py`` puts the weights that are seen where evaluation finds
them; ``aligned.py`` or ``general.py`` makes pixels. Programs of samples of another family leave at once.

A 224 px view of a 256 px colour photograph, cropped at random, takes 210,000 warp instructions on compute capability
9.0: 80,000 to place, 40,000 for operators (three times as many in views that shrink as in others), 90,000 for pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.triton import ahead_of_time, bodies
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.decoding.triton.backend import PRECISIONS, View
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.families.cells.triton import aligned, classes as reading, general, means, operators, place, templates
from inrformat.families.cells.triton.plan import CellsPlan, CellsScratch
from inrformat.families.cells.triton.workspace import Workspace

__all__ = ["kernels", "prepare", "read", "render", "why_not"]

_MOST_SYMBOLS = 1 << 30
_POINTERS = {
    **bodies.POINTERS,
    "blocks": "*fp16",
    "classes": "*i16",
    "covers": "*i16",
    "low_bit_starts": "*i32",
    "node_means": "*fp32",
    "operators": "*fp16",
    "spans": "*i32",
    "starts": "*i32",
    "steps": "*fp32",
    "totals": "*fp32",
    "weight_numbers": "*i16",
}
_EXACT_POINTERS = _POINTERS | {"blocks": "*fp32", "operators": "*fp32"}


def why_not(file: DeviceFile) -> str | None:
    """See ``TritonBackend.why_not``: images must not be beyond what 32 bits count."""
    if file.channels * (file.max_height + 31) * (file.max_width + 31) * 4 // 3 > _MOST_SYMBOLS:
        return f"images of {file.max_height} x {file.max_width} px"
    return None


def prepare(file: DeviceFile) -> CellsPlan:
    """See ``TritonBackend.prepare``."""
    return CellsPlan.of(file)


def read(plan: CellsPlan, scratch: CellsScratch, *, payload: Payload, samples: Samples, status: Tensor) -> None:
    """See ``TritonBackend.read``; status bits of the family: ``classes.NO_SUCH_CLASS``, ``means.NO_SUCH_SCALE``."""
    batch, node_parts = len(samples.rows), -(-plan.node_count // templates.NODES)
    held, stored = scratch.bodies, payload.without_tables()
    shared = {
        **samples._asdict(),
        "heads": plan.descriptors.heads,
        "classes": scratch.classes,
        "starts": scratch.starts,
        "node_count": plan.node_count,
        "C": plan.channels,
    }
    integers = plan.descriptors.integers
    kernel: Any = reading.cells_classes_kernel
    kernel[(batch,)](
        **payload._asdict(),
        **shared,
        integers=integers,
        low_bit_starts=scratch.low_bit_starts,
        states=held.states,
        progress=held.progress,
        status=status,
        lane_capacity=plan.lane_capacity,
        **reading.OPTIONS,
    )
    shared |= {"items": held.items, "item_capacity": plan.item_capacity}
    kernel = templates.cells_items_kernel
    kernel[(batch * node_parts,)](**shared, integers=integers, node_parts=node_parts, **templates.OPTIONS)
    bodies.read_bodies(held, payload=payload, samples=samples, status=status)
    shared |= {"states": held.states, "progress": held.progress, "lane_capacity": plan.lane_capacity}
    kernel = templates.cells_low_bits_kernel
    kernel[(batch * node_parts,)](
        **stored,
        **shared,
        integers=integers,
        low_bit_starts=scratch.low_bit_starts,
        node_parts=node_parts,
        **templates.OPTIONS,
    )
    kernel = means.cells_means_kernel
    kernel[(batch,)](
        **stored,
        **shared,
        floats=plan.descriptors.floats,
        node_means=scratch.node_means,
        steps=scratch.steps,
        status=status,
        **means.OPTIONS,
    )


def render(plan: CellsPlan, scratch: CellsScratch, *, view: View) -> None:
    """See ``TritonBackend.render``."""
    workspace = scratch.workspaces.suited(view)
    for first in range(0, len(view), len(workspace)):
        samples = range(first, min(first + len(workspace), len(view)))
        if view.maps.aligned:
            _make_operators(plan, workspace, view=view, samples=samples)
        _place(plan, scratch, workspace, view=view, samples=samples)
        _evaluate(plan, workspace, view=view, samples=samples)


def _make_operators(plan: CellsPlan, workspace: Workspace, *, view: View, samples: range) -> None:
    kernel: Any = operators.cells_operators_kernel
    height, width = view.out.shape[2:]
    kernel[(len(samples) * (workspace.tile_rows + workspace.tile_columns),)](
        **view.samples._asdict(),
        first_sample=samples.start,
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


def _place(plan: CellsPlan, scratch: CellsScratch, workspace: Workspace, *, view: View, samples: range) -> None:
    kernel: Any = place.cells_place_kernel
    block_count = workspace.block_rows * workspace.block_columns
    kernel[(len(samples) * block_count // 4,)](
        **view.samples._asdict(),
        first_sample=samples.start,
        blocks=workspace.blocks,
        covers=workspace.covers,
        spans=workspace.spans,
        heads=plan.descriptors.heads,
        integers=plan.descriptors.integers,
        floats=plan.descriptors.floats,
        weight_numbers=plan.weight_numbers,
        items=scratch.bodies.items,
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


def _evaluate(plan: CellsPlan, workspace: Workspace, *, view: View, samples: range) -> None:
    arguments = {
        "first_sample": samples.start,
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
            samples=len(samples),
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
            samples=len(samples),
        )


def kernels() -> Iterator[KernelVariant]:
    """See ``TritonBackend.kernels``."""
    channels, padding_mode = ahead_of_time.ALIGNED["C"], PaddingMode(ahead_of_time.ALIGNED["PADDING_MODE"])
    for name, kernel, options in (
        ("classes", reading.cells_classes_kernel, reading.OPTIONS),
        ("items", templates.cells_items_kernel, templates.OPTIONS),
        ("low bits", templates.cells_low_bits_kernel, templates.OPTIONS),
        ("means", means.cells_means_kernel, means.OPTIONS),
    ):
        yield KernelVariant(
            name=f"cells {name}",
            kernel=kernel,
            constants={"C": channels},
            options=options,
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
