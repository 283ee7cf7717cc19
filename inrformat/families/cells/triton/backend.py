"""The Triton backend of ``cells`` (``decoding.triton.backend.TritonBackend``): what is launched for a batch.

Programs of samples that are another kernel's, by family or by whether an aligned map shrinks, leave at once: batches
mix freely, and what few samples need costs the others no registers. What must move and be computed for a sample, for
judging a measurement (H x W output, h x w native pixels, C = 3):

=======  ==============================================  ===============================================
kernel   bytes per sample                                multiply-adds per output pixel
=======  ==============================================  ===============================================
floor    record + C H W out                              30 separable, 200 general
read     record + 2 x 2 C h w (symbols cleared, stored)  about 20 integer steps per symbol
aligned  2 C h w symbols, read once per tile + output    (64 C + 2 x 15) for each block and cell side
                                                         seen: 400 to 900 as TF32 products
general  2 bytes per coefficient and tap, from cache     64 C for 8 px cells; C (extent^2 / 2) for greater
         + output                                        ones; times taps
=======  ==============================================  ===============================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton import ahead_of_time
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.decoding.triton.backend import PRECISIONS, View
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.families.cells.triton import aligned, general, read as reading
from inrformat.families.cells.triton.plan import CellsPlan, CellsScratch
from inrformat.families.cells.triton.symbols import CHUNK

__all__ = ["kernels", "prepare", "read", "render", "why_not"]

_MOST_SYMBOLS = 1 << 30
_POINTERS = {
    "cell_means": "*fp32",
    "cell_sides": "*i32",
    "node_means": "*fp32",
    "steps": "*fp32",
    "symbols": "*i16",
    "unit_words": "*i32",
    "work": "*i32",
}


def why_not(file: DeviceFile) -> str | None:
    """See ``TritonBackend.why_not``: images must not be beyond what 32 bits count."""
    if file.channels * (file.max_height + 31) * (file.max_width + 31) * 4 // 3 > _MOST_SYMBOLS:
        return f"images of {file.max_height} x {file.max_width} px"
    return None


def prepare(file: DeviceFile) -> CellsPlan:
    """See ``TritonBackend.prepare``."""
    return CellsPlan.of(file)


def read(plan: CellsPlan, scratch: CellsScratch, *, payload: Payload, samples: Samples, status: Tensor) -> None:
    """See ``TritonBackend.read``; status bits of the family: ``symbols.NO_SUCH_CLASS``, ``read.NO_SUCH_SCALE``."""
    batch = len(samples.rows)
    scratch.symbols[:batch].zero_()  # what a cell does not keep is not stored
    kernel: Any = reading.read_cells_kernel
    kernel[(batch,)](
        **payload._asdict(),
        **samples._asdict(),
        heads=plan.descriptors.heads,
        integers=plan.descriptors.integers,
        floats=plan.descriptors.floats,
        unit_words=plan.unit_words,
        symbols=scratch.symbols,
        work=scratch.work,
        node_means=scratch.node_means,
        cell_means=scratch.cell_means,
        cell_sides=scratch.cell_sides,
        steps=scratch.steps,
        status=status,
        symbol_count=plan.symbol_count,
        node_count=plan.node_count,
        details_start=plan.details_start,
        roots_start=plan.roots_start,
        plane_start=plan.plane_start,
        scale_position=plan.scale_position,
        plane_width=plan.plane_width,
        plane_size=plan.plane_size,
        **_read_constants(plan.channels, node_count=plan.node_count),
        **reading.OPTIONS,
    )


def render(plan: CellsPlan, scratch: CellsScratch, *, view: View) -> None:
    """See ``TritonBackend.render``."""
    arguments = {
        "heads": plan.descriptors.heads,
        "floats": plan.descriptors.floats,
        "symbols": scratch.symbols,
        "cell_means": scratch.cell_means,
        "cell_sides": scratch.cell_sides,
        "steps": scratch.steps,
        "symbol_count": plan.symbol_count,
        "plane_start": plan.plane_start,
        "plane_columns": plan.fine_columns,
        "plane_nodes": plan.fine_nodes,
    }
    if view.maps.aligned:
        for shrinks in (False, True) if view.maps.antialias else (False,):
            constants = aligned.constants(shrinks=shrinks, products=view.precision.products)
            view.launch(
                aligned.cells_aligned_kernel,
                tile=(aligned.TILE, aligned.TILE),
                arguments={**arguments, "point_span": view.maps.point_span, **constants},
                options=aligned.options(shrinks=shrinks, products=view.precision.products),
            )
    else:
        view.launch(
            general.cells_general_kernel,
            tile=(general.TILE_HEIGHT, general.TILE_WIDTH),
            arguments={
                **arguments,
                "taps": view.maps.taps,
                "displacement": view.maps.displacement,
                **general.constants(displaced=view.maps.displaced),
            },
            options=general.OPTIONS,
        )


def kernels() -> Iterator[KernelVariant]:
    """See ``TritonBackend.kernels``."""
    yield KernelVariant(
        name="cells read",
        kernel=reading.read_cells_kernel,
        constants=_read_constants(ahead_of_time.ALIGNED["C"], node_count=1024),
        options=reading.OPTIONS,
        pointers=_POINTERS,
        multiples_of_16=("symbol_count", "plane_start", "plane_width", "plane_size"),
    )
    yield KernelVariant(
        name="cells general",
        kernel=general.cells_general_kernel,
        constants={**ahead_of_time.GENERAL, **general.constants(displaced=True)},
        options=general.OPTIONS,
        pointers=_POINTERS,
        multiples_of_16=("symbol_count", "plane_start"),
    )
    for precision, (products, _) in PRECISIONS.items():
        for name, shrinks in (("points", False), ("shrinking", True)):
            yield KernelVariant(
                name=f"cells {name} {precision}",
                kernel=aligned.cells_aligned_kernel,
                constants={**ahead_of_time.ALIGNED, **aligned.constants(shrinks=shrinks, products=products)},
                options=aligned.options(shrinks=shrinks, products=products),
                pointers=_POINTERS,
                multiples_of_16=("symbol_count", "plane_start"),
            )


def _read_constants(channels: int, *, node_count: int) -> dict[str, int]:
    return {"C": channels, "CHUNK": CHUNK, "NODE_BITS": node_count.bit_length()}
