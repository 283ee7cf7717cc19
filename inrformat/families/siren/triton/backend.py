"""The Triton backend of ``siren`` (``decoding.triton.backend.TritonBackend``): what is launched for a batch.

Programs of samples that are another kernel's, by family or by whether an aligned map shrinks, leave at once. What must
move and be computed for a sample, for judging a measurement (H x W output, P parameters, C = 3):

=========  ===========================================  ======================================================
kernel     bytes per sample                             multiply-adds per output pixel
=========  ===========================================  ======================================================
floor      record + C H W out                           P
points     4 P per tile of 256 pixels, from cache       layers x units^2 float16 products, padded; 12 per sine
shrinking  the same                                     by s: times about (s + (s + 8) / 16)^2
=========  ===========================================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton.ahead_of_time import ALIGNED, GENERAL, KernelVariant
from inrformat.decoding.triton.backend import PRECISIONS, Precision, View
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.decoding.triton.bodies import POINTERS as BODY_POINTERS, read_bodies
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.triton import points, read as reading, shrinking
from inrformat.families.siren.triton.plan import SirenPlan, SirenScratch

__all__ = ["kernels", "prepare", "read", "render", "why_not"]

_WIDEST = 64
_POINTERS = {**BODY_POINTERS, "parameters": "*fp32"}


def why_not(file: DeviceFile) -> str | None:
    """See ``TritonBackend.why_not``: a layer's activations must fit the registers of a multiprocessor."""
    widest = max((max(n.widths) for n in file.networks if isinstance(n, Siren)), default=0)
    return f"a siren of {widest} units in a layer, where {_WIDEST} fit a multiprocessor" if widest > _WIDEST else None


def prepare(file: DeviceFile) -> SirenPlan:
    """See ``TritonBackend.prepare``."""
    return SirenPlan.of(file)


def read(plan: SirenPlan, scratch: SirenScratch, *, payload: Payload, samples: Samples, status: Tensor) -> None:
    """See ``TritonBackend.read``; the family has no status bits of its own."""
    batch, bodies = len(samples.rows), scratch.bodies
    shared = {
        **payload.without_tables(),
        **samples._asdict(),
        "heads": plan.descriptors.heads,
        "integers": plan.descriptors.integers,
        "items": bodies.items,
        "states": bodies.states,
        "progress": bodies.progress,
        "status": status,
        "item_capacity": plan.item_capacity,
        "lane_capacity": plan.lane_capacity,
        **reading.CONSTANTS,
        **reading.OPTIONS,
    }
    kernel: Any = reading.siren_items_kernel
    kernel[(batch,)](**shared)
    read_bodies(bodies, payload=payload, samples=samples, status=status)
    kernel = reading.siren_parameters_kernel
    kernel[(batch,)](
        **shared,
        floats=plan.descriptors.floats,
        parameters=scratch.parameters,
        padded_count=plan.shape.size,
    )


def render(plan: SirenPlan, scratch: SirenScratch, *, view: View) -> None:
    """See ``TritonBackend.render``."""
    maps, units = view.maps, plan.shape.units
    arguments = {
        "heads": plan.descriptors.heads,
        "parameters": scratch.parameters,
        "padded_count": plan.shape.size,
        "most_layers": plan.shape.layers,
        "point_span": maps.point_span,
        **_network_constants(units, view.precision),
    }
    tiles = points.tiling(units, aligned=maps.aligned, half=view.precision.half)
    view.launch(
        points.siren_points_kernel,
        tile=(tiles.side, tiles.side),
        arguments={
            **arguments,
            "taps": maps.taps,
            "displacement": maps.displacement,
            **points.constants(tiles.side, aligned=maps.aligned, displaced=maps.displaced),
        },
        options=tiles.options,
    )
    if maps.aligned and maps.antialias:
        chunks = shrinking.tiling(units)
        view.launch(
            shrinking.siren_shrinking_kernel,
            tile=(chunks.side, chunks.side),
            arguments={**arguments, "floats": plan.descriptors.floats, **shrinking.constants(chunks)},
            options=chunks.options,
        )


def kernels() -> Iterator[KernelVariant]:
    """See ``TritonBackend.kernels``: of networks padded to 32 units, and to 64 where products are fast."""
    for name, kernel in (
        ("siren items", reading.siren_items_kernel),
        ("siren parameters", reading.siren_parameters_kernel),
    ):
        yield KernelVariant(
            name=name,
            kernel=kernel,
            constants=reading.CONSTANTS,
            options=reading.OPTIONS,
            pointers=_POINTERS,
            multiples_of_16=("item_capacity",),
        )
    for name, precision in PRECISIONS.items():
        for units in (32, 64) if precision.half else (32,):
            yield from _variants(units, precision, suffix=f"{units} {name}")


def _variants(units: int, precision: Precision, *, suffix: str) -> Iterator[KernelVariant]:
    network = _network_constants(units, precision)
    for name, shape, aligned in (("points", ALIGNED, True), ("general", GENERAL, False)):
        tiles = points.tiling(units, aligned=aligned, half=precision.half)
        yield KernelVariant(
            name=f"siren {name} {suffix}",
            kernel=points.siren_points_kernel,
            constants={**shape, **network, **points.constants(tiles.side, aligned=aligned, displaced=not aligned)},
            options=tiles.options,
            pointers=_POINTERS,
        )
    chunks = shrinking.tiling(units)
    yield KernelVariant(
        name=f"siren shrinking {suffix}",
        kernel=shrinking.siren_shrinking_kernel,
        constants={**ALIGNED, **network, **shrinking.constants(chunks)},
        options=chunks.options,
        pointers=_POINTERS,
    )


def _network_constants(units: int, precision: Precision) -> dict[str, Any]:
    return {"UNITS": units, "HALF": precision.half, "PRECISION": precision.products}
