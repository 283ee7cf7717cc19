"""Kernels that are launched: of which arguments Triton may make constants, and of which not.

Triton compiles a kernel anew for integers that are 1 or begin to be multiples of 16, and for pointers that begin to be.
That pays for strides of the output and for what a family's plan fixes, such as the symbols of a record. Of numbers that
follow the batch, the file or the record nothing is gained, and seconds of compilation would come amid an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import triton

__all__ = ["SCALAR_POINTERS", "VARYING", "entry"]

VARYING = (
    "word_count",
    "record_count",
    "network_count",
    "max_height",
    "max_width",
    "out_height",
    "out_width",
    "tile_columns",
    "tile_count",
)
"""Numbers that every family's kernels are given and that are compiled as numbers, whatever they are."""
SCALAR_POINTERS = ("rows", "shapes", "offsets", "lengths", "status", "displacement")
"""Tensors that may begin anywhere: nothing is read from them in one piece with what lies beside it."""


def entry(*, varying: Iterable[str] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Instead of ``triton.jit`` above a kernel that is launched.

    Args:
        varying: further numbers of the family's own that differ between files and need not be known when compiling.
    """
    return triton.jit(do_not_specialize=(*VARYING, *varying), do_not_specialize_on_alignment=(*SCALAR_POINTERS,))  # type: ignore[no-any-return]
